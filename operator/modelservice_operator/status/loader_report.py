"""A loader's report: one line of JSON in its termination message (the loader's contract)."""

import json
from dataclasses import dataclass
from typing import Any, Self

from modelservice_operator.status.pods import Termination


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a loader said at its end. Anybody's loader may say it, so nothing in it is believed to have a form."""

    reason: str = ""
    message: str = ""
    resolved_uri: str = ""
    resolution: str = ""
    digest: str = ""
    bytes: int = 0
    files: int = 0

    @classmethod
    def of(cls, ended: Termination) -> Self:
        """Read an ending; any text that is no report is a message."""
        last = ended.message.strip().rpartition("\n")[2]
        try:
            body = json.loads(last)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            return cls(message=ended.message)
        return cls(
            reason=_text(body, "reason", 64),
            message=_text(body, "message", 2048),
            resolved_uri=_text(body, "resolvedURI", 2048),
            resolution=_text(body, "resolution", 256),
            digest=_text(body, "digest", 128),
            bytes=_count(body, "bytes"),
            files=_count(body, "files"),
        )


def _text(body: dict[str, Any], name: str, longest: int) -> str:
    value = body.get(name)
    return value[:longest] if isinstance(value, str) else ""


def _count(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    return value if isinstance(value, int) and value >= 0 else 0
