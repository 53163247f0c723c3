"""Print the runbook."""

import sys

from tests.runbook import page

sys.stdout.write(page())
