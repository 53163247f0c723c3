"""Plans: the children that one generation of a ModelService needs, parsed and built once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from cachetools import LRUCache

from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.apimachinery.objects import NamespacedName, Object
from modelservice_operator.resources import DesiredChild, build_children
from modelservice_operator.resources.retained import Retained
from modelservice_operator.settings import LoaderSettings

MAX_CACHED_PLANS = 256
"""Plans of objects in progress. An idle object needs none, and thousands would fill the memory: a plan takes 20 KiB, or
115 KiB with every field of the spec."""


class PlanInputs(NamedTuple):
    """Values of live objects that the children depend on, besides the spec and the settings of the operator."""

    revision: str | None = None
    """Revision of the model to pin, for an auto-updated model."""
    retained: Retained | None = None
    """Record of the loader's settings, for a downloaded model."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A parsed ModelService and its desired children."""

    service: ModelService
    children: tuple[DesiredChild, ...]
    inputs: PlanInputs
    retained: Retained | None
    """Record that the children have: once it is applied, the same children would be built again."""

    @classmethod
    def build(cls, service: ModelService, loader: LoaderSettings, inputs: PlanInputs) -> "Plan":
        """Build the children."""
        children = build_children(service, loader=loader, resolution=inputs.revision, retained=inputs.retained)
        return cls(service, children, inputs, Retained.of(children[0].body))

    def matches(self, metadata: Mapping[str, Any]) -> bool:
        """Return True if it was built from exactly this generation of exactly this object."""
        own = self.service.metadata
        return (own.uid, own.generation) == (metadata["uid"], metadata["generation"])

    def is_current(self, inputs: PlanInputs) -> bool:
        """Return True if `inputs` would yield the same children."""
        return inputs.revision == self.inputs.revision and inputs.retained in {self.inputs.retained, self.retained}


class PlanCache:
    """The most recently used plans."""

    def __init__(self, loader: LoaderSettings) -> None:
        self._loader = loader
        self._plans: LRUCache[NamespacedName, Plan] = LRUCache(MAX_CACHED_PLANS)

    def get(self, key: NamespacedName, live: Object, find_inputs: Callable[[ModelService], PlanInputs]) -> Plan:
        """Return the plan for `live`, parsed and built again only where the cached one does not match.

        `find_inputs` returns what the live children contribute. Raises InvalidSpecError.
        """
        cached = self._plans.get(key)
        plan = cached if cached is not None and cached.matches(live["metadata"]) else None
        service = plan.service if plan is not None else ModelService.parse(live)
        inputs = find_inputs(service)
        if plan is None or not plan.is_current(inputs):
            plan = Plan.build(service, self._loader, inputs)
        self._plans[key] = plan
        return plan

    def discard(self, key: NamespacedName) -> None:
        """Forget the plan of `key`, if there is one."""
        self._plans.pop(key, None)
