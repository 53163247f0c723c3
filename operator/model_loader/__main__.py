"""`python -m model_loader`."""

import sys

from model_loader.process import protect_process

environment = protect_process()

from model_loader.cli import main  # noqa: E402 - after the protection, so that no library sees the environment

sys.exit(main(environment=environment))
