"""The watched kinds, and the way from an event to the ModelServices that must be reconciled.

An event of a kind passes through one row of WATCHES: the selector admits the object, the transform keeps what is read
of it, the map function names the ModelServices that it affects, and their keys are added to the work queue.
"""

from modelservice_operator.apimachinery.kinds import (
    CRON_JOB,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    INGRESS,
    MODEL_SERVICE,
    NETWORK_POLICY,
    POD,
    POD_DISRUPTION_BUDGET,
    POD_MONITOR,
    REPLICA_SET,
    SERVICE,
)
from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.cache.informer import Informer, InformerContext, WatchSpec
from modelservice_operator.cache.informers import InformerSet
from modelservice_operator.cache.store import map_to_same_name
from modelservice_operator.controller.mappers import map_autoscaler, map_by_instance_label
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
    WatchSpec(kind=kind, selector=label, transform=transform, map_func=map_func, coalesce=coalesce, optional=optional)
    # An empty selector also reads the objects of other owners: their autoscalers may scale the Deployment.
    # `coalesce` debounces: one change of a child is usually followed by others, while a user waits for a ModelService.
    for kind, label, transform, map_func, coalesce, optional in (
        # kind                      label selector        transform                map function        coalesce optional
        (MODEL_SERVICE,             "",               transform_model_service, map_to_same_name,      False, False),
        (DEPLOYMENT,                MANAGED_SELECTOR, transform_child,         map_to_same_name,      True,  False),
        (SERVICE,                   MANAGED_SELECTOR, transform_child,         map_to_same_name,      True,  False),
        (HORIZONTAL_POD_AUTOSCALER, "",               transform_autoscaler,    map_autoscaler,        True,  False),
        (POD_DISRUPTION_BUDGET,     MANAGED_SELECTOR, transform_child,         map_to_same_name,      True,  False),
        (NETWORK_POLICY,            MANAGED_SELECTOR, transform_child,         map_to_same_name,      True,  False),
        (INGRESS,                   MANAGED_SELECTOR, transform_child,         map_to_same_name,      True,  False),
        (CRON_JOB,                  MANAGED_SELECTOR, transform_child,         map_to_same_name,      True,  False),
        (HTTP_ROUTE,                MANAGED_SELECTOR, transform_child,         map_to_same_name,      True,  True),
        (POD_MONITOR,               MANAGED_SELECTOR, transform_child,         map_to_same_name,      True,  True),
        (POD,                       MANAGED_SELECTOR, transform_pod,           map_by_instance_label, True,  False),
        (REPLICA_SET,               MANAGED_SELECTOR, transform_replica_set,   map_by_instance_label, True,  False),
    )
)  # fmt: skip


class EventHandlers:
    """Adds the keys that an event affects to the queue (controller-runtime, handler.EnqueueRequestsFromMapFunc)."""

    def __init__(self, queue: WorkQueue[NamespacedName], settings: Settings) -> None:
        self.caches_synced = False
        """Set when all caches are complete. Until then every object arrives, which is a resync and no event."""
        self._queue = queue
        self._debounce = settings.event_debounce

    def enqueue(self, key: NamespacedName) -> None:
        """Add `key` immediately."""
        self._queue.add(key, Priority.EVENT if self.caches_synced else Priority.RESYNC)

    def enqueue_debounced(self, key: NamespacedName) -> None:
        """Add `key` once for all events within the debounce interval."""
        if self.caches_synced:
            self._queue.add_debounced(key, self._debounce)
        else:
            self._queue.add(key, Priority.RESYNC)


def build_informers(context: InformerContext, handlers: EventHandlers) -> InformerSet:
    """Return the informers of all WATCHES, one for each served namespace."""
    namespaces = context.settings.namespaces or ("",)

    def informers(spec: WatchSpec) -> list[Informer]:
        on_change = handlers.enqueue_debounced if spec.coalesce else handlers.enqueue
        return [Informer(spec, context, namespace=namespace, on_change=on_change) for namespace in namespaces]

    return InformerSet({spec.kind: informers(spec) for spec in WATCHES})
