"""Prepares text reported by a cluster for messages: short, on one line, without volatile parts."""

import re
from collections.abc import Iterable

from modelservice_operator.status.normalizer import IP_PATTERN
from modelservice_operator.status.snapshot import Snapshot

MAX_QUOTE_CHARS = 300
"""Characters of quoted text in a message."""

_CONNECTION_REFUSED = re.compile(rf"dial tcp {IP_PATTERN}:(\d+): connect: connection refused")
_POD_ADDRESS = re.compile(IP_PATTERN + r"(?=[:/\"\s]|$)")


def normalize(text: str, snapshot: Snapshot) -> str:
    """Return reported text on one line, without volatile parts such as times, addresses and names of pods."""
    return snapshot.normalizer.normalize(text)


def last_line(text: str, snapshot: Snapshot) -> str:
    """Return the last line of a log; the last line of a traceback or a panic contains the error."""
    lines = (normalize(line, snapshot) for line in reversed(text.splitlines()))
    return truncate(next((line for line in lines if line), ""))


def probe_message(text: str, snapshot: Snapshot) -> str:
    """Return the message of an Unhealthy Event, without the address of the pod."""
    text = _CONNECTION_REFUSED.sub(r"nothing listens on port \1", text)
    return truncate(normalize(_POD_ADDRESS.sub("", text), snapshot))


def truncate(text: str, max_chars: int = MAX_QUOTE_CHARS) -> str:
    """Return at most `max_chars` characters of `text`."""
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"


def with_full_stop(text: str) -> str:
    """Return `text` with one full stop, or with its ellipsis."""
    return text.rstrip(" .…") + ("…" if text.endswith("…") else ".")


def find_advice(text: str, table: Iterable[tuple[str, str]], *, otherwise: str) -> str:
    """Return the advice of the first entry (pattern, advice) that matches `text`."""
    return next((advice for pattern, advice in table if re.search(pattern, text, re.IGNORECASE)), otherwise)
