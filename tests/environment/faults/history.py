"""Every version of every object of some kinds, as watches tell it: what oracles look back at, and tests wait by."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from bench.api_client import ApiClient
from bench.errors import BenchError

from modelservice_operator.apimachinery.kinds import ResourceKind
from tests.environment.cluster import ClusterError

Object = dict[str, Any]
_DELETED = "DELETED"
_SET_UP_TIMEOUT = 30.0
_RETRY_INTERVAL = 0.2


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object. Versions of different kinds are comparable: one etcd counts them all."""

    body: Object
    deleted: bool
    """True for the deletion; the body is then the last one."""
    seen: float = 0.0
    """Time at which the watch delivered it, by the monotonic clock."""

    @property
    def number(self) -> int:
        return int(self.body["metadata"]["resourceVersion"])

    @property
    def uid(self) -> str:
        return str(self.body["metadata"]["uid"])


class History:
    """Use as an async context manager: it remembers from then on."""

    def __init__(self, client: ApiClient, kinds: Sequence[ResourceKind]) -> None:
        self._client = client
        self._kinds = kinds
        self._versions: dict[tuple[ResourceKind, str, str], list[Version]] = defaultdict(list)
        self._changed = asyncio.Event()
        self._changes: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for kind in self._kinds:
            listed = await self._list(kind)
            for body in listed["items"]:
                self._take(kind, "ADDED", {"apiVersion": kind.api_version, "kind": kind.kind} | body)
            following = self._follow(kind, listed["metadata"]["resourceVersion"])
            self._tasks.append(asyncio.create_task(following, name=f"history of {kind.plural}"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    def versions(self, kind: ResourceKind, namespace: str, name: str) -> Sequence[Version]:
        """All versions under one name, oldest first: possibly of several objects, one after the other."""
        return self._versions.get((kind, namespace, name), ())

    def changes(self, namespace: str) -> int:
        """Return the number of changes in a namespace: an expensive result is computed again only when it has grown."""
        return self._changes[namespace]

    def live(self, kind: ResourceKind, namespace: str, name: str) -> Object | None:
        """The object as it is now, None when there is none."""
        versions = self.versions(kind, namespace, name)
        return versions[-1].body if versions and not versions[-1].deleted else None

    def names(self, kind: ResourceKind, namespace: str) -> Iterator[str]:
        """Every name under which there ever was an object."""
        return (
            name for its_kind, its_namespace, name in self._versions if (its_kind, its_namespace) == (kind, namespace)
        )

    async def until(self, condition: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Wait until a condition on the history holds; ClusterError after `seconds`."""
        if not await self.holds_within(condition, seconds=seconds):
            raise ClusterError(f"Waited {seconds:g} s in vain for {what}.")

    async def holds_within(self, condition: Callable[[], bool], *, seconds: float) -> bool:
        """Wait until a condition on the history holds; False after `seconds`."""
        deadline = time.monotonic() + seconds
        while not condition():
            for task in self._tasks:
                if task.done():
                    raise ClusterError(f"The {task.get_name()} ended.") from task.exception()
            if (left := deadline - time.monotonic()) <= 0:
                return False
            changed = self._changed
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await changed.wait()
        return True

    async def _list(self, kind: ResourceKind) -> Object:
        """List a kind. A resource that is quite new answers 429 at first: its storage is being set up."""
        deadline = time.monotonic() + _SET_UP_TIMEOUT
        while True:
            try:
                return await self._client.request("GET", kind.path())
            except BenchError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_RETRY_INTERVAL)

    async def _follow(self, kind: ResourceKind, version: str) -> None:
        async for event, body in self._client.watch(kind.path(), version):
            self._take(kind, event, body)

    def _take(self, kind: ResourceKind, event: str, body: Object) -> None:
        metadata = body["metadata"]
        key = (kind, metadata["namespace"], metadata["name"])
        self._versions[key].append(Version(body, deleted=event == _DELETED, seen=time.monotonic()))
        self._changes[key[1]] += 1
        # All waiting tasks check again; a later one waits for the next change.
        self._changed.set()
        self._changed = asyncio.Event()
