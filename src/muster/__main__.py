"""`python -m muster` is the command `muster`."""

from .frontends.cli import main

if __name__ == "__main__":
    main()
