"""Client of the API server for another field manager: single requests and watches, fast enough for thousands."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

import aiohttp

from modelservice_operator.apimachinery.kinds import ResourceKind
from tests.environment.kubeconfig import load_kubeconfig

Object = dict[str, Any]
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
OTHER_MANAGER = "other-manager"
"""Field manager of these requests."""


class RequestRejectedError(Exception):
    """The API server answered 4xx; the text is the message of its Status."""


class ApiClient:
    """Sends requests with the credentials of a kubeconfig. Use as an async context manager."""

    def __init__(self, kubeconfig: Path) -> None:
        self._config = load_kubeconfig(kubeconfig)
        self._server = self._config.server

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._config.tls)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def request(
        self, method: str, path: str, body: object = None, *, content_type: str = "application/json"
    ) -> Any:
        """Send a request as `OTHER_MANAGER` and return the answer. Raises RequestRejectedError for 4xx."""
        async with self._session.request(
            method,
            self._server + path,
            params={} if method in {"GET", "DELETE"} else {"fieldManager": OTHER_MANAGER},
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": content_type, "Accept": "application/json"},
        ) as response:
            answer = await response.json()
        if response.status >= 400:
            raise RequestRejectedError(answer.get("message", answer))
        return answer

    async def get(self, kind: ResourceKind, namespace: str, name: str) -> Any:
        return await self.request("GET", kind.path(namespace=namespace, name=name))

    async def watch_events(self, path: str, version: str) -> AsyncGenerator[tuple[str, Object]]:
        """Yield (type, object) of a watch until the server ends it."""
        params = {"watch": "true", "resourceVersion": version}
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.get(self._server + path, params=params, timeout=timeout) as response:
            rest = b""
            try:
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for event in map(json.loads, lines):
                        yield event["type"], event["object"]
            finally:
                # A TLS connection that is shut down gracefully may outlive the event loop.
                if response.connection is not None and response.connection.transport is not None:
                    response.connection.transport.abort()


class Watcher:
    """Keeps the objects of some kinds in one namespace up to date by watches."""

    def __init__(self, api: ApiClient, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._objects: dict[tuple[str, str], Object] = {}
        self._last_seen: dict[tuple[str, str], float] = {}
        self._changed = asyncio.Condition()

    def get(self, kind: ResourceKind, name: str) -> Object | None:
        return self._objects.get((kind.kind, name))

    @asynccontextmanager
    async def watch(self, kinds: Iterable[ResourceKind]) -> AsyncIterator[Self]:
        """Watch `kinds` for the length of a `with` block."""
        tasks = [asyncio.create_task(self._list_and_watch(kind)) for kind in kinds]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def wait(
        self, kind: ResourceKind, name: str, condition: Callable[[Object], bool], *, within: float
    ) -> float | None:
        """Return the monotonic time at which the object met `condition`, or None after `within` seconds."""

        def holds() -> bool:
            found = self.get(kind, name)
            return found is not None and condition(found)

        try:
            async with asyncio.timeout(within), self._changed:
                await self._changed.wait_for(holds)
        except TimeoutError:
            return None
        return self._last_seen[kind.kind, name]

    async def _list_and_watch(self, kind: ResourceKind) -> None:
        path = kind.path(namespace=self._namespace)
        listed = await self._api.request("GET", path)
        for body in listed["items"]:
            # The items of a list lack apiVersion and kind, which the list has once.
            await self._handle_event(kind, "ADDED", {"apiVersion": kind.api_version, "kind": kind.kind} | body)
        version = listed["metadata"]["resourceVersion"]
        while True:
            # A generator that is not closed would keep its connection.
            async with aclosing(self._api.watch_events(path, version)) as events:
                async for event, body in events:
                    await self._handle_event(kind, event, body)
                    version = body["metadata"]["resourceVersion"]

    async def _handle_event(self, kind: ResourceKind, event: str, body: Object) -> None:
        key = (kind.kind, body["metadata"]["name"])
        async with self._changed:
            if event == "DELETED":
                self._objects.pop(key, None)
            else:
                self._objects[key] = body
                self._last_seen[key] = time.monotonic()
            self._changed.notify_all()
