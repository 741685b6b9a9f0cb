"""`python -m idiolect` and the `idiolect` command."""

import sys

from idiolect.cli import main as run


def main() -> None:
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
