"""observe -> build -> apply -> prune -> judge -> publish, for one key, from the caches alone."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import (
    AUTOSCALER,
    CHILD_KINDS,
    DEPLOYMENT,
    MODEL_SERVICE,
    POD,
    REPLICA_SET,
    SERVICE,
)
from modelservice_operator.apply.applier import Cluster, Ownership, ownership
from modelservice_operator.cache.informer import Informers, Key, Object
from modelservice_operator.controller.model_resolution import resolution
from modelservice_operator.controller.workqueue import Priority, WorkQueue
from modelservice_operator.errors import Ending, InvalidSpec, NameConflict, OperatorError, Terminal
from modelservice_operator.events.pod_events import Notes
from modelservice_operator.events.recorder import Recorder
from modelservice_operator.events.transitions import announcements, corrected
from modelservice_operator.resources import Desired, build
from modelservice_operator.resources.cron_job import is_followed
from modelservice_operator.settings import LoaderSettings, Settings
from modelservice_operator.status import is_merely_unseen, judge, judge_invalid, next_look, untold
from modelservice_operator.status.snapshot import Drift, Observed, Rollout, load_balancer_address

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """What one generation of a ModelService stands for: parsed and built once, not on every event."""

    service: ModelService
    children: tuple[Desired, ...]
    resolution: str | None = None
    """What the model's URI stands for, where that is followed."""

    @classmethod
    def of(cls, service: ModelService, loader: LoaderSettings, resolution: str | None) -> "Plan":
        """Build the children."""
        return cls(service, build(service, loader=loader, resolution=resolution), resolution)

    def fits(self, metadata: dict[str, Any]) -> bool:
        """Whether it was made from this very generation of this very object."""
        own = self.service.metadata
        return (own.uid, own.generation) == (metadata["uid"], metadata["generation"])


_MOST_PLANS = 64
"""Plans that are kept of what is under way."""
_SECOND_LOOK = 5.0
"""Seconds after which a count is looked at once more: a late write of the autoscaler's controller is possible."""


