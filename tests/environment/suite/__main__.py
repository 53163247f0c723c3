"""Command line of a supervised test run: `python -m tests.environment.suite [pytest arguments]`."""

import sys

from tests.environment.suite.supervisor import run_supervised

sys.exit(run_supervised([sys.executable, "-m", "pytest", *sys.argv[1:]]))
