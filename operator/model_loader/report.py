"""Result of a run: one line of JSON, written to the termination message and to standard output.

`{reason, message, uri, resolvedURI, resolution, digest, verified, bytes, files, seconds}`; reason is Loaded, Cached or
Resolved, or one of `errors.Reason`. `digest` is `blake3:HEX`; `verified` names the checksums that were compared with
those that the store or the request promised. Kubernetes keeps 4096 bytes of a termination message (core/v1, Container).
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from model_loader.errors import LoaderError
from model_loader.text import sanitize

TERMINATION_MESSAGE_PATH = Path("/dev/termination-log")
_MAX_TEXT_CHARS = 1200
_MAX_LINE_BYTES = 4000
"""Of a longer termination message, Kubernetes keeps the end only, which would not be JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Result of a run."""

    reason: str
    message: str
    uri: str
    resolved_uri: str = ""
    resolution: str = ""
    digest: str = ""
    verified: tuple[str, ...] = ()
    bytes: int = 0
    files: int = 0
    seconds: float = 0.0

    @classmethod
    def from_error(cls, error: LoaderError, *, uri: str, seconds: float) -> "Report":
        """Return the report of a failure."""
        return cls(reason=str(error.reason), message=error.message, uri=uri, seconds=seconds)

    def to_json_line(self, redact: Callable[[str], str]) -> str:
        """Return the report as one line of JSON; `redact` removes credentials from a text."""
        texts = {
            "reason": self.reason,
            "message": self.message,
            "uri": self.uri,
            "resolvedURI": self.resolved_uri,
            "resolution": self.resolution,
            "digest": f"blake3:{self.digest}" if self.digest else "",
        }
        lists = {"verified": list(self.verified)} if self.verified else {}
        numbers = {"bytes": self.bytes, "files": self.files, "seconds": round(self.seconds, 2)}
        max_chars, line = _MAX_TEXT_CHARS, ""
        while not line or len(line.encode()) > _MAX_LINE_BYTES:
            present = {name: sanitize(redact(text), max_chars) for name, text in texts.items() if text}
            line, max_chars = json.dumps(present | lists | numbers, ensure_ascii=False), max_chars // 2
        return line


def write_termination_message(to_json_line: str, file: Path = TERMINATION_MESSAGE_PATH) -> None:
    """Write the report to the file that the kubelet reads. Outside a pod the file does not exist."""
    with suppress(OSError):
        if file.exists():
            file.write_text(to_json_line + "\n", encoding="utf-8", errors="backslashreplace")
