"""Errors of the benchmark; their text is shown to the user."""


class BenchError(Exception):
    """A measurement is not possible; the message gives the reason."""
