"""The reconcile loop for one ModelService: gather, build, apply, prune, compute the status, write it."""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, MODEL_SERVICE
from modelservice_operator.apimachinery.objects import NamespacedName, Object
from modelservice_operator.apply.applier import Applier
from modelservice_operator.cache.informers import InformerSet
from modelservice_operator.controller.gatherer import Gatherer
from modelservice_operator.controller.model_resolution import resolve_model_revision
from modelservice_operator.controller.object_state import ObjectState
from modelservice_operator.controller.plan import Plan, PlanCache
from modelservice_operator.controller.status_writer import StatusWriter
from modelservice_operator.errors import (
    InvalidSpecError,
    NameConflictError,
    OperatorError,
    TerminalError,
    TerminatingError,
)
from modelservice_operator.events.pod_events import PodEventReader
from modelservice_operator.events.transitions import drift_events
from modelservice_operator.resources import DesiredChild
from modelservice_operator.resources.cron_job import tracks_updates
from modelservice_operator.resources.diff import Drift
from modelservice_operator.settings import Settings
from modelservice_operator.status import Diagnosis, compute_invalid_status, compute_status, diagnose, requeue_after
from modelservice_operator.status.snapshot import Snapshot

T = TypeVar("T")

SCALE_RECHECK_SECONDS = 5.0
"""Seconds after which the replicas are checked again: the deleted autoscaler's controller may write late."""


@dataclass(frozen=True, slots=True)
class Result:
    """Outcome of one reconcile (controller-runtime, reconcile.Result)."""

    requeue_after: float | None = None
    """Seconds after which something changes without an event; None if nothing does."""
    error: OperatorError | None = None
    """Why the children are not in the desired state. It is reported in status; its class says who acts next."""


class _Applied(NamedTuple):
    """Outcome of applying the children."""

    error: OperatorError | None
    drifts: list[Drift]


