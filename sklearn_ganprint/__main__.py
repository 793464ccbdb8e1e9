"""``python -m sklearn_ganprint``."""

import sys

from sklearn_ganprint.cli import main

if __name__ == "__main__":
    sys.exit(main())
