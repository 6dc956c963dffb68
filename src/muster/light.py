"""`python -m muster.light` reads a published index, with nothing installed but this package."""

from .frontends.light import main

if __name__ == "__main__":
    main()
