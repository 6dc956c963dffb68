"""`muster`, and `python -m muster`: the command line, or word of the one that does without click where there is none."""

import gc
import sys


def main() -> None:
    """Run the command line and exit."""
    gc.set_threshold(10_000)  # reading modules in makes no garbage: look for it less often
    try:
        from .frontends.cli import main as command_line
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        from .frontends.light import MISSING

        sys.exit(f"error: {MISSING}")
    command_line()


if __name__ == "__main__":
    main()
