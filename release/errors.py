"""The one error of this package."""


class ReleaseError(Exception):
    """A release cannot be built; the message names the cause and what to do."""
