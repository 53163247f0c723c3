"""How far it is: lines of JSON for a cluster, a bar for a person; and an end to what goes on for ever."""

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Self, TextIO

from model_loader.errors import LoaderError, Reason

_EVERY = 5.0
SLOWEST = 1024
"""Bytes a second: a store that sends fewer over `_PATIENCE` is stalled (rule I12, slow-loris)."""
_PATIENCE = 60.0


class Log:
    """Writes one JSON object a line."""

    def __init__(self, stream: TextIO, clean: Callable[[str], str]) -> None:
        self._stream = stream
        self._clean = clean
        self._lock = threading.Lock()

    def say(self, event: str, **fields: Any) -> None:  # noqa: ANN401 - JSON
        """Write a line."""
        with self._lock:
            self._stream.write(self._clean(json.dumps({"event": event, **fields})) + "\n")
            self._stream.flush()


class Progress:
    """Counts bytes and files, shows them, and notices a stall or the deadline.

    `give_up` is called from a thread of its own: it ends the process, since a call into a library cannot be stopped.
    """

    def __init__(
        self,
        show: Callable[[int, int | None, int], None],
        give_up: Callable[[LoaderError], None],
        *,
        seconds: float,
        every: float = _EVERY,
        patience: float = _PATIENCE,
    ) -> None:
        self.started = time.monotonic()
        self.deadline = self.started + seconds
        self.bytes = 0
        self.files = 0
        self.total: int | None = None
        self._show = show
        self._give_up = give_up
        self._seconds = seconds
        self._every = every
        self._patience = patience
        self._transfers = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def add(self, count: int) -> None:
        """Count bytes that arrived."""
        with self._lock:
            self.bytes += count

    def finish_file(self) -> None:
        """Count a file that is complete."""
        with self._lock:
            self.files += 1

    def transferring(self, change: int) -> None:
        """Note that a transfer began (1) or ended (-1): without one there is no stall."""
        with self._lock:
            self._transfers += change

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self.started

    def _watch(self) -> None:
        quiet_since, bytes_then = time.monotonic(), 0
        while not self._ended.wait(min(self._every, max(self.deadline - time.monotonic(), 0.01))):
            now = time.monotonic()
            self._show(self.bytes, self.total, self.files)
            if now >= self.deadline:
                message = f"It took longer than {self._seconds:.0f} s. Raise model.loader.timeoutSeconds."
                self._give_up(LoaderError(Reason.TIMEOUT, message))
            if not self._transfers or self.bytes - bytes_then > SLOWEST * self._patience:
                quiet_since, bytes_then = now, self.bytes
            elif now - quiet_since > self._patience:
                message = f"The store has sent fewer than {SLOWEST} bytes a second for {self._patience:.0f} s."
                self._give_up(LoaderError(Reason.TIMEOUT, message))


def show_lines(log: Log) -> Callable[[int, int | None, int], None]:
    """Progress as lines of a log."""
    return lambda done, total, files: log.say("progress", bytes=done, total=total, files=files)


def show_bar() -> Callable[[int, int | None, int], None]:
    """Progress as a bar on the terminal."""
    from tqdm import tqdm  # noqa: PLC0415 - only for a person

    bar = tqdm(unit="B", unit_scale=True, unit_divisor=1024, file=sys.stderr, leave=False)

    def show(done: int, total: int | None, files: int) -> None:
        bar.total = total
        bar.set_postfix_str(f"{files} files", refresh=False)
        bar.update(done - bar.n)

    return show
