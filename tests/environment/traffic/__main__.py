"""Build the load generator, so that no test has to: `python -m tests.environment.traffic`."""

from tests.environment.traffic.load import build_generator

build_generator()
