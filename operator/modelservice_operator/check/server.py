"""Judges the API server: its version and its clock. Pure."""

from collections.abc import Iterator

from modelservice_operator.apimachinery.versions import (
    NEWEST_TESTED,
    SUPPORTED_RANGE,
    explain_unsupported,
    parse_version,
)
from modelservice_operator.check.facts import Facts, Unreadable
from modelservice_operator.check.findings import Finding, FindingID, error, ok, unreadable, warning
from modelservice_operator.client.server_clock import ClockReading

MAX_SKEW_SECONDS = 10.0
"""Difference of the clocks in excess of what the duration of the request explains; tokens are accepted with less."""


def check_kubernetes(facts: Facts) -> Iterator[Finding]:
    """Yield what is so about the version of the API server."""
    version = facts.kubernetes
    if isinstance(version, Unreadable):
        yield unreadable(FindingID.KUBERNETES_UNREADABLE, "the version of Kubernetes", version.reason, facts.user)
        return
    problem = explain_unsupported(version)
    if not problem:
        yield ok(FindingID.KUBERNETES, f"Kubernetes {version} is supported ({SUPPORTED_RANGE}).")
    elif parse_version(version)[:2] > NEWEST_TESTED:
        yield warning(FindingID.KUBERNETES_NOT_TESTED, problem, "kubectl version")
    else:
        yield error(FindingID.KUBERNETES_TOO_OLD, problem, "kubectl version")


def check_clock(facts: Facts) -> Iterator[Finding]:
    """Yield how much the clocks of this machine and of the API server differ."""
    reading = facts.clock
    if isinstance(reading, Unreadable):
        yield unreadable(FindingID.CLOCK_UNREADABLE, "the clock of the API server", reading.reason, facts.user)
        return
    skew = min_skew(reading)
    if skew > MAX_SKEW_SECONDS:
        text = (
            f"The clocks of this machine and of the API server differ by at least {skew:.0f} s. Tokens and signed URLs"
            " may count as expired, and times in the status are wrong."
        )
        yield warning(FindingID.CLOCK_SKEW, text, "timedatectl status && sudo timedatectl set-ntp true")
    else:
        yield ok(FindingID.CLOCK, "The clocks of this machine and of the API server agree.")


def min_skew(reading: ClockReading) -> float:
    """Return the least difference of the clocks, in seconds, that explains the reading."""
    ahead = (reading.server - reading.after).total_seconds()
    behind = (reading.before - reading.server).total_seconds() - 1.0
    return max(ahead, behind, 0.0)
