"""`python -m idiolect` and the `idiolect` command."""

import os
import sys

from idiolect.cli import main as run


def main() -> None:
    code = run(sys.argv[1:])
    if code and "daft" in sys.modules:
        # Daft 0.7's threads can abort an interpreter that ends right after an error (11 of 40 runs), which would
        # turn our exit code into a crash. Everything of ours is on disk by now.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
