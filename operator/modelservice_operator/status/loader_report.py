"""Parses the report of a loader: one line of JSON in its termination message (see resources.model_volume)."""

import json
from dataclasses import dataclass
from typing import Any, Self

import orjson

from modelservice_operator.apimachinery.text import sanitize
from modelservice_operator.status.pods import Termination

_MAX_COUNT = (1 << 63) - 1
"""Largest integer of the API (OpenAPI, int64)."""
_MAX_SECONDS = 30 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Report of a loader. It may come from a custom image, so each field is validated and bounded."""

    reason: str = ""
    message: str = ""
    resolved_uri: str = ""
    resolution: str = ""
    digest: str = ""
    bytes: int = 0
    files: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, termination: Termination) -> Self:
        """Parse a termination message. Text that is not a report becomes the message."""
        body = _parse(termination)
        if body is None:
            return cls(message=termination.message)
        return cls(
            reason=_text_field(body, "reason", 64),
            message=_text_field(body, "message", 2048),
            resolved_uri=_text_field(body, "resolvedURI", 2048),
            resolution=_text_field(body, "resolution", 256),
            digest=_text_field(body, "digest", 128),
            bytes=_count_field(body, "bytes"),
            files=_count_field(body, "files"),
            seconds=_seconds_field(body, "seconds"),
        )


def reported_reason(termination: Termination) -> str:
    """Return the reason of a report, without parsing the rest of it."""
    return _text_field(_parse(termination) or {}, "reason", 64)


def _parse(termination: Termination) -> dict[str, Any] | None:
    line = termination.message.strip().rpartition("\n")[2]
    if not line.startswith("{"):
        return None
    try:
        body = _decode(line)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _decode(line: str) -> Any:  # noqa: ANN401 - JSON of any type
    """Decode JSON, also with texts that are not valid UTF-8 (RFC 8259, section 8.2), which orjson rejects."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return json.loads(line)


def _text_field(body: dict[str, Any], name: str, max_chars: int) -> str:
    value = body.get(name)
    return sanitize(value, max_chars) if isinstance(value, str) else ""


def _count_field(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    return value if isinstance(value, int) and 0 <= value <= _MAX_COUNT else 0


def _seconds_field(body: dict[str, Any], name: str) -> float:
    value = body.get(name)
    return float(value) if isinstance(value, int | float) and 0 <= value <= _MAX_SECONDS else 0.0
