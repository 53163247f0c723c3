"""Fuzzers of everything that the loader reads from others: `make fuzz`, or `python -m tests.fuzz [NAME ...]`."""