class Reconciler:
    """Reconcile one ModelService from cached state. Level-triggered: the reconciler never sees watch events."""

    def __init__(
        self,
        informers: InformerSet,
        applier: Applier,
        status_writer: StatusWriter,
        pod_events: PodEventReader,
        settings: Settings,
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._informers = informers
        self._applier = applier
        self._status_writer = status_writer
        self._pod_events = pod_events
        self._clock = clock
        self._gatherer = Gatherer(informers)
        self._plans = PlanCache(settings.loader)
        self._states: dict[NamespacedName, ObjectState] = {}

    async def reconcile(self, key: NamespacedName) -> Result:
        """Bring the children and the status of `key` to what its spec asks for. Raises OperatorError for the status."""
        live = self._informers.get(MODEL_SERVICE, key)
        if live is None:
            self._states.pop(key, None)
            self._plans.discard(key)
            return Result()
        state, uid = self._states.setdefault(key, ObjectState()), live["metadata"]["uid"]
        if live["metadata"].get("deletionTimestamp") or state.terminating_uid == uid:
            return Result()  # the garbage collector follows the owner references
        try:
            plan = self._plans.get(key, live, self._model_revision)
        except InvalidSpecError as invalid:
            return await self._report_invalid(state, live, invalid)
        error, drifts = await self._apply_children(plan, state)
        self._status_writer.emit(live, drift_events(drifts))
        if isinstance(error, TerminatingError):
            state.terminating_uid = uid
            return Result()
        delays = [*await self._update_status(plan, live, state, error), self._seconds_to_recheck(state)]
        return Result(min((delay for delay in delays if delay is not None), default=None), error)

    def _model_revision(self, service: ModelService) -> str | None:
        """Return the revision of an auto-updated model that the pods must load; None lets them resolve it."""
        if not tracks_updates(service):
            return None
        deployment = self._informers.get(DEPLOYMENT, service.metadata.key)
        return resolve_model_revision(service, deployment, self._gatherer.gather(service))

    async def _apply_children(self, plan: Plan, state: ObjectState) -> _Applied:
        """Prune, then create and correct; all of it, even if a part fails."""
        service = plan.service
        try:
            await self._applier.verify_owner_exists(plan.children, service)
        except OperatorError as error:
            return _Applied(error, [])
        # The autoscaler is deleted before the replicas are compared: otherwise it could set them again.
        surplus = self._applier.find_surplus(plan.children, service)
        pruned = await _gather_results(self._applier.prune(kind, live) for kind, live in surplus)
        if HORIZONTAL_POD_AUTOSCALER in (kind for kind, _ in surplus):
            state.recheck_replicas_at = self._clock.monotonic() + SCALE_RECHECK_SECONDS
        applied = await self._apply_in_order(self._applier.find_outdated(plan.children, service), service)
        failures = [result for result in (*pruned, *applied) if isinstance(result, BaseException)]
        drifts = [drift for result in applied if isinstance(result, list) for drift in result]
        return _Applied(_most_important_error(failures), drifts)

    async def _apply_in_order(
        self, children: list[DesiredChild], service: ModelService
    ) -> list[list[Drift] | BaseException]:
        """Apply the autoscaler last: it would scale any Deployment of the name, also one of another owner."""
        first = [child for child in children if child.kind is not HORIZONTAL_POD_AUTOSCALER]
        last = [child for child in children if child.kind is HORIZONTAL_POD_AUTOSCALER]
        results = await _gather_results(self._applier.apply(child, service) for child in first)
        outcomes = zip(first, results, strict=True)
        if any(child.kind is DEPLOYMENT and isinstance(result, NameConflictError) for child, result in outcomes):
            pruned = await _gather_results([self._applier.prune_owned(HORIZONTAL_POD_AUTOSCALER, service)])
            return [*results, *(result for result in pruned if result is not None)]
        return [*results, *await _gather_results(self._applier.apply(child, service) for child in last)]

    async def _update_status(
        self, plan: Plan, planned: Object, state: ObjectState, error: OperatorError | None
    ) -> list[float | None]:
        """Compute the status and write it; return the seconds after which it may change without an event.

        `planned` is the ModelService that the plan was made for. Only this run can write its status.
        """
        key = plan.service.metadata.key
        if error is None and _is_new(planned) and (deferral := self._status_writer.defer(state)) is not None:
            return [deferral]  # by then there is more to report, too
        snapshot = self._gatherer.gather(plan.service, plan.children, error)
        diagnosis = await self._diagnose(snapshot, state)
        live = self._informers.get(MODEL_SERVICE, key)
        if live is None or not plan.matches(live["metadata"]):
            return []  # it changed, and its event has added the key again; the status of an old generation is useless
        now = self._clock.now()
        status = compute_status(snapshot, diagnosis, previous=live.get("status") or {}, now=now)
        if status == live.get("status"):
            self._plans.discard(key)
        delay = await self._status_writer.write(state, live, status, urgent=error is not None)
        return [delay, requeue_after(snapshot, now), self._seconds_to_next_read(state)]

    async def _diagnose(self, snapshot: Snapshot, state: ObjectState) -> Diagnosis:
        """Diagnose the pods, with the Events of a pod that stays unready."""
        diagnosis = diagnose(snapshot)
        uid = diagnosis.pod_needing_events
        if uid is None:
            state.tracked_pod = None
            return diagnosis
        pod = await self._pod_events.read(snapshot.service.metadata.namespace, uid, state.tracked_pod)
        state.tracked_pod = pod
        return diagnose(replace(snapshot, pod_event_messages=pod.messages)) if pod.messages else diagnosis

    def _seconds_to_next_read(self, state: ObjectState) -> float | None:
        return None if state.tracked_pod is None else self._pod_events.seconds_to_next_read(state.tracked_pod)

    def _seconds_to_recheck(self, state: ObjectState) -> float | None:
        if state.recheck_replicas_at is None:
            return None
        seconds = state.recheck_replicas_at - self._clock.monotonic()
        if seconds <= 0:
            state.recheck_replicas_at = None
            return None
        return seconds

    async def _report_invalid(self, state: ObjectState, live: Object, error: InvalidSpecError) -> Result:
        previous, generation = live.get("status") or {}, live["metadata"]["generation"]
        status = compute_invalid_status(error, generation=generation, previous=previous, now=self._clock.now())
        return Result(await self._status_writer.write(state, live, status, urgent=True), error)


def _is_new(live: Object) -> bool:
    """Return True if no status has been written for the generation of a ModelService."""
    return bool((live.get("status") or {}).get("observedGeneration") != live["metadata"]["generation"])


async def _gather_results(steps: Iterable[Coroutine[Any, Any, T]]) -> list[T | BaseException]:
    """Run all steps concurrently, to their end; return what they return or raise."""
    return await asyncio.gather(*steps, return_exceptions=True)


def _most_important_error(failures: list[BaseException]) -> OperatorError | None:
    """Return the error to report: one that needs a user before one that recovers. A bug is raised as it is."""
    errors = []
    for failure in failures:
        if not isinstance(failure, OperatorError):
            raise failure
        errors.append(failure)
    for kind in (TerminatingError, TerminalError, OperatorError):
        for error in errors:
            if isinstance(error, kind):
                return error
    return None
