"""Connects the metrics that are read at a scrape with one manager's queue, caches and leader election."""

import platform
from collections import Counter
from collections.abc import Callable, Mapping

from modelservice_operator import __version__
from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.kinds import CHILD_KINDS, MODEL_SERVICE
from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.apply.corrections import Action
from modelservice_operator.cache.informers import InformerSet
from modelservice_operator.controller.model_loads import LOAD_REASONS
from modelservice_operator.controller.summaries import Readiness
from modelservice_operator.controller.workqueue import WorkQueue
from modelservice_operator.manager.leader_election import LeaderElector
from modelservice_operator.metrics import scraped
from modelservice_operator.metrics.instruments import CONTROLLER, prepare_kinds, prepare_loads
from modelservice_operator.settings import LEASE_NAME

_QUEUE_LABELS = (CONTROLLER, CONTROLLER)


def connect_metrics(
    queue: WorkQueue[NamespacedName],
    informers: InformerSet,
    elector: LeaderElector | None,
    *,
    workers: int,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Let each scrape read these objects. Nothing is decoded or requested for it."""

    def of_queue(read: Callable[[], float]) -> Callable[[], Mapping[scraped.Labels, float]]:
        return lambda: {_QUEUE_LABELS: read()}

    def is_leader() -> bool:
        return elector is None or elector.is_leader

    def of_workers(read: Callable[[], float]) -> Callable[[], Mapping[scraped.Labels, float]]:
        """Report 0 on a standby: its keys wait for no worker, and an alert about them would never end."""
        return of_queue(lambda: read() if is_leader() else 0.0)

    lease = LEASE_NAME if elector is None else elector.name
    scraped.QUEUE_DEPTH.read_from(of_workers(lambda: len(queue)))
    scraped.QUEUE_OLDEST.read_from(of_workers(lambda: queue.oldest_wait))
    scraped.QUEUE_UNFINISHED.read_from(of_queue(lambda: sum(queue.unfinished_work)))
    scraped.QUEUE_LONGEST.read_from(of_queue(lambda: max(queue.unfinished_work, default=0.0)))
    scraped.ACTIVE_WORKERS.read_from(lambda: {(CONTROLLER,): len(queue.unfinished_work)})
    scraped.MAX_WORKERS.read_from(lambda: {(CONTROLLER,): workers})
    scraped.WATCH_AGE.read_from(lambda: _watch_ages(informers, clock.monotonic()))
    scraped.WATCH_RESTARTS.read_from(lambda: _watch_restarts(informers))
    scraped.CACHED_OBJECTS.read_from(lambda: _cached_objects(informers))
    scraped.MODELS.read_from(lambda: _models(informers) if is_leader() else {})
    scraped.LEADER.read_from(lambda: {(lease,): float(is_leader())})
    scraped.BUILD_INFO.read_from(lambda: {(__version__, platform.python_version()): 1.0})
    prepare_kinds((*(kind.kind for kind in CHILD_KINDS), MODEL_SERVICE.kind), tuple(Action))
    prepare_loads(LOAD_REASONS)


def _watch_ages(informers: InformerSet, now: float) -> dict[scraped.Labels, float]:
    """Return the seconds since the last contact for each kind that is available, the longest of all namespaces."""
    ages: dict[scraped.Labels, float] = {}
    for informer in informers:
        if informer.reflector.refused is None:
            labels = (informer.kind.kind,)
            ages[labels] = max(ages.get(labels, 0.0), now - informer.reflector.last_activity)
    return ages


def _watch_restarts(informers: InformerSet) -> Counter[scraped.Labels]:
    restarts = Counter[scraped.Labels]()
    for informer in informers:
        for cause, count in informer.reflector.ends.items():
            restarts[informer.kind.kind, cause.value] += count
    return restarts


def _cached_objects(informers: InformerSet) -> Counter[scraped.Labels]:
    objects = Counter[scraped.Labels]()
    for informer in informers:
        objects[(informer.kind.kind,)] += len(informer.store)
    return objects


def _models(informers: InformerSet) -> Counter[scraped.Labels]:
    models = Counter[scraped.Labels]()
    for informer in informers:
        if informer.kind is MODEL_SERVICE:
            for summary, count in informer.store.count_summaries().items():
                if isinstance(summary, Readiness):
                    models[summary.ready, summary.reason] += count
    return models
