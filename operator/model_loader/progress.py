"""Progress of a load, as lines of JSON or as a bar on a terminal, and its time limits."""

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Self, TextIO

from model_loader.errors import LoaderError, Reason

_DISPLAY_INTERVAL = 5.0
MIN_BYTES_PER_SECOND = 1024
"""A store that sends fewer during `_STALL_TIMEOUT` is stalled (rule I12, slow-loris)."""
_STALL_TIMEOUT = 60.0
_RATE_WINDOW = 30.0
"""Seconds of which the rate is the mean: a store that pauses for a moment does not change the time left much."""
_MAX_SECONDS_LEFT = 30 * 24 * 3600


class Figures(NamedTuple):
    """Progress of a load at one moment. What is unknown is None."""

    bytes: int
    total_bytes: int | None
    files: int
    bytes_per_second: int | None = None

    @property
    def percent(self) -> int | None:
        """Return the loaded percentage of the bytes, rounded down."""
        return min(100, self.bytes * 100 // self.total_bytes) if self.total_bytes else None

    @property
    def seconds_left(self) -> int | None:
        """Return the time until all bytes are loaded at the present rate, rounded up; None without a rate."""
        if self.total_bytes is None or not self.bytes_per_second:
            return None
        return min(-(-max(0, self.total_bytes - self.bytes) // self.bytes_per_second), _MAX_SECONDS_LEFT)

    def as_fields(self) -> dict[str, int | None]:
        """Return the fields of an event of the log, which the operator reads as well."""
        return {
            "bytes": self.bytes,
            "total": self.total_bytes,
            "files": self.files,
            "percent": self.percent,
            "bytesPerSecond": self.bytes_per_second,
            "secondsLeft": self.seconds_left,
        }


class RateMeter:
    """Measures the rate of a count that never decreases, as the mean of the last `_RATE_WINDOW` seconds."""

    def __init__(self, now: float) -> None:
        self._samples = deque([(now, 0)])

    def measure(self, now: float, count: int) -> int | None:
        """Return the rate per second up to `now`, in seconds; None if no time has passed or nothing was counted."""
        while len(self._samples) > 1 and self._samples[1][0] <= now - _RATE_WINDOW:
            self._samples.popleft()
        since, counted = self._samples[0]
        if now - self._samples[-1][0] >= 1:
            self._samples.append((now, count))
        return int((count - counted) / (now - since)) or None if now > since else None


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
        display: Callable[[Figures], None],
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
        """Received from the store by this process. Never decreases, unlike `bytes`."""
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
        self._rate = RateMeter(self.started)
        self._thread = threading.Thread(target=self._monitor, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def expect_bytes(self, count: int) -> None:
        """Set the number of bytes of the whole model."""
        self.total_bytes = count

    def add_bytes(self, count: int) -> None:
        """Count received bytes."""
        with self._lock:
            self.bytes += count
            self._received_bytes += count

    def resume_bytes(self, count: int) -> None:
        """Count bytes that an earlier loader received: loaded, but without a rate."""
        with self._lock:
            self.bytes += count

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

    def figures(self) -> Figures:
        """Return the progress at this moment. Threads may call it."""
        with self._lock:
            rate = self._rate.measure(time.monotonic(), self._received_bytes)
            return Figures(self.bytes, self.total_bytes, self.files, rate)

    @property
    def elapsed_seconds(self) -> float:
        """Time since the start of the load."""
        return time.monotonic() - self.started

    def _monitor(self) -> None:
        slow_since, bytes_then = time.monotonic(), 0
        while not self._stopped.wait(min(self._interval, max(self.deadline - time.monotonic(), 0.01))):
            now = time.monotonic()
            self._display(self.figures())
            if now >= self.deadline:
                message = f"Download timed out after {self._timeout:.0f} s. Raise model.loader.timeoutSeconds."
                self._on_timeout(LoaderError(Reason.TIMEOUT, message))
            if not self._transfers or self._received_bytes - bytes_then > MIN_BYTES_PER_SECOND * self._stall_timeout:
                slow_since, bytes_then = now, self._received_bytes
            elif now - slow_since > self._stall_timeout:
                rate = f"fewer than {MIN_BYTES_PER_SECOND} bytes a second for {self._stall_timeout:.0f} s"
                message = f"The store has sent {rate}."
                self._on_timeout(LoaderError(Reason.TIMEOUT, message))


class LineDisplay:
    """Writes the progress to the log, one line of JSON each time."""

    interval = _DISPLAY_INTERVAL

    def __init__(self, log: JsonLogger) -> None:
        self._log = log

    def show(self, figures: Figures) -> None:
        """Write one line."""
        self._log.log_event("progress", **figures.as_fields())

    def close(self) -> None:
        """Do nothing: each line is complete."""


class BarDisplay:
    """Shows the progress on a terminal: a bar with the percentage, bytes, time left, rate and number of files."""

    interval = 0.2

    def __init__(self) -> None:
        from tqdm import tqdm  # noqa: PLC0415 - only needed on a terminal

        self._bar = tqdm(unit="B", unit_scale=True, unit_divisor=1024, file=sys.stderr, leave=False, dynamic_ncols=True)

    def show(self, figures: Figures) -> None:
        """Draw the bar. Bytes may decrease: those of a file that is downloaded again do not count."""
        self._bar.total = figures.total_bytes
        self._bar.set_postfix_str("1 file" if figures.files == 1 else f"{figures.files} files", refresh=False)
        self._bar.update(figures.bytes - self._bar.n)
        self._bar.refresh()

    def close(self) -> None:
        """Remove the bar, so that the result begins a new line."""
        self._bar.close()
