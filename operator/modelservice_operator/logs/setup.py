"""Configuration of the log for one process: one handler on standard error."""

import logging
import sys
import threading
import time
from types import TracebackType
from typing import TextIO

from modelservice_operator.logs.formatters import JsonFormatter, TextFormatter
from modelservice_operator.logs.levels import PACKAGE
from modelservice_operator.settings import LogFormat

logger = logging.getLogger(__name__)

REPEAT_SECONDS = 600.0
"""Time until a line of the exporter of traces is repeated: without a collector, each batch would cause several."""
_RATE_LIMITED = "opentelemetry"


class RepeatFilter(logging.Filter):
    """Drops lines of OpenTelemetry that were logged a short time ago, whatever their arguments are."""

    def __init__(self) -> None:
        super().__init__()
        self._logged_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True for a line to log. The library has a few dozen texts, so that all are remembered."""
        if not record.name.startswith(_RATE_LIMITED):
            return True
        key, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._logged_at.get(key, float("-inf")) < REPEAT_SECONDS:
            return False
        self._logged_at[key] = now
        return True


def configure(log_format: LogFormat | None, level: str, *, stream: TextIO | None = None) -> None:
    """Send log lines to standard error. A format of None is text on a terminal, and JSON elsewhere.

    `level` is that of the operator. Libraries report warnings only.
    What Python itself would print, such as an exception that ends the process, becomes a line as well.
    """
    _leave_out_unused_fields()
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    chosen = log_format or (LogFormat.TEXT if stream.isatty() else LogFormat.JSON)
    handler.setFormatter(JsonFormatter() if chosen == LogFormat.JSON else TextFormatter())
    handler.addFilter(RepeatFilter())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(PACKAGE).setLevel(level.upper())
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_exception
    threading.excepthook = _log_thread_exception


def _leave_out_unused_fields() -> None:
    """Let records be made without what no line shows: half of their cost (Logging HOWTO, "Optimization")."""
    logging._srcfile = None  # noqa: SLF001 - the documented way to not look for the caller
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _log_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logger.critical("Unexpected error; exiting", exc_info=(kind, error, trace))


def _log_thread_exception(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        logger.error("Thread failed", exc_info=(arguments.exc_type, arguments.exc_value, arguments.exc_traceback))
