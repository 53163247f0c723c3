"""Prepares text reported by a cluster for messages: removes what differs between pods or changes over time.

Each difference would cost a status write, and random parts of names are of no use to a user.
"""

import re
from collections.abc import Iterable

from modelservice_operator.resources.metadata import TEMPLATE_HASH
from modelservice_operator.status.snapshot import Snapshot

MAX_QUOTE_CHARS = 300
"""Characters of quoted text in a message."""

_RANDOM_SUFFIX_CHARS = "[bcdfghjklmnpqrstvwxz2456789]"
"""Characters of random parts of names (apimachinery, util/rand)."""
_IP = r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\])"
_VOLATILE_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\x1b\[[0-9;?]*[A-Za-z]", ""),  # colours of terminals
        (r"[\x00-\x1f\x7f-\x9f]", " "),
        (r"(?<=://)[^/\s@\"']+@", ""),  # user and password in a URL
        (r"(://[^\s?\"'<>]+)\?[^\s\"'<>]*[^\s\"'<>:;,.)]", r"\1"),  # query string: signed URLs contain credentials
        (r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?", ""),
        (r"\b(?:[IWEF]\d{4} )?\d\d:\d\d:\d\d(?:[.,]\d+)?", ""),  # also the prefix of klog
        (r"<(RequestId|HostId)>[^<]*</\1>", ""),  # S3
        (r"(?i)\b(?:x-amz-)?request[-_ ]?id[\"']?[:= ]+[\"']?[\w/+=-]+[\"']?", ""),
        (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", ""),
        (r"\b0x[0-9a-f]{5,}\b", ""),
        (r"(?<!sha256:)\b[0-9a-f]{24,}\b", ""),  # container IDs; digests are stable and useful
        (_IP + r":\d+->", ""),  # local end of a connection
        (r"\b([Bb]ack-off) (?:\d+(?:\.\d+)?[hms]+)+", r"\1"),
        (r"\b\d+\.\d+ ?(?:[mµu]?s|seconds|sec)\b", "…"),
        (r"[\[({][\s\"']*[\])}]", ""),  # brackets that are empty after the removals above
        (r"\s+", " "),
    )
)
_CONNECTION_REFUSED = re.compile(rf"dial tcp {_IP}:(\d+): connect: connection refused")
_POD_ADDRESS = re.compile(_IP + r"(?=[:/\"\s]|$)")


def normalize(text: str, snapshot: Snapshot) -> str:
    """Return reported text on one line, without volatile parts such as times, addresses and names of pods."""
    for name in _pod_names(snapshot):
        text = text.replace(name, snapshot.service.metadata.name)
    text = _revision_pattern(snapshot).sub("", text)
    for pattern, replacement in _VOLATILE_PATTERNS:
        text = pattern.sub(replacement, text)
    return text.strip(" ,;:")


def last_line(text: str, snapshot: Snapshot) -> str:
    """Return the last line of a log; the last line of a traceback or a panic contains the error."""
    lines = [line for line in (normalize(line, snapshot) for line in text.splitlines()) if line]
    return truncate(lines[-1]) if lines else ""


def probe_message(text: str, snapshot: Snapshot) -> str:
    """Return the message of an Unhealthy Event, without the address of the pod."""
    text = _CONNECTION_REFUSED.sub(r"nothing listens on port \1", text)
    return truncate(normalize(_POD_ADDRESS.sub("", text), snapshot))


def truncate(text: str) -> str:
    """Return at most MAX_QUOTE_CHARS characters of `text`."""
    return text if len(text) <= MAX_QUOTE_CHARS else text[: MAX_QUOTE_CHARS - 1] + "…"


def with_full_stop(text: str) -> str:
    """Return `text` with one full stop, or with its ellipsis."""
    return text.rstrip(" .…") + ("…" if text.endswith("…") else ".")


def find_advice(text: str, table: Iterable[tuple[str, str]], *, otherwise: str) -> str:
    """Return the advice of the first entry (pattern, advice) that matches `text`."""
    return next((advice for pattern, advice in table if re.search(pattern, text, re.IGNORECASE)), otherwise)


def _pod_names(snapshot: Snapshot) -> list[str]:
    """Return the names of the pods, the longest first, because one can be a prefix of another."""
    return sorted({pod.name for pod in snapshot.pods}, key=lambda name: (-len(name), name))


def _revision_pattern(snapshot: Snapshot) -> re.Pattern[str]:
    """Return a pattern for the suffixes that ReplicaSets and pods add to the name of the Deployment."""
    known = "".join(f"|-{re.escape(one)}" for one in _template_hashes(snapshot))
    unknown = rf"(?<={re.escape(snapshot.service.metadata.name)})-{_RANDOM_SUFFIX_CHARS}{{8,10}}(?![a-z0-9])"
    return re.compile(rf"(?:{unknown}{known})(?:-{_RANDOM_SUFFIX_CHARS}{{5}}(?![a-z0-9]))?-?")


def _template_hashes(snapshot: Snapshot) -> list[str]:
    replica_sets = ((one["metadata"].get("labels") or {}).get(TEMPLATE_HASH) for one in snapshot.replica_sets)
    hashes = (*replica_sets, *(pod.template_hash for pod in snapshot.pods))
    return sorted({template_hash for template_hash in hashes if template_hash})
