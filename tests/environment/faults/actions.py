"""Actions on a request of the operator."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tests.environment.faults.rules import Answer, Cut, Exchange, Fate


@dataclass(frozen=True, slots=True)
class Kill:
    """End the operator: `end` sends it SIGKILL. What it still waits for, it never gets."""

    end: Callable[[], None]

    async def __call__(self, _: Exchange) -> Fate:
        self.end()
        return Cut.RESET


@dataclass(frozen=True, slots=True)
class Delay:
    """Let it wait."""

    seconds: float

    async def __call__(self, _: Exchange) -> Fate:
        await asyncio.sleep(self.seconds)
        return None


@dataclass(frozen=True, slots=True)
class Drop:
    """End the connection without an answer: orderly, or by a reset."""

    how: Cut = Cut.CLOSE

    async def __call__(self, _: Exchange) -> Fate:
        return self.how


@dataclass(frozen=True, slots=True)
class Reply:
    """Give another answer: a refusal, nonsense, or one that was kept earlier."""

    answer: Answer

    async def __call__(self, _: Exchange) -> Fate:
        return self.answer
