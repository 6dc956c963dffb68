"""python -m muster: the command line."""

from .frontends.cli import main

main()
