"""Progress of a load, as lines of JSON or as a bar on a terminal, and its time limits."""

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Self, TextIO

from model_loader.errors import LoaderError, Reason

_DISPLAY_INTERVAL = 5.0
MIN_BYTES_PER_SECOND = 1024
"""A store that sends fewer during `_STALL_TIMEOUT` is stalled (rule I12, slow-loris)."""
_STALL_TIMEOUT = 60.0


class JsonLogger:
    """Writes log events as JSON, one object a line."""

    def __init__(self, stream: TextIO, redact: Callable[[str], str]) -> None:
        self._stream = stream
        self._redact = redact
        self._lock = threading.Lock()

    def log_event(self, event: str, **fields: str | int | None) -> None:
        """Write one event with its fields."""
        # Before they are encoded: a credential with a quote or a backslash looks different in JSON.
        cleaned = {name: self._redact(one) if isinstance(one, str) else one for name, one in fields.items()}
        with self._lock:
            self._stream.write(json.dumps({"event": event, **cleaned}) + "\n")
            self._stream.flush()


class Progress:
    """Counts bytes and files, displays them, and detects stalled transfers and the deadline.

    `on_timeout` is called in a separate thread. It must end the process, since a call into a library cannot be
    cancelled. All times are in seconds.
    """

    def __init__(
        self,
        display: Callable[[int, int | None, int], None],
        on_timeout: Callable[[LoaderError], None],
        *,
        timeout: float,
        interval: float = _DISPLAY_INTERVAL,
        stall_timeout: float = _STALL_TIMEOUT,
    ) -> None:
        self.started = time.monotonic()
        self.deadline = self.started + timeout
        self.bytes = 0
        self._received_bytes = 0
        """Never decreases, unlike `bytes`."""
        self.files = 0
        self.total_bytes: int | None = None
        self._display = display
        self._on_timeout = on_timeout
        self._timeout = timeout
        self._interval = interval
        self._stall_timeout = stall_timeout
        self._transfers = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._monitor, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def add_bytes(self, count: int) -> None:
        """Count received bytes."""
        with self._lock:
            self.bytes += count
            self._received_bytes += count

    def remove_bytes(self, count: int) -> None:
        """Subtract bytes that were received and are not used."""
        with self._lock:
            self.bytes -= count

    def restart(self) -> None:
        """Count files and bytes from 0 again."""
        with self._lock:
            self.bytes = self.files = 0

    def add_file(self) -> None:
        """Count a complete file."""
        with self._lock:
            self.files += 1

    def begin_transfer(self) -> None:
        """Count a transfer that begins. Without transfers there is no stall."""
        with self._lock:
            self._transfers += 1

    def end_transfer(self) -> None:
        """Count a transfer that ends."""
        with self._lock:
            self._transfers -= 1

    @property
    def elapsed_seconds(self) -> float:
        """Time since the start of the load."""
        return time.monotonic() - self.started

    def _monitor(self) -> None:
        slow_since, bytes_then = time.monotonic(), 0
        while not self._stopped.wait(min(self._interval, max(self.deadline - time.monotonic(), 0.01))):
            now = time.monotonic()
            self._display(self.bytes, self.total_bytes, self.files)
            if now >= self.deadline:
                message = f"Download timed out after {self._timeout:.0f} s. Raise model.loader.timeoutSeconds."
                self._on_timeout(LoaderError(Reason.TIMEOUT, message))
            if not self._transfers or self._received_bytes - bytes_then > MIN_BYTES_PER_SECOND * self._stall_timeout:
                slow_since, bytes_then = now, self._received_bytes
            elif now - slow_since > self._stall_timeout:
                rate = f"fewer than {MIN_BYTES_PER_SECOND} bytes a second for {self._stall_timeout:.0f} s"
                message = f"The store has sent {rate}."
                self._on_timeout(LoaderError(Reason.TIMEOUT, message))


def build_line_display(log: JsonLogger) -> Callable[[int, int | None, int], None]:
    """Return a function that writes the progress to the log."""
    return lambda done, total, files: log.log_event("progress", bytes=done, total=total, files=files)


def build_bar_display() -> Callable[[int, int | None, int], None]:
    """Return a function that shows the progress as a bar on the terminal."""
    from tqdm import tqdm  # noqa: PLC0415 - only needed on a terminal

    bar = tqdm(unit="B", unit_scale=True, unit_divisor=1024, file=sys.stderr, leave=False)

    def display(done: int, total: int | None, files: int) -> None:
        bar.total = total
        bar.set_postfix_str(f"{files} files", refresh=False)
        bar.update(done - bar.n)

    return display
