"""Parses the progress that a loader reports: one line of JSON with numbers (see `model_loader.progress`)."""

from dataclasses import dataclass
from typing import Any, Self

import orjson

from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.resources.metadata import omit_none

MAX_BYTES = (1 << 53) - 1
"""Largest integer that every client reads exactly (RFC 8259, section 6)."""
MAX_SECONDS_LEFT = 30 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadProgress:
    """Progress of a loader. It may come from a custom image: only numbers in their ranges are used, and no text."""

    loaded_bytes: int
    total_bytes: int | None = None
    seconds_left: int | None = None

    @classmethod
    def parse(cls, line: bytes) -> Self | None:
        """Return the progress in a line; None if it is not valid, or if the loader has not received anything yet."""
        try:
            body = orjson.loads(line)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(body, dict):
            return None
        loaded, total = _count_field(body, "bytes", MAX_BYTES), _count_field(body, "total", MAX_BYTES)
        if loaded is None or not (loaded or total):
            return None
        if total is not None and loaded > total:
            total = None
        return cls(
            loaded_bytes=loaded,
            total_bytes=total or None,
            seconds_left=_count_field(body, "secondsLeft", MAX_SECONDS_LEFT) if total else None,
        )

    def to_status(self) -> Object:
        """Return `status.model.progress`. The percentage is computed here: it never contradicts the bytes."""
        percent = self.loaded_bytes * 100 // self.total_bytes if self.total_bytes else None
        return {
            "loadedBytes": self.loaded_bytes,
            **omit_none(totalBytes=self.total_bytes, percent=percent, secondsLeft=self.seconds_left),
        }


def _count_field(body: dict[str, Any], name: str, maximum: int) -> int | None:
    value = body.get(name)
    return value if type(value) is int and 0 <= value <= maximum else None
