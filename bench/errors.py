"""What goes wrong in a benchmark, as sentences for the person at the terminal."""


class BenchError(Exception):
    """A measurement cannot be made; the message says why."""
