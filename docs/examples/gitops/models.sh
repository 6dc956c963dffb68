#!/bin/sh
# Writes which versions are in use into the repository that Argo CD or Flux deploys from, where they have moved.
# Run it there, from a schedule or the registry's webhook. MUSTER_REGISTRY names the registry.
set -eu

muster resolve bikes/production bikes@champion --format yaml > models.yaml.new
mv models.yaml.new models.yaml
git add models.yaml
if git diff --cached --quiet; then
  echo "nothing has moved" >&2
else
  git commit --quiet --message="Models: what is in use now"
  git push --quiet
fi
