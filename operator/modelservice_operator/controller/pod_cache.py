"""Parsed pods of ModelServices that have many: a reconcile parses only those that have changed since the last one."""

from collections.abc import Mapping, Sequence
from typing import Any

from modelservice_operator.status.pods import Pod

MIN_CACHED_PODS = 100
"""Pods of a ModelService from which on they are cached: fewer are parsed in less than a millisecond."""
_MAX_PODS = 20_000
"""Pods of all ModelServices that are cached; the one that was parsed first is parsed again."""


class PodCache:
    """Caches parsed pods by UID and version, which identify what the API server sent."""

    def __init__(self) -> None:
        # A reconcile reads every pod of its ModelService: an order of use would be the same, and costs more than a hit.
        self._parsed: dict[tuple[str, str, frozenset[str]], Pod] = {}

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
            if len(self._parsed) >= _MAX_PODS:
                del self._parsed[next(iter(self._parsed))]
            found = self._parsed[key] = Pod.of(body, sidecars=sidecars)
        return found
