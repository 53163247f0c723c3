"""Errors of the tests' clusters; each message is for the user at the terminal."""

from __future__ import annotations


class ClusterError(Exception):
    """A cluster cannot be built, started, used or stopped; the message says why and who acts next."""


class PortTakenError(ClusterError):
    """Another process listens on the port that a component was given."""


class DeadlineError(ClusterError):
    """Something did not happen in time."""
