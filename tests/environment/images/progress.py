"""Shows progress: a spinner on a terminal, plain lines with the elapsed time elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from rich.status import Status


class Progress(Protocol):
    """Receiver of the builder's progress."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """Announce a step that takes seconds; the result is entered while it runs."""

    def detail(self, line: str) -> None:
        """One line of the builder's own output."""


class Silence:
    """Reports nothing: for fixtures."""

    @contextmanager
    def step(self, title: str) -> Iterator[None]:  # noqa: ARG002 - the protocol's name
        yield

    def detail(self, line: str) -> None:
        """Drop it."""


@dataclass
class Terminal:
    """Reports on stderr. `verbose` shows the builder's own output too."""

    verbose: bool = False
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    clock: Callable[[], float] = time.monotonic
    _status: Status | None = None

    def __post_init__(self) -> None:
        self._start = self.clock()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self._title = title
        if not self.console.is_terminal or self.verbose:
            self._say(f"{title} ...")
            yield
            return
        with self.console.status(title) as self._status:
            yield
        self._status = None
        self._say(title)

    def detail(self, line: str) -> None:
        if self.verbose:
            print(line, file=sys.stderr)
        elif self._status is not None and "STEP " in line:
            self._status.update(f"{self._title}: {line.strip()[:80]}".replace("[", r"\["))

    def _say(self, text: str) -> None:
        self.console.print(f"{self.clock() - self._start:6.1f} s  {text}", markup=False, soft_wrap=True)
