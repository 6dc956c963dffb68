"""`muster demo`: the whole story in a scratch folder, played with real commands on real models."""
