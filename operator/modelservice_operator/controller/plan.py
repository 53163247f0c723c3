"""Plans: the children that one generation of a ModelService needs, parsed and built once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.apimachinery.objects import NamespacedName, Object
from modelservice_operator.resources import DesiredChild, build_children
from modelservice_operator.settings import LoaderSettings

MAX_CACHED_PLANS = 64
"""Plans of objects in progress. An idle object needs none, and thousands would fill the memory."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A parsed ModelService and its desired children."""

    service: ModelService
    children: tuple[DesiredChild, ...]
    revision: str | None = None
    """Revision of the model that is pinned, for an auto-updated model."""

    @classmethod
    def build(cls, service: ModelService, loader: LoaderSettings, revision: str | None) -> "Plan":
        """Build the children."""
        return cls(service, build_children(service, loader=loader, resolution=revision), revision)

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Return True if it was built from exactly this generation of exactly this object."""
        own = self.service.metadata
        return (own.uid, own.generation) == (metadata["uid"], metadata["generation"])


class PlanCache:
    """The most recently used plans."""

    def __init__(self, loader: LoaderSettings) -> None:
        self._loader = loader
        self._plans: LRUCache[NamespacedName, Plan] = LRUCache(MAX_CACHED_PLANS)

    def get(self, key: NamespacedName, live: Object, resolve_revision: Callable[[ModelService], str | None]) -> Plan:
        """Return the plan for `live`, parsed and built again only where the cached one does not match.

        `resolve_revision` returns the revision of the model to pin. Raises InvalidSpecError.
        """
        cached = self._plans.get(key)
        plan = cached if cached is not None and cached.matches(live["metadata"]) else None
        service = plan.service if plan is not None else ModelService.parse(live)
        revision = resolve_revision(service)
        if plan is None or plan.revision != revision:
            plan = Plan.build(service, self._loader, revision)
        self._plans[key] = plan
        return plan

    def discard(self, key: NamespacedName) -> None:
        """Forget the plan of `key`, if there is one."""
        self._plans.pop(key, None)
