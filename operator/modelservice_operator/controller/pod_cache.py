"""Parsed pods of ModelServices that have many: a reconcile parses only those that have changed since the last one."""

from collections.abc import Mapping, Sequence
from typing import Any

from cachetools import LRUCache

from modelservice_operator.status.pods import Pod

MIN_CACHED_PODS = 100
"""Pods of a ModelService from which on they are cached: fewer are parsed in less than a millisecond."""
_MAX_PODS = 20_000
"""Pods of all ModelServices that are cached; the least recently used one is parsed again."""


class PodCache:
    """Caches parsed pods by UID and version, which identify what the API server sent."""

    def __init__(self) -> None:
        self._parsed: LRUCache[tuple[str, str, frozenset[str]], Pod] = LRUCache(_MAX_PODS)

    def parse(self, bodies: Sequence[Mapping[str, Any]], sidecars: frozenset[str]) -> tuple[Pod, ...]:
        """Return the pods of one ModelService; `sidecars` are the names of its sidecars."""
        if len(bodies) < MIN_CACHED_PODS:
            return tuple(Pod.of(body, sidecars=sidecars) for body in bodies)
        return tuple(self._get(body, sidecars) for body in bodies)

    def _get(self, body: Mapping[str, Any], sidecars: frozenset[str]) -> Pod:
        metadata = body["metadata"]
        key = (metadata.get("uid", ""), metadata.get("resourceVersion", ""), sidecars)
        found = self._parsed.get(key)
        if found is None:
            found = self._parsed[key] = Pod.of(body, sidecars=sidecars)
        return found
