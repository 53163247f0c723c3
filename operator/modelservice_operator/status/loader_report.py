"""Parses the report of a loader: one line of JSON in its termination message (see resources.model_volume)."""

from dataclasses import dataclass
from typing import Any, Self

import orjson

from modelservice_operator.status.pods import Termination


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

    @classmethod
    def of(cls, termination: Termination) -> Self:
        """Parse a termination message. Text that is not a report becomes the message."""
        line = termination.message.strip().rpartition("\n")[2]
        try:
            body = orjson.loads(line)
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            return cls(message=termination.message)
        return cls(
            reason=_text_field(body, "reason", 64),
            message=_text_field(body, "message", 2048),
            resolved_uri=_text_field(body, "resolvedURI", 2048),
            resolution=_text_field(body, "resolution", 256),
            digest=_text_field(body, "digest", 128),
            bytes=_count_field(body, "bytes"),
            files=_count_field(body, "files"),
        )


def _text_field(body: dict[str, Any], name: str, max_chars: int) -> str:
    value = body.get(name)
    return value[:max_chars] if isinstance(value, str) else ""


def _count_field(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    return value if isinstance(value, int) and value >= 0 else 0
