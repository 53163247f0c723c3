"""Entry point of `python -m modelservice_operator`."""

import sys

from modelservice_operator.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
