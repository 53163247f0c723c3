"""Print the runbook."""

import sys

from tests.environment.runbook import page

sys.stdout.write(page())
