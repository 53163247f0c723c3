"""How what a cluster says becomes part of a sentence: without what differs from one moment or pod to the next.

Each difference would be a status write, and a name with a random part tells a person nothing.
"""

import re
from collections.abc import Iterable

from modelservice_operator.resources.metadata import TEMPLATE_HASH
from modelservice_operator.status.snapshot import Snapshot

MAX_QUOTE_CHARS = 300
"""Characters of somebody else's text in a sentence of ours."""

_RANDOM_SUFFIX_CHARS = "[bcdfghjklmnpqrstvwxz2456789]"
"""What random parts of names are made of (apimachinery, util/rand)."""
_IP = r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\])"
_VOLATILE_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\x1b\[[0-9;?]*[A-Za-z]", ""),  # colours of terminals
        (r"[\x00-\x1f\x7f-\x9f]", " "),
        (r"(?<=://)[^/\s@\"']+@", ""),  # a user and a password in a URL
        (r"(://[^\s?\"'<>]+)\?[^\s\"'<>]*[^\s\"'<>:;,.)]", r"\1"),  # a query: signed URLs carry their credential there
        (r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?", ""),
        (r"\b(?:[IWEF]\d{4} )?\d\d:\d\d:\d\d(?:[.,]\d+)?", ""),  # also as klog begins its lines
        (r"<(RequestId|HostId)>[^<]*</\1>", ""),  # as S3 answers
        (r"(?i)\b(?:x-amz-)?request[-_ ]?id[\"']?[:= ]+[\"']?[\w/+=-]+[\"']?", ""),
        (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", ""),
        (r"\b0x[0-9a-f]{5,}\b", ""),
        (r"(?<!sha256:)\b[0-9a-f]{24,}\b", ""),  # identifiers of containers; digests stay the same and say something
        (_IP + r":\d+->", ""),  # the near end of a connection
        (r"\b([Bb]ack-off) (?:\d+(?:\.\d+)?[hms]+)+", r"\1"),
        (r"\b\d+\.\d+ ?(?:[mµu]?s|seconds|sec)\b", "…"),
        (r"[\[({][\s\"']*[\])}]", ""),  # what is left of brackets round such a thing
        (r"\s+", " "),
    )
)
_CONNECTION_REFUSED = re.compile(rf"dial tcp {_IP}:(\d+): connect: connection refused")
_POD_ADDRESS = re.compile(_IP + r"(?=[:/\"\s]|$)")


def normalize(text: str, observed: Snapshot) -> str:
    """Text of a cluster on one line, the same for each pod and at each moment."""
    for name in _pod_names(observed):
        text = text.replace(name, observed.service.metadata.name)
    text = _revision_pattern(observed).sub("", text)
    for pattern, replacement in _VOLATILE_PATTERNS:
        text = pattern.sub(replacement, text)
    return text.strip(" ,;:")


def last_line(text: str, observed: Snapshot) -> str:
    """The end of a log: of a traceback or a panic, the last line says what happened."""
    lines = [line for line in (normalize(line, observed) for line in text.splitlines()) if line]
    return truncate(lines[-1]) if lines else ""


def probe_message(note: str, observed: Snapshot) -> str:
    """What an Unhealthy Event says: about ports, never about the address that a pod happens to have."""
    told = _CONNECTION_REFUSED.sub(r"nothing listens on port \1", note)
    return truncate(normalize(_POD_ADDRESS.sub("", told), observed))


def truncate(text: str) -> str:
    """Cut to what fits into a sentence."""
    return text if len(text) <= MAX_QUOTE_CHARS else text[: MAX_QUOTE_CHARS - 1] + "…"


def with_full_stop(text: str) -> str:
    """With a full stop, whether or not it had one."""
    return text.rstrip(" .…") + ("…" if text.endswith("…") else ".")


def find_advice(text: str, table: Iterable[tuple[str, str]], *, otherwise: str) -> str:
    """What to do about `text`: the advice of the first entry whose pattern it matches."""
    return next((what for pattern, what in table if re.search(pattern, text, re.IGNORECASE)), otherwise)


def _pod_names(observed: Snapshot) -> list[str]:
    """Names of the pods, the longest first: one may begin with another."""
    return sorted({str(pod["metadata"]["name"]) for pod in observed.pods}, key=lambda name: (-len(name), name))


def _revision_pattern(observed: Snapshot) -> re.Pattern[str]:
    """What a ReplicaSet's name has more than its Deployment's, with what its pods' names have more than that."""
    known = "".join(f"|-{re.escape(one)}" for one in _template_hashes(observed))
    unknown = rf"(?<={re.escape(observed.service.metadata.name)})-{_RANDOM_SUFFIX_CHARS}{{8,10}}(?![a-z0-9])"
    return re.compile(rf"(?:{unknown}{known})(?:-{_RANDOM_SUFFIX_CHARS}{{5}}(?![a-z0-9]))?-?")


def _template_hashes(observed: Snapshot) -> list[str]:
    labels = ((one["metadata"].get("labels") or {}) for one in (*observed.pods, *observed.replica_sets))
    return sorted({label[TEMPLATE_HASH] for label in labels if label.get(TEMPLATE_HASH)})