class Reconciler:
    """Brings one ModelService at a time to what it should be. Knows levels, not edges: no event reaches it."""

    def __init__(
        self,
        informers: Informers,
        cluster: Cluster,
        queue: WorkQueue[Key],
        settings: Settings,
        *,
        notes: Notes,
        recorder: Recorder,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._informers = informers
        self._cluster = cluster
        self._notes = notes
        self._recorder = recorder
        self._queue = queue
        self._settings = settings
        self._now = now
        self._plans: dict[Key, Plan] = {}
        self._ending: dict[Key, str] = {}
        """UIDs of objects that are going, with their namespace or alone: there is no way back for them."""
        self._written: dict[Key, float] = {}
        """When the status was last written, by the monotonic clock."""
        self._put_off: dict[Key, float] = {}
        """Since when the status has waited for others' children, by the monotonic clock."""
        self._unseen: dict[Key, float] = {}
        """Since when all that is new is a generation that the Deployment's controller has not looked at."""

    async def reconcile(self, key: Key) -> None:
        """Do what is to be done for `key`; raise what kept it from being done, after it was reported in status."""
        live = self._informers.get(MODEL_SERVICE, key)
        if live is None:
            self._forget(key)
            return
        metadata = live["metadata"]
        if metadata.get("deletionTimestamp") or self._ending.get(key) == metadata["uid"]:
            return  # the garbage collector follows the owner references
        try:
            plan = self._plan(key, live)
        except InvalidSpec as error:
            await self._report_invalid(key, live, error)
            raise
        failure, drifts = await self._converge(plan)
        self._recorder.record(live, corrected(drifts))
        if isinstance(failure, Ending):
            self._ending[key] = metadata["uid"]
            return
        await self._report(key, plan, failure)
        if failure is not None:
            raise failure

    def _plan(self, key: Key, live: Object) -> Plan:
        """Parse and build what the last plan does not fit any more; InvalidSpec for what cannot be understood."""
        plan = self._plans.pop(key, None)
        known = plan is not None and plan.fits(live["metadata"])
        service = plan.service if plan is not None and known else ModelService.parse(live)
        stands_for = self._resolution(key, service)
        if plan is None or not known or plan.resolution != stands_for:
            plan = Plan.of(service, self._settings.loader, stands_for)
        self._plans[key] = plan  # the last one in a dict is the one used last
        if len(self._plans) > _MOST_PLANS:
            del self._plans[next(iter(self._plans))]
        return plan

    def _resolution(self, key: Key, service: ModelService) -> str | None:
        """What the model's URI stands for, where that is followed."""
        if not is_followed(service):
            return None
        return resolution(service, self._informers.get(DEPLOYMENT, key), self._observe(key, service))

    async def _converge(self, plan: Plan) -> tuple[OperatorError | None, list[Drift]]:
        """Prune, then create and correct, all of it even when a part fails.

        Return the failure that says most, and what others had changed.
        """
        cluster, service = self._cluster, plan.service
        wanted = {child.kind for child in plan.children}
        try:
            await self._cluster.look_before_remaking(plan.children, plan.service)
        except OperatorError as error:
            return error, []
        # First the autoscaler goes, then the count is set: the other way round it could set it once more.
        surplus = [kind for kind in CHILD_KINDS if kind not in wanted and cluster.is_surplus(kind, service)]
        pruned = await _all(cluster.prune(kind, service) for kind in surplus)
        if AUTOSCALER in surplus:
            self._queue.add_after(service.metadata.key, _SECOND_LOOK)
        ensured = await self._ensure(plan)
        failures = [result for result in (*pruned, *ensured) if isinstance(result, BaseException)]
        drifts = [drift for result in ensured if isinstance(result, list) for drift in result]
        return _most_telling(failures), drifts

    async def _ensure(self, plan: Plan) -> list[list[Drift] | BaseException]:
        """Ensure every child. The autoscaler comes last: it would scale any Deployment of the name, also another's."""
        cluster, service = self._cluster, plan.service
        wrong = [child for child in plan.children if not cluster.is_right(child, service)]
        first = [child for child in wrong if child.kind is not AUTOSCALER]
        results = await _all(cluster.ensure(child, service) for child in first)
        ends = zip(first, results, strict=True)
        if any(child.kind is DEPLOYMENT and isinstance(result, NameConflict) for child, result in ends):
            pruned = await _all([cluster.prune(AUTOSCALER, service)])
            return [*results, *(result for result in pruned if result is not None)]
        return [*results, *await _all(cluster.ensure(child, service) for child in wrong if child.kind is AUTOSCALER)]

    async def _report(self, key: Key, plan: Plan, failure: OperatorError | None) -> None:
        if failure is None and self._is_new(key, plan) and self._lets_others_go_first(key, time.monotonic()):
            return  # by then there is more to judge, too
        observed = await self._annotated(key, self._observe(key, plan.service, plan.children, failure))
        live = self._informers.get(MODEL_SERVICE, key)
        if live is None or not plan.fits(live["metadata"]):
            return  # changed meanwhile: the key is queued again, and a status of the old generation helps nobody
        now = self._now()
        if (seconds := next_look(observed, now)) is not None:
            self._queue.add_after(key, seconds)
        status = judge(observed, previous=live.get("status") or {}, now=now)
        await self._publish(key, live, status, urgent=failure is not None)

    def _is_new(self, key: Key, plan: Plan) -> bool:
        """Whether no status tells of this generation yet."""
        live = self._informers.get(MODEL_SERVICE, key) or {}
        return bool((live.get("status") or {}).get("observedGeneration") != plan.service.metadata.generation)

    async def _annotated(self, key: Key, observed: Observed) -> Observed:
        """Add what only Events tell of a pod that stays unready."""
        notes, seconds = await self._notes.read(key, untold(observed))
        if seconds is not None:
            self._queue.add_after(key, seconds)
        return replace(observed, notes=notes) if notes else observed

    def _observe(
        self,
        key: Key,
        service: ModelService,
        children: tuple[Desired, ...] = (),
        failure: OperatorError | None = None,
    ) -> Observed:
        deployment = self._informers.get(DEPLOYMENT, key)
        return Observed(
            service=service,
            wanted=tuple(child.kind for child in children),
            rollout=None if deployment is None else Rollout.of(deployment),
            load_balancer=load_balancer_address(self._informers.get(SERVICE, key)),
            failure=failure,
            pods=tuple(self._informers.concerning(POD, key)),
            replica_sets=tuple(self._informers.concerning(REPLICA_SET, key)),
            autoscaler=self._own_autoscaler(key, service),
            foreign_autoscalers=self._foreign_autoscalers(key, service),
        )

    def _own_autoscaler(self, key: Key, service: ModelService) -> Object | None:
        live = self._informers.get(AUTOSCALER, key)
        return live if live is not None and ownership(live, service) is Ownership.OURS else None

    def _foreign_autoscalers(self, key: Key, service: ModelService) -> tuple[str, ...]:
        return tuple(
            autoscaler["metadata"]["name"]
            for autoscaler in self._informers.concerning(AUTOSCALER, key)
            if ownership(autoscaler, service) is Ownership.FOREIGN
            and autoscaler["spec"].get("scaleTargetRef", {}).get("name") == key[1]
        )

    async def _report_invalid(self, key: Key, live: Object, error: InvalidSpec) -> None:
        previous = live.get("status") or {}
        generation = live["metadata"]["generation"]
        status = judge_invalid(error, generation=generation, previous=previous, now=self._now())
        await self._publish(key, live, status, urgent=True)

    async def _publish(self, key: Key, live: Object, status: dict[str, Any], *, urgent: bool) -> None:
        """Write a status that differs; within the interval only for a new generation, else once it has passed."""
        previous, now = live.get("status") or {}, time.monotonic()
        since = self._written.get(key, 0.0)
        if is_merely_unseen(previous, status):
            # An annotation on the Deployment is enough for that, and mostly it is over in a moment.
            since = self._unseen.setdefault(key, now)
        else:
            self._unseen.pop(key, None)
        if status == previous:
            self._put_off.pop(key, None)
            self._plans.pop(key, None)  # at rest it is not needed, and thousands would fill the memory
            return
        wait = since + self._settings.status_interval - now
        if wait > 0 and previous.get("observedGeneration") == status["observedGeneration"]:
            self._queue.add_after(key, wait)
            return
        if not urgent and self._lets_others_go_first(key, now):
            return
        self._put_off.pop(key, None)
        self._written[key] = now
        await self._cluster.put_status(live, status)
        self._recorder.record(live, announcements(previous, status))

    def _lets_others_go_first(self, key: Key, now: float) -> bool:
        """Whether this status waits while others' children are to be made, which takes no longer than the interval.

        Meanwhile many a status becomes outdated, and is never written.
        """
        wait = self._put_off.setdefault(key, now) + self._settings.status_interval - now
        if wait <= 0 or not self._queue.is_waiting(Priority.RESYNC):
            return False
        self._queue.add_after(key, wait)
        return True

    def _forget(self, key: Key) -> None:
        self._plans.pop(key, None)
        self._ending.pop(key, None)
        self._written.pop(key, None)
        self._put_off.pop(key, None)
        self._unseen.pop(key, None)
        self._notes.forget(key)
        self._queue.forget(key)


async def _all(steps: Iterable[Coroutine[Any, Any, T]]) -> list[T | BaseException]:
    """Take all steps at once, to the end; return what they return or raise."""
    return await asyncio.gather(*steps, return_exceptions=True)


def _most_telling(results: list[BaseException]) -> OperatorError | None:
    """The failure to report: a bug is raised as it is, what a person must heal goes before what heals by itself."""
    for result in results:
        if not isinstance(result, OperatorError):
            raise result
    failures = [result for result in results if isinstance(result, OperatorError)]
    for kind in (Ending, Terminal, OperatorError):
        for failure in failures:
            if isinstance(failure, kind):
                return failure
    return None
