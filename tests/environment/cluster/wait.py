"""Waiting with a deadline: the only place of this package that sleeps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from tests.environment.cluster.errors import DeadlineError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def wait_until(condition: Callable[[], T], *, seconds: float, what: str, pause: float = 0.05) -> T:
    """Return the first truthy value of `condition`; raise DeadlineError naming `what` after `seconds`.

    An exception of the condition ends the wait, for causes that make it hopeless.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise DeadlineError(f"Waited {seconds:g} s in vain for {what}.")
        time.sleep(pause)
    return value
