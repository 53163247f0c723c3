"""Waiting for the state of many objects by one watch, at the cost of one look an event."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from bench.api_client import ApiClient
from bench.errors import BenchError


class Follower:
    """Names of the objects under one path for which `holds` is true now. Use as an async context manager."""

    def __init__(self, client: ApiClient, path: str, holds: Callable[[dict[str, Any]], bool]) -> None:
        self.names: set[str] = set()
        self._client = client
        self._path = path
        self._holds = holds
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        listed = await self._client.request("GET", self._path)
        for body in listed["items"]:
            self._take("ADDED", body)
        self._task = asyncio.create_task(self._follow(listed["metadata"]["resourceVersion"]))
        self._task.add_done_callback(lambda _: self._changed.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def until(self, condition: Callable[[set[str]], bool], *, seconds: float, what: str) -> None:
        """Wait until the names fulfil a condition; BenchError after `seconds`, or when the watch ends."""
        if not await self.holds_within(condition, seconds=seconds):
            raise BenchError(f"Waited {seconds:g} s in vain for {what}: {len(self.names)} objects are there.")

    async def holds_within(self, condition: Callable[[set[str]], bool], *, seconds: float) -> bool:
        """Wait until the names fulfil a condition; False after `seconds`. BenchError when the watch ends."""
        deadline = time.monotonic() + seconds
        while not condition(self.names):
            if self._task is None or self._task.done():
                raise BenchError(f"The watch of {self._path} ended.")
            if (left := deadline - time.monotonic()) <= 0:
                return False
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()
        return True

    async def _follow(self, version: str) -> None:
        async for kind, body in self._client.watch(self._path, version):
            self._take(kind, body)

    def _take(self, kind: str, body: dict[str, Any]) -> None:
        name = body["metadata"]["name"]
        now = kind != "DELETED" and self._holds(body)
        if now == (name in self.names):
            return
        (self.names.add if now else self.names.discard)(name)
        self._changed.set()


def exists(_: dict[str, Any]) -> bool:
    """Hold for every object."""
    return True


def is_ready(service: dict[str, Any]) -> bool:
    """Whether a ModelService says that its newest generation is ready."""
    status = service.get("status") or {}
    return any(
        condition["type"] == "Ready"
        and condition["status"] == "True"
        and condition.get("observedGeneration") == service["metadata"]["generation"]
        for condition in status.get("conditions") or ()
    )


def is_observed(deployment: dict[str, Any]) -> bool:
    """Whether the Deployment controller has looked at the newest generation."""
    observed = (deployment.get("status") or {}).get("observedGeneration", 0)
    return bool(observed >= deployment["metadata"]["generation"])
