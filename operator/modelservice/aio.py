"""`AsyncModelService`: `ModelService` for asyncio.

Requests run in threads of the event loop, so that it is never blocked; a wait sleeps in the loop and can be cancelled.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self, TypeVar

from modelservice import operations
from modelservice.cluster import Cluster, default_cluster
from modelservice.declaration import Declaration
from modelservice.errors import UnreachableError
from modelservice.operations import Body, Wait
from modelservice.status import Status
from modelservice.sync import Params, Services
from modelservice_cli.cluster.calls import Answer
from modelservice_cli.cluster.connection import Cluster as Client

Value = TypeVar("Value")


async def _run(cluster: Cluster, operation: Callable[[Client], Value]) -> Value:
    return await asyncio.to_thread(cluster.call, operation)


async def _poll(wait: Wait, is_over: Callable[[], Awaitable[bool]]) -> None:
    while True:
        try:
            if await is_over():
                return
        except UnreachableError as error:
            wait.check_outage(error)
        await asyncio.sleep(operations.POLL_SECONDS)


class AsyncModelService(Declaration):
    """A model endpoint. The methods are those of `ModelService`, awaited."""

    async def apply(self, *, force: bool = False, dry_run: bool = False) -> Self:
        """Create or change the ModelService: see `ModelService.apply`."""
        manifest = self.manifest()
        body = await _run(self.cluster, lambda it: operations.apply(it, manifest, force=force, dry_run=dry_run))
        if not dry_run:
            self._keep(body)
        return self

    async def wait(self, condition: str = "Ready", *, timeout: float = 300) -> Self:  # noqa: ASYNC109 - as in ModelService
        """Wait until a condition is True: see `ModelService.wait`."""
        wait = Wait(self.name, condition, timeout)

        async def is_over() -> bool:
            return wait.is_over(await self._read())

        await _poll(wait, is_over)
        return self

    async def predict(
        self,
        data: object = None,
        *,
        path: str = "/",
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
        url: str | bool = False,
        timeout: float = 60,  # noqa: ASYNC109
    ) -> Any:
        """Send a request to the model and return its answer: see `ModelService.predict`."""
        answer = await self.request(
            data, path=path, params=params, headers=headers, method=method, url=url, timeout=timeout
        )  # fmt: skip
        return operations.result_of(answer, self.name)

    async def request(
        self,
        data: object = None,
        *,
        path: str = "/",
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
        url: str | bool = False,
        timeout: float = 60,  # noqa: ASYNC109
    ) -> Answer:
        """Send a request and return the whole answer: see `ModelService.request`."""
        request = operations.build_request(data, path=path, params=params, headers=headers, method=method)
        return await _run(
            self.cluster,
            lambda it: operations.send(it, self.name, self._namespace, request, url=url, timeout=timeout),
        )

    async def status(self) -> Status:
        """Read the status. Raises NotFoundError."""
        return Status.of(await self._read())

    async def delete(
        self,
        *,
        wait: bool = True,
        missing_ok: bool = False,
        timeout: float = 120,  # noqa: ASYNC109
    ) -> None:
        """Delete the ModelService: see `ModelService.delete`."""
        name, namespace = self.name, self._namespace
        await _run(self.cluster, lambda it: operations.delete(it, name, namespace, missing_ok=missing_ok))
        deletion = Wait(name, "", timeout, has_answered=True)

        async def is_over() -> bool:
            exists = await _run(self.cluster, lambda it: operations.exists(it, name, namespace))
            return deletion.is_gone(exists=exists)

        if wait:
            await _poll(deletion, is_over)
        self._body = {}

    @classmethod
    async def get(cls, name: str, *, namespace: str | None = None, cluster: Cluster | None = None) -> Self:
        """Read a ModelService. Raises NotFoundError, with similar names."""
        chosen = cluster or default_cluster()
        return cls._of(await _run(chosen, lambda it: operations.read(it, name, namespace)), chosen)

    @classmethod
    async def list(
        cls, *, namespace: str | None = None, selector: str | None = None, cluster: Cluster | None = None
    ) -> Services[Self]:
        """Read the ModelServices of a namespace: see `ModelService.list`."""
        chosen = cluster or default_cluster()
        found = await _run(chosen, lambda it: operations.find_all(it, namespace, selector))
        return Services(cls._of(body, chosen) for body in found)

    async def _read(self) -> Body:
        return self._keep(await _run(self.cluster, lambda it: operations.read(it, self.name, self._namespace)))
