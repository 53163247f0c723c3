"""observe -> build -> apply -> prune -> judge -> publish, for one key, from the caches alone."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from modelservice_operator.api.kinds import (
    AUTOSCALER,
    CHILD_KINDS,
    DEPLOYMENT,
    MODEL_SERVICE,
    POD,
    REPLICA_SET,
    SERVICE,
)
from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.cluster import Cluster, Ownership, ownership
from modelservice_operator.errors import Ending, InvalidSpec, NameConflict, OperatorError, Terminal
from modelservice_operator.informer import Informers, Key, Object
from modelservice_operator.observed import Observed, Rollout, load_balancer_address, of_newest_revision
from modelservice_operator.resources import Desired, build
from modelservice_operator.settings import Settings
from modelservice_operator.status import is_merely_unseen, judge, judge_invalid
from modelservice_operator.workqueue import Priority, WorkQueue


@dataclass(frozen=True, slots=True)
class Plan:
    """What one generation of a ModelService stands for: parsed and built once, not on every event."""

    service: ModelService
    children: tuple[Desired, ...]

    @classmethod
    def of(cls, body: Object) -> "Plan":
        """Parse and build; InvalidSpec for what cannot be understood."""
        service = ModelService.parse(body)
        return cls(service, build(service))

    def fits(self, metadata: dict[str, Any]) -> bool:
        """Whether it was made from this very generation of this very object."""
        own = self.service.metadata
        return (own.uid, own.generation) == (metadata["uid"], metadata["generation"])


_MOST_PLANS = 64
"""Plans that are kept: enough for what is under way, while a plan for each of thousands at rest would fill memory."""
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
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._informers = informers
        self._cluster = cluster
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
        failure = await self._converge(plan)
        if isinstance(failure, Ending):
            self._ending[key] = metadata["uid"]
            return
        await self._report(key, plan, failure)
        if failure is not None:
            raise failure

    def _plan(self, key: Key, live: Object) -> Plan:
        plan = self._plans.pop(key, None)
        if plan is None or not plan.fits(live["metadata"]):
            plan = Plan.of(live)
        self._plans[key] = plan  # the last one in a dict is the one used last
        if len(self._plans) > _MOST_PLANS:
            del self._plans[next(iter(self._plans))]
        return plan

    async def _converge(self, plan: Plan) -> OperatorError | None:
        """Prune, then create and correct, all of it even when a part fails; return the failure that says most."""
        cluster, service = self._cluster, plan.service
        wanted = {child.kind for child in plan.children}
        try:
            await self._cluster.look_before_remaking(plan.children, plan.service)
        except OperatorError as error:
            return error
        # First the autoscaler goes, then the count is set: the other way round it could set it once more.
        surplus = [kind for kind in CHILD_KINDS if kind not in wanted and cluster.is_surplus(kind, service)]
        pruned = await _all(cluster.prune(kind, service) for kind in surplus)
        if AUTOSCALER in surplus:
            self._queue.add_after(service.metadata.key, _SECOND_LOOK)
        return _most_telling([*pruned, *await self._ensure(plan)])

    async def _ensure(self, plan: Plan) -> list[BaseException]:
        """Ensure every child. The autoscaler comes last: it would scale any Deployment of the name, also another's."""
        cluster, service = self._cluster, plan.service
        wrong = [child for child in plan.children if not cluster.is_right(child, service)]
        first = [child for child in wrong if child.kind is not AUTOSCALER]
        results = await asyncio.gather(*(cluster.ensure(child, service) for child in first), return_exceptions=True)
        failures = [result for result in results if result is not None]
        ends = zip(first, results, strict=True)
        if any(child.kind is DEPLOYMENT and isinstance(result, NameConflict) for child, result in ends):
            return [*failures, *await _all([cluster.prune(AUTOSCALER, service)])]
        return [*failures, *await _all(cluster.ensure(child, service) for child in wrong if child.kind is AUTOSCALER)]

    async def _report(self, key: Key, plan: Plan, failure: OperatorError | None) -> None:
        live = self._informers.get(MODEL_SERVICE, key)
        if live is None or not plan.fits(live["metadata"]):
            return  # changed meanwhile: the key is queued again, and a status of the old generation helps nobody
        status = judge(self._observe(key, plan, failure), previous=live.get("status") or {}, now=self._now())
        await self._publish(key, live, status, urgent=failure is not None)

    def _observe(self, key: Key, plan: Plan, failure: OperatorError | None) -> Observed:
        deployment = self._informers.get(DEPLOYMENT, key)
        rollout = None if deployment is None else Rollout.of(deployment)
        return Observed(
            service=plan.service,
            wanted=tuple(child.kind for child in plan.children),
            rollout=rollout,
            load_balancer=load_balancer_address(self._informers.get(SERVICE, key)),
            failure=failure,
            # Pods are asked why something is not as it should be; when all is well they have nothing to say.
            pods=() if rollout is None or rollout.complete else self._pods(key),
            foreign_autoscalers=self._foreign_autoscalers(key, plan.service),
        )

    def _pods(self, key: Key) -> tuple[Object, ...]:
        found = self._informers.concerning(POD, key), self._informers.concerning(REPLICA_SET, key)
        return tuple(dict(pod) for pod in of_newest_revision(*found))

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

    def _lets_others_go_first(self, key: Key, now: float) -> bool:
        """Whether this status waits until everybody's children are right, which takes no longer than the interval.

        Meanwhile many a status becomes outdated, and is never written.
        """
        wait = self._put_off.setdefault(key, now) + self._settings.status_interval - now
        if wait <= 0 or not self._queue.is_waiting(Priority.STATUS):
            return False
        self._queue.add(key, Priority.STATUS)
        self._queue.add_after(key, wait)
        return True

    def _forget(self, key: Key) -> None:
        self._plans.pop(key, None)
        self._ending.pop(key, None)
        self._written.pop(key, None)
        self._put_off.pop(key, None)
        self._unseen.pop(key, None)
        self._queue.forget(key)


async def _all(steps: Iterable[Coroutine[Any, Any, None]]) -> list[BaseException]:
    """Take all steps at once, to the end; return what went wrong."""
    results = await asyncio.gather(*steps, return_exceptions=True)
    return [result for result in results if result is not None]


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
