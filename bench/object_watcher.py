"""Wait for the state of many objects with one watch; each event costs one check."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from bench.api_client import ApiClient
from bench.errors import BenchError


class ObjectWatcher:
    """Keeps the names of the objects under one path that fulfil a predicate. Use as an async context manager."""

    def __init__(self, client: ApiClient, path: str, predicate: Callable[[dict[str, Any]], bool]) -> None:
        self.names: set[str] = set()
        self._client = client
        self._path = path
        self._predicate = predicate
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        listed = await self._client.request("GET", self._path)
        for body in listed["items"]:
            self._handle_event("ADDED", body)
        self._task = asyncio.create_task(self._watch(listed["metadata"]["resourceVersion"]))
        self._task.add_done_callback(lambda _: self._changed.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def wait_until(self, condition: Callable[[set[str]], bool], *, seconds: float, description: str) -> None:
        """Wait until the names fulfil a condition. Raises BenchError after `seconds`, or if the watch ends."""
        if not await self.holds_before_timeout(condition, seconds=seconds):
            raise BenchError(
                f"Timed out after {seconds:g} s waiting for {description}: {len(self.names)} objects exist."
            )

    async def holds_before_timeout(self, condition: Callable[[set[str]], bool], *, seconds: float) -> bool:
        """Return True once the names fulfil a condition, False after `seconds`. Raises BenchError if the watch ends."""
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

    async def _watch(self, version: str) -> None:
        async for kind, body in self._client.watch(self._path, version):
            self._handle_event(kind, body)

    def _handle_event(self, kind: str, body: dict[str, Any]) -> None:
        name = body["metadata"]["name"]
        now = kind != "DELETED" and self._predicate(body)
        if now == (name in self.names):
            return
        (self.names.add if now else self.names.discard)(name)
        self._changed.set()


def exists(_: dict[str, Any]) -> bool:
    """Return True for every object."""
    return True


def is_ready(service: dict[str, Any]) -> bool:
    """Return True if the status of a ModelService reports its newest generation as ready."""
    status = service.get("status") or {}
    return any(
        condition["type"] == "Ready"
        and condition["status"] == "True"
        and condition.get("observedGeneration") == service["metadata"]["generation"]
        for condition in status.get("conditions") or ()
    )


def is_observed(deployment: dict[str, Any]) -> bool:
    """Return True if the Deployment controller has observed the newest generation."""
    observed = (deployment.get("status") or {}).get("observedGeneration", 0)
    return bool(observed >= deployment["metadata"]["generation"])
