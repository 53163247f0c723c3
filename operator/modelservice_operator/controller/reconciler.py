"""observe -> build -> apply -> prune -> judge -> publish, for one key, from the caches alone."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import (
    CHILD_KINDS,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    MODEL_SERVICE,
    POD,
    REPLICA_SET,
    SERVICE,
)
from modelservice_operator.apimachinery.objects import NamespacedName, Object
from modelservice_operator.apply.applier import Applier, Ownership, ownership_of
from modelservice_operator.cache.informer import InformerSet
from modelservice_operator.controller.model_resolution import resolve_model_revision
from modelservice_operator.controller.workqueue import Priority, WorkQueue
from modelservice_operator.errors import (
    InvalidSpecError,
    NameConflictError,
    OperatorError,
    TerminalError,
    TerminatingError,
)
from modelservice_operator.events.pod_events import PodEventReader
from modelservice_operator.events.recorder import EventRecorder
from modelservice_operator.events.transitions import drift_events, events_for
from modelservice_operator.resources import DesiredChild, build_children
from modelservice_operator.resources.cron_job import tracks_updates
from modelservice_operator.resources.diff import Drift
from modelservice_operator.settings import LoaderSettings, Settings
from modelservice_operator.status import (
    compute_invalid_status,
    compute_status,
    is_only_unobserved,
    pod_needing_events,
    requeue_after,
)
from modelservice_operator.status.snapshot import DeploymentStatus, Snapshot, load_balancer_address

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """What one generation of a ModelService stands for: parsed and built once, not on every event."""

    service: ModelService
    children: tuple[DesiredChild, ...]
    resolution: str | None = None
    """What the model's URI stands for, where that is followed."""

    @classmethod
    def build(cls, service: ModelService, loader: LoaderSettings, resolution: str | None) -> "Plan":
        """Build the children."""
        return cls(service, build_children(service, loader=loader, resolution=resolution), resolution)

    def matches(self, metadata: dict[str, Any]) -> bool:
        """Whether it was made from this very generation of this very object."""
        own = self.service.metadata
        return (own.uid, own.generation) == (metadata["uid"], metadata["generation"])


MAX_CACHED_PLANS = 64
"""Plans that are kept of what is under way."""
SCALE_RECHECK_SECONDS = 5.0
"""Seconds after which a count is looked at once more: a late write of the autoscaler's controller is possible."""


