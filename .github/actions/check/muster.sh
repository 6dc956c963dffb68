#!/usr/bin/env bash
# Install muster outside of the checkout, once in a job, and run it.
set -euo pipefail

place="$RUNNER_TEMP/muster"
if ! [ -x "$place/bin/muster" ]; then
  # Isolated, and elsewhere: no file of the checkout is taken for one of Python's.
  (
    cd "$RUNNER_TEMP"
    python3 -I -m venv "$place"
    "$place/bin/pip" install --quiet --disable-pip-version-check \
      "${INSTALL:-muster-registry==$VERSION}"
  )
fi
exec "$place/bin/muster" ci "$COMMAND"
