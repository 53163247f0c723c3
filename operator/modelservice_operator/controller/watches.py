"""The watched kinds, and the way from an event to the ModelServices that must be reconciled.

An event of a kind passes through one row of WATCHES: the selector admits the object, the transform keeps what is read
of it, the map function names the ModelServices that it affects, and their keys are added to the work queue.
"""

from collections.abc import Iterable

from modelservice_operator.apimachinery.kinds import (
    CRON_JOB,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    INGRESS,
    MODEL_SERVICE,
    NETWORK_POLICY,
    OPTIONAL_CHILD_KINDS,
    POD,
    POD_DISRUPTION_BUDGET,
    POD_MONITOR,
    REPLICA_SET,
    SERVICE,
    ResourceKind,
)
from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.cache.informer import Informer, InformerContext, WatchSpec
from modelservice_operator.cache.informers import InformerSet
from modelservice_operator.cache.store import map_to_same_name, summarize_nothing
from modelservice_operator.controller.mappers import map_autoscaler, map_by_instance_label, map_named_child
from modelservice_operator.controller.summaries import summarize_readiness
from modelservice_operator.controller.transforms import (
    transform_autoscaler,
    transform_child,
    transform_model_service,
    transform_pod,
    transform_replica_set,
)
from modelservice_operator.controller.workqueue import Priority, WorkQueue
from modelservice_operator.resources.metadata import MANAGED_SELECTOR
from modelservice_operator.settings import Settings

WATCHES: tuple[WatchSpec, ...] = tuple(
    WatchSpec(
        kind=kind,
        selector=label,
        transform=transform,
        map_func=map_func,
        summary_func=summarize_readiness if kind is MODEL_SERVICE else summarize_nothing,
        coalesce=coalesce,
        optional=kind in OPTIONAL_CHILD_KINDS,
        required=kind is MODEL_SERVICE,
    )
    # An empty selector also reads the objects of other owners: their autoscalers may scale the Deployment.
    # `coalesce` debounces: one change of a child is usually followed by others, while a user waits for a ModelService.
    for kind, label, transform, map_func, coalesce in (
        # kind                      label selector        transform                map function        coalesce
        (MODEL_SERVICE,             "",               transform_model_service, map_to_same_name,      False),
        (DEPLOYMENT,                MANAGED_SELECTOR, transform_child,         map_to_same_name,      True),
        (SERVICE,                   MANAGED_SELECTOR, transform_child,         map_named_child,       True),
        (HORIZONTAL_POD_AUTOSCALER, "",               transform_autoscaler,    map_autoscaler,        True),
        (POD_DISRUPTION_BUDGET,     MANAGED_SELECTOR, transform_child,         map_to_same_name,      True),
        (NETWORK_POLICY,            MANAGED_SELECTOR, transform_child,         map_to_same_name,      True),
        (INGRESS,                   MANAGED_SELECTOR, transform_child,         map_to_same_name,      True),
        (CRON_JOB,                  MANAGED_SELECTOR, transform_child,         map_named_child,       True),
        (HTTP_ROUTE,                MANAGED_SELECTOR, transform_child,         map_to_same_name,      True),
        (POD_MONITOR,               MANAGED_SELECTOR, transform_child,         map_to_same_name,      True),
        (POD,                       MANAGED_SELECTOR, transform_pod,           map_by_instance_label, True),
        (REPLICA_SET,               MANAGED_SELECTOR, transform_replica_set,   map_by_instance_label, True),
    )
)  # fmt: skip


class EventHandlers:
    """Adds the keys that an event affects to the queue (controller-runtime, handler.EnqueueRequestsFromMapFunc)."""

    def __init__(self, queue: WorkQueue[NamespacedName], settings: Settings) -> None:
        self._synced: set[str] = set()
        """Namespaces whose caches are complete. Until then every object arrives, which is a resync and no event."""
        self._queue = queue
        self._debounce = settings.event_debounce

    def enqueue(self, key: NamespacedName) -> None:
        """Add `key` immediately."""
        self._queue.add(key, Priority.EVENT if self._has_synced(key) else Priority.RESYNC)

    def enqueue_debounced(self, key: NamespacedName) -> None:
        """Add `key` once for all events within the debounce interval."""
        if self._has_synced(key):
            self._queue.add_debounced(key, self._debounce)
        else:
            self._queue.add(key, Priority.RESYNC)

    def resync(self, keys: Iterable[NamespacedName]) -> None:
        """Add `keys`, which may need what has become available."""
        for key in keys:
            self._queue.add(key, Priority.RESYNC)

    async def sync(self, informers: InformerSet, namespace: str) -> None:
        """Wait until the caches of a namespace are complete, and add its ModelServices; an empty one means all."""
        await informers.wait_for_cache_sync(namespace)
        self._synced.add(namespace)
        self.resync(informers.keys(MODEL_SERVICE, namespace))

    def _has_synced(self, key: NamespacedName) -> bool:
        return not self._synced.isdisjoint({"", key.namespace})


def build_informers(context: InformerContext, handlers: EventHandlers) -> InformerSet:
    """Return the informers of all WATCHES, one for each served namespace."""
    namespaces = context.settings.namespaces or ("",)
    by_kind: dict[ResourceKind, list[Informer]] = {}
    informers = InformerSet(by_kind)

    def resync(namespace: str) -> None:
        handlers.resync(informers.keys(MODEL_SERVICE, namespace))

    for spec in WATCHES:
        on_change = handlers.enqueue_debounced if spec.coalesce else handlers.enqueue
        by_kind[spec.kind] = [
            Informer(spec, context, namespace=namespace, on_change=on_change, on_available=resync)
            for namespace in namespaces
        ]
    return informers
