"""Removes what differs between pods, or changes over time, from a text about the pods of one ModelService.

Each difference would cost a status write, and random parts of names are of no use to a user.
"""

import re
from collections.abc import Collection, Iterable

from modelservice_operator.apimachinery.text import sanitize

_MAX_TEXT_CHARS = 4096
"""Characters of a text that are read: a termination message has no more (core/v1, Container)."""
_RANDOM_SUFFIX_CHARS = "[bcdfghjklmnpqrstvwxz2456789]"
"""Characters of random parts of names (apimachinery, util/rand)."""
_POD_SUFFIX_LENGTH = 5
"""Characters that the name of a pod has in addition to the prefix of its ReplicaSet (apiserver, names)."""
IP_PATTERN = r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\])"
"""Regular expression of an IPv4 address, or of an IPv6 address in brackets."""
_CALL = "\ue000"
"""Replaces the brackets of a call such as open(), which are not empty because of a removal."""
_VOLATILE_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<=\w)\(\)", _CALL),
        (r"(?<=://)[^/\s@\"']+@", ""),  # user and password in a URL
        (r"(://[^\s?\"'<>]+)\?[^\s\"'<>]*[^\s\"'<>:;,.)]", r"\1"),  # query string: signed URLs contain credentials
        (r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?", ""),
        (r"\b(?:[IWEF]\d{4} )?\d\d:\d\d:\d\d(?:[.,]\d+)?", ""),  # also the prefix of klog
        (r"<(RequestId|HostId)>[^<]*</\1>", ""),  # S3
        (r"(?i)\b(?:x-amz-)?request[-_ ]?id[\"']?[:= ]+[\"']?[\w/+=-]+[\"']?", ""),
        (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", ""),
        (r"\b0x[0-9a-f]{5,}\b", ""),
        (r"(?<!sha256:)(?<!blake3:)\b[0-9a-f]{24,}\b", ""),  # container IDs; digests are stable and useful
        (r"\b(wgunicorn-|tmp)[a-z0-9_]{8}\b", r"\1…"),  # temporary files of Python
        (IP_PATTERN + r":\d+->", ""),  # local end of a connection
        (r"\b([Bb]ack-off) (?:\d+(?:\.\d+)?[hms]+)+", r"\1"),
        (r"\b\d+\.\d+ ?(?:[mµu]?s|seconds|sec)\b", "…"),
        (r"[\[({][\s\"']*[\])}]", ""),  # brackets that are empty after the removals above
        (_CALL, "()"),
        (r"\s+", " "),
    )
)


class TextNormalizer:
    """Normalizes texts about the pods of one ModelService, each distinct text once."""

    def __init__(self, service_name: str, pod_names: Collection[str], template_hashes: Iterable[str]) -> None:
        """`template_hashes` are those of the ReplicaSets and pods of all revisions."""
        self._service_name = service_name
        self._pod_names = frozenset(pod_names)
        self._pod_pattern = _pod_pattern(self._pod_names)
        self._revision_pattern = _revision_pattern(service_name, template_hashes)
        self._normalized: dict[str, str] = {}

    def normalize(self, text: str) -> str:
        """Return a text on one line, without volatile parts such as times, addresses and names of pods."""
        known = self._normalized.get(text)
        if known is None:
            known = self._normalized[text] = self._remove_volatile_parts(sanitize(text, _MAX_TEXT_CHARS))
        return known

    def _remove_volatile_parts(self, text: str) -> str:
        text = self._pod_pattern.sub(self._replace_pod_name, text)
        text = self._revision_pattern.sub("", text)
        for pattern, replacement in _VOLATILE_PATTERNS:
            text = pattern.sub(replacement, text)
        return text.strip(" ,;:")

    def _replace_pod_name(self, match: re.Match[str]) -> str:
        return self._service_name if match[0] in self._pod_names else match[0]


def _pod_pattern(names: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that finds names of pods. Its size grows with the revisions, not with the pods of each."""
    prefixes = {name[:-_POD_SUFFIX_LENGTH] for name in names}
    # The longest first, because one can be a prefix of another. Without a name, nothing matches.
    longest_first = sorted(prefixes, key=lambda prefix: (-len(prefix), prefix))
    return re.compile(rf"(?:{'|'.join(map(re.escape, longest_first)) or '(?!)'})[a-z0-9.-]{{{_POD_SUFFIX_LENGTH}}}")


def _revision_pattern(service_name: str, template_hashes: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern for the suffixes that ReplicaSets and pods add to the name of the Deployment."""
    known = "".join(f"|-{re.escape(one)}" for one in sorted(set(template_hashes)))
    unknown = rf"(?<={re.escape(service_name)})-{_RANDOM_SUFFIX_CHARS}{{8,10}}(?![a-z0-9])"
    return re.compile(rf"(?:{unknown}{known})(?:-{_RANDOM_SUFFIX_CHARS}{{5}}(?![a-z0-9]))?-?")