class Reconciler:
    """Brings one ModelService at a time to what it should be. Knows levels, not edges: no event reaches it."""

    def __init__(
        self,
        informers: InformerSet,
        cluster: Applier,
        queue: WorkQueue[NamespacedName],
        settings: Settings,
        *,
        pod_events: PodEventReader,
        recorder: EventRecorder,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._informers = informers
        self._applier = cluster
        self._pod_events = pod_events
        self._recorder = recorder
        self._queue = queue
        self._settings = settings
        self._now = now
        self._plans: dict[NamespacedName, Plan] = {}
        self._terminating_uids: dict[NamespacedName, str] = {}
        """UIDs of objects that are going, with their namespace or alone: there is no way back for them."""
        self._written: dict[NamespacedName, float] = {}
        """When the status was last written, by the monotonic clock."""
        self._deferred_since: dict[NamespacedName, float] = {}
        """Since when the status has waited for others' children, by the monotonic clock."""
        self._unobserved_since: dict[NamespacedName, float] = {}
        """Since when all that is new is a generation that the Deployment's controller has not looked at."""

    async def reconcile(self, key: NamespacedName) -> None:
        """Do what is to be done for `key`; raise what kept it from being done, after it was reported in status."""
        live = self._informers.get(MODEL_SERVICE, key)
        if live is None:
            self._forget(key)
            return
        metadata = live["metadata"]
        if metadata.get("deletionTimestamp") or self._terminating_uids.get(key) == metadata["uid"]:
            return  # the garbage collector follows the owner references
        try:
            plan = self._plan(key, live)
        except InvalidSpecError as error:
            await self._report_invalid(key, live, error)
            raise
        failure, drifts = await self._apply_children(plan)
        self._recorder.record(live, drift_events(drifts))
        if isinstance(failure, TerminatingError):
            self._terminating_uids[key] = metadata["uid"]
            return
        await self._update_status(key, plan, failure)
        if failure is not None:
            raise failure

    def _plan(self, key: NamespacedName, live: Object) -> Plan:
        """Parse and build what the last plan does not fit any more; InvalidSpec for what cannot be understood."""
        plan = self._plans.pop(key, None)
        known = plan is not None and plan.matches(live["metadata"])
        service = plan.service if plan is not None and known else ModelService.parse(live)
        stands_for = self._resolution(key, service)
        if plan is None or not known or plan.resolution != stands_for:
            plan = Plan.build(service, self._settings.loader, stands_for)
        self._plans[key] = plan  # the last one in a dict is the one used last
        if len(self._plans) > MAX_CACHED_PLANS:
            del self._plans[next(iter(self._plans))]
        return plan

    def _resolution(self, key: NamespacedName, service: ModelService) -> str | None:
        """What the model's URI stands for, where that is followed."""
        if not tracks_updates(service):
            return None
        return resolve_model_revision(service, self._informers.get(DEPLOYMENT, key), self._observe(key, service))

    async def _apply_children(self, plan: Plan) -> tuple[OperatorError | None, list[Drift]]:
        """Prune, then create and correct, all of it even when a part fails.

        Return the failure that says most, and what others had changed.
        """
        cluster, service = self._applier, plan.service
        wanted = {child.kind for child in plan.children}
        try:
            await self._applier.verify_owner_exists(plan.children, plan.service)
        except OperatorError as error:
            return error, []
        # First the autoscaler goes, then the count is set: the other way round it could set it once more.
        surplus = [kind for kind in CHILD_KINDS if kind not in wanted and cluster.should_prune(kind, service)]
        pruned = await _gather_results(cluster.prune(kind, service) for kind in surplus)
        if HORIZONTAL_POD_AUTOSCALER in surplus:
            self._queue.add_after(service.metadata.key, SCALE_RECHECK_SECONDS)
        ensured = await self._apply_in_order(plan)
        failures = [result for result in (*pruned, *ensured) if isinstance(result, BaseException)]
        drifts = [drift for result in ensured if isinstance(result, list) for drift in result]
        return _most_important_error(failures), drifts

    async def _apply_in_order(self, plan: Plan) -> list[list[Drift] | BaseException]:
        """Ensure every child. The autoscaler comes last: it would scale any Deployment of the name, also another's."""
        cluster, service = self._applier, plan.service
        wrong = [child for child in plan.children if not cluster.is_up_to_date(child, service)]
        first = [child for child in wrong if child.kind is not HORIZONTAL_POD_AUTOSCALER]
        results = await _gather_results(cluster.apply(child, service) for child in first)
        ends = zip(first, results, strict=True)
        if any(child.kind is DEPLOYMENT and isinstance(result, NameConflictError) for child, result in ends):
            pruned = await _gather_results([cluster.prune(HORIZONTAL_POD_AUTOSCALER, service)])
            return [*results, *(result for result in pruned if result is not None)]
        return [
            *results,
            *await _gather_results(
                cluster.apply(child, service) for child in wrong if child.kind is HORIZONTAL_POD_AUTOSCALER
            ),
        ]

    async def _update_status(self, key: NamespacedName, plan: Plan, failure: OperatorError | None) -> None:
        if failure is None and self._is_new(key, plan) and self._defer_for_pending_children(key, time.monotonic()):
            return  # by then there is more to judge, too
        observed = await self._with_pod_events(key, self._observe(key, plan.service, plan.children, failure))
        live = self._informers.get(MODEL_SERVICE, key)
        if live is None or not plan.matches(live["metadata"]):
            return  # changed meanwhile: the key is queued again, and a status of the old generation helps nobody
        now = self._now()
        if (seconds := requeue_after(observed, now)) is not None:
            self._queue.add_after(key, seconds)
        status = compute_status(observed, previous=live.get("status") or {}, now=now)
        await self._write_status(key, live, status, urgent=failure is not None)

    def _is_new(self, key: NamespacedName, plan: Plan) -> bool:
        """Whether no status tells of this generation yet."""
        live = self._informers.get(MODEL_SERVICE, key) or {}
        return bool((live.get("status") or {}).get("observedGeneration") != plan.service.metadata.generation)

    async def _with_pod_events(self, key: NamespacedName, observed: Snapshot) -> Snapshot:
        """Add what only Events tell of a pod that stays unready."""
        notes, seconds = await self._pod_events.read(key, pod_needing_events(observed))
        if seconds is not None:
            self._queue.add_after(key, seconds)
        return replace(observed, pod_event_messages=notes) if notes else observed

    def _observe(
        self,
        key: NamespacedName,
        service: ModelService,
        children: tuple[DesiredChild, ...] = (),
        failure: OperatorError | None = None,
    ) -> Snapshot:
        deployment = self._informers.get(DEPLOYMENT, key)
        return Snapshot(
            service=service,
            child_kinds=tuple(child.kind for child in children),
            rollout=None if deployment is None else DeploymentStatus.of(deployment),
            load_balancer=load_balancer_address(self._informers.get(SERVICE, key)),
            failure=failure,
            pods=tuple(self._informers.by_index(POD, key)),
            replica_sets=tuple(self._informers.by_index(REPLICA_SET, key)),
            autoscaler=self._own_autoscaler(key, service),
            foreign_autoscalers=self._foreign_autoscalers(key, service),
        )

    def _own_autoscaler(self, key: NamespacedName, service: ModelService) -> Object | None:
        live = self._informers.get(HORIZONTAL_POD_AUTOSCALER, key)
        return live if live is not None and ownership_of(live, service) is Ownership.OWNED else None

    def _foreign_autoscalers(self, key: NamespacedName, service: ModelService) -> tuple[str, ...]:
        return tuple(
            autoscaler["metadata"]["name"]
            for autoscaler in self._informers.by_index(HORIZONTAL_POD_AUTOSCALER, key)
            if ownership_of(autoscaler, service) is Ownership.NOT_OWNED
            and autoscaler["spec"].get("scaleTargetRef", {}).get("name") == key[1]
        )

    async def _report_invalid(self, key: NamespacedName, live: Object, error: InvalidSpecError) -> None:
        previous = live.get("status") or {}
        generation = live["metadata"]["generation"]
        status = compute_invalid_status(error, generation=generation, previous=previous, now=self._now())
        await self._write_status(key, live, status, urgent=True)

    async def _write_status(self, key: NamespacedName, live: Object, status: dict[str, Any], *, urgent: bool) -> None:
        """Write a status that differs; within the interval only for a new generation, else once it has passed."""
        previous, now = live.get("status") or {}, time.monotonic()
        since = self._written.get(key, 0.0)
        if is_only_unobserved(previous, status):
            # An annotation on the Deployment is enough for that, and mostly it is over in a moment.
            since = self._unobserved_since.setdefault(key, now)
        else:
            self._unobserved_since.pop(key, None)
        if status == previous:
            self._deferred_since.pop(key, None)
            self._plans.pop(key, None)  # at rest it is not needed, and thousands would fill the memory
            return
        wait = since + self._settings.status_interval - now
        if wait > 0 and previous.get("observedGeneration") == status["observedGeneration"]:
            self._queue.add_after(key, wait)
            return
        if not urgent and self._defer_for_pending_children(key, now):
            return
        self._deferred_since.pop(key, None)
        self._written[key] = now
        await self._applier.update_status(live, status)
        self._recorder.record(live, events_for(previous, status))

    def _defer_for_pending_children(self, key: NamespacedName, now: float) -> bool:
        """Whether this status waits while others' children are to be made, which takes no longer than the interval.

        Meanwhile many a status becomes outdated, and is never written.
        """
        wait = self._deferred_since.setdefault(key, now) + self._settings.status_interval - now
        if wait <= 0 or not self._queue.has_higher_priority_than(Priority.RESYNC):
            return False
        self._queue.add_after(key, wait)
        return True

    def _forget(self, key: NamespacedName) -> None:
        self._plans.pop(key, None)
        self._terminating_uids.pop(key, None)
        self._written.pop(key, None)
        self._deferred_since.pop(key, None)
        self._unobserved_since.pop(key, None)
        self._pod_events.forget(key)
        self._queue.forget(key)


async def _gather_results(steps: Iterable[Coroutine[Any, Any, T]]) -> list[T | BaseException]:
    """Take all steps at once, to the end; return what they return or raise."""
    return await asyncio.gather(*steps, return_exceptions=True)


def _most_important_error(results: list[BaseException]) -> OperatorError | None:
    """The failure to report: a bug is raised as it is, what a person must heal goes before what heals by itself."""
    for result in results:
        if not isinstance(result, OperatorError):
            raise result
    failures = [result for result in results if isinstance(result, OperatorError)]
    for kind in (TerminatingError, TerminalError, OperatorError):
        for failure in failures:
            if isinstance(failure, kind):
                return failure
    return None
