"""The two forms of a log line: JSON for programs, text for a terminal. Both are one line, whatever others wrote.

Texts of others (the API server, pods, field managers) are part of messages: controls of a terminal and of the direction
of text are removed, and a line feed never begins a line that looks like another one.
"""

import logging
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from modelservice_operator import tracing
from modelservice_operator.apimachinery.text import sanitize
from modelservice_operator.logs.context import CURRENT_RECONCILE

FIELDS = ("reason", "child", "field", "manager", "previous_reason", "lease", "holder", "version", "request")
"""Fields that a call may set by `extra`, in the order of the line, besides `duration_seconds` and `error`."""
MAX_MESSAGE_CHARS = 4096
MAX_TRACEBACK_CHARS = 8192
"""Characters of a traceback, from its end. A line of at most 16 KiB is not split by container runtimes (CRI)."""
_MAX_FIELD_CHARS = 1024
_FALLBACK = "?"


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object (RFC 8259), in UTF-8."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        message, extra = _raw_message(record), record.__dict__
        fields = {name: extra[name] for name in FIELDS if name in extra}
        if (error := error_of(record)) or (line := _plain_line(record, message, fields)) is None:
            about = {"error": error} if error else {}
            line = _encode(_line_of(record, sanitize(message, MAX_MESSAGE_CHARS), clean(fields)) | about)
        return line


class TextFormatter(logging.Formatter):
    """Formats a record for a terminal. A traceback follows on indented lines: none of them looks like a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines, without the end of the last one."""
        scope = CURRENT_RECONCILE.get()
        about = "" if scope is None else f"{scope.key}: "
        message = message_of(record).replace("\n", "\\n")
        line = f"{timestamp(record.created)} {record.levelname:<8} {record.name}: {about}{message}"
        trace = error_of(record).get("traceback", "")
        return "\n".join([line, *(f"  {one}" for one in trace.splitlines())])


def timestamp(seconds: float) -> str:
    """Return a time in UTC (RFC 3339), in milliseconds."""
    whole, thousandths = divmod(int(seconds * 1000), 1000)
    return f"{_date_and_time(whole)}.{thousandths:03d}Z"


@lru_cache(maxsize=1)
def _date_and_time(seconds: int) -> str:
    # Many lines of a burst are of one second.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def message_of(record: logging.LogRecord) -> str:
    """Return the message without control characters; line feeds stay. One that cannot be formatted is shown raw."""
    return sanitize(_raw_message(record), MAX_MESSAGE_CHARS)


def _raw_message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        return str(record.msg)


def _plain_line(record: logging.LogRecord, message: str, fields: dict[str, Any]) -> str | None:
    """Return a line in which there is nothing to remove, as in most; None for another one.

    It is short, has no control character, and no backslash, with which JSON escapes some of them.
    """
    try:
        line = _encode(_line_of(record, message, fields))
    except TypeError:  # half of a character
        return None
    return line if len(line) <= _MAX_FIELD_CHARS and "\\" not in line and line.isprintable() else None


def _line_of(record: logging.LogRecord, message: str, fields: dict[str, Any]) -> dict[str, Any]:
    scope, seconds = CURRENT_RECONCILE.get(), duration_of(record)
    return {
        "time": timestamp(record.created),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": message,
        **({} if scope is None else {"object": scope.as_fields()}),
        **fields,
        **({} if seconds is None else {"duration_seconds": seconds}),
        **tracing.current_ids(),
    }


def _encode(line: dict[str, Any]) -> str:
    return orjson.dumps(line, default=_describe, option=orjson.OPT_NON_STR_KEYS).decode()


def duration_of(record: logging.LogRecord) -> float | None:
    """Return the seconds that the line sets, else those since the start of the reconcile."""
    scope = CURRENT_RECONCILE.get()
    seconds = getattr(record, "duration_seconds", None if scope is None else scope.seconds())
    return None if seconds is None else round(seconds, 6)


def error_of(record: logging.LogRecord) -> dict[str, str]:
    """Return type, message and traceback of the exception of a record; no traceback for an error that is expected."""
    if record.exc_info and record.exc_info[1] is not None:
        error, trace = record.exc_info[1], "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        return _error_fields(error) | {"traceback": sanitize(trace[-MAX_TRACEBACK_CHARS:], MAX_TRACEBACK_CHARS)}
    expected = getattr(record, "error", None)
    return _error_fields(expected) if isinstance(expected, BaseException) else {}


def clean(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a field without control characters."""
    if isinstance(value, Mapping):
        return {str(name): clean(part) for name, part in value.items()}
    return sanitize(value, _MAX_FIELD_CHARS) if isinstance(value, str) else value


def _error_fields(error: BaseException) -> dict[str, str]:
    return {"type": type(error).__name__, "message": sanitize(str(error), MAX_MESSAGE_CHARS)}


def _describe(value: object) -> str:
    """Return the text of a value that JSON does not have."""
    return sanitize(str(value), _MAX_FIELD_CHARS) or _FALLBACK
