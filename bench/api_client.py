"""A minimal asynchronous client of the API server: requests and watches, without a cache.

The driver of the benchmark and the raw peer use it. It shares no code with the operator under test.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from bench.errors import BenchError
from tests.environment.kubeconfig import load_kubeconfig

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
CONNECTIONS = 8
_FIRST_ERROR = 400
_IDLE_TIMEOUT_SECONDS = 120
_CLOSE_SECONDS = 0.05


class ApiClient:
    """Sends requests and opens watches. Use as an async context manager."""

    def __init__(self, kubeconfig: Path) -> None:
        config = load_kubeconfig(kubeconfig)
        self._server, self._tls = config.server, config.tls
        self._session: aiohttp.ClientSession | None = None
        self._watches: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = self._open_session(CONNECTIONS)
        self._watches = self._open_session(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in (self._session, self._watches):
            if session is not None:
                await session.close()
        # A TLS connection closes only after some iterations of the event loop, which may end with the caller.
        await asyncio.sleep(_CLOSE_SECONDS)

    async def request(self, method: str, path: str, body: object = None, *, content_type: str = JSON) -> dict[str, Any]:
        """Return the body of the response. Raises BenchError if the request fails or is rejected."""
        if self._session is None:
            raise RuntimeError("The client is used outside of its context manager.")
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        headers = {"Content-Type": content_type, "Accept": JSON}
        try:
            async with self._session.request(method, self._server + path, data=data, headers=headers) as response:
                answer, status = await response.read(), response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise BenchError(f"The API server did not answer {method} {path}: {error!r}.") from error
        if status >= _FIRST_ERROR:
            raise BenchError(f"The API server rejected {method} {path}: {answer[:400].decode(errors='replace')}")
        result: dict[str, Any] = orjson.loads(answer)
        return result

    async def watch(self, path: str, version: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield type and object of each event after a version until the server ends the watch."""
        if self._watches is None:
            raise RuntimeError("The client is used outside of its context manager.")
        timeout = aiohttp.ClientTimeout(total=None, sock_read=_IDLE_TIMEOUT_SECONDS)
        params = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": "3600"}
        async with self._watches.get(self._server + path, params=params, timeout=timeout) as response:
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event = orjson.loads(line)
                    if event["type"] == "ERROR":
                        raise BenchError(f"The watch of {path} broke: {event['object'].get('message')}.")
                    if event["type"] != "BOOKMARK":
                        yield event["type"], event["object"]

    def _open_session(self, limit: int) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=limit, ssl=self._tls)
        timeout = aiohttp.ClientTimeout(total=60)
        return aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False)


async def create_concurrently(client: ApiClient, path: str, bodies: list[dict[str, Any]]) -> None:
    """Create objects concurrently, one for each connection."""
    waiting = iter(bodies)

    async def create() -> None:
        for body in waiting:
            await client.request("POST", path, body)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(create())
