"""Progress messages of a long step, for a terminal or a log."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINE_INTERVAL = 15


def say(message: str) -> None:
    """Print one line for the user: to stderr, since stdout belongs to commands such as `kubeconfig`."""
    print(message, file=sys.stderr, flush=True)


@contextmanager
def showing(step: str, detail: Callable[[], str]) -> Iterator[None]:
    """Show that `step` is running: a live line on a terminal, otherwise a line with the seconds now and then."""
    started = time.monotonic()

    def line() -> str:
        return f"{step}: {time.monotonic() - started:.0f} s {detail()}".rstrip()

    console = Console(stderr=True)
    done = threading.Event()
    ticker = threading.Thread(target=_tick, args=(console, line, done), daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()
        say(line())


def _tick(console: Console, line: Callable[[], str], done: threading.Event) -> None:
    if not console.is_terminal:
        while not done.wait(LINE_INTERVAL):
            say(line())
        return
    with console.status(line()) as status:
        while not done.wait(0.5):
            status.update(line())
