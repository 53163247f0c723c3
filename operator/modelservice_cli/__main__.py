"""Runs the command line as `python -m modelservice_cli`."""

import sys

from modelservice_cli.main import main

sys.exit(main())
