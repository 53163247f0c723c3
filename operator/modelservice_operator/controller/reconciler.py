"""The reconcile loop for one ModelService: gather, build, apply, prune, compute the status, write it."""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, MODEL_SERVICE
from modelservice_operator.apimachinery.objects import NamespacedName, Object
from modelservice_operator.apply.applier import Applier
from modelservice_operator.apply.ownership import is_own_or_orphan
from modelservice_operator.cache.informers import InformerSet
from modelservice_operator.controller.blocked_names import BlockedNames
from modelservice_operator.controller.gatherer import Gatherer
from modelservice_operator.controller.loader_failure import has_failed_to_load
from modelservice_operator.controller.model_loads import count_loads
from modelservice_operator.controller.model_resolution import resolve_model_revision
from modelservice_operator.controller.object_state import ObjectState, TerminatingRecord
from modelservice_operator.controller.plan import Plan, PlanCache, PlanInputs
from modelservice_operator.controller.status_writer import StatusWriter
from modelservice_operator.errors import (
    InvalidSpecError,
    NameConflictError,
    NamespaceTerminatingError,
    OperatorError,
    PredecessorTerminatingError,
    TerminalError,
    TerminatingError,
)
from modelservice_operator.events.load_progress import LoadProgressReader
from modelservice_operator.events.pod_events import PodEventReader
from modelservice_operator.events.transitions import drift_events
from modelservice_operator.logs.context import identify
from modelservice_operator.resources import DesiredChild
from modelservice_operator.resources.cron_job import tracks_updates
from modelservice_operator.resources.diff import Drift
from modelservice_operator.resources.model_volume import has_loader
from modelservice_operator.resources.retained import Retained, format_settings
from modelservice_operator.settings import Settings
from modelservice_operator.status import Diagnosis, compute_invalid_status, compute_status, diagnose, requeue_after
from modelservice_operator.status.model_status import find_loading_pods
from modelservice_operator.status.snapshot import Snapshot

T = TypeVar("T")

SCALE_RECHECK_SECONDS = 5.0
"""Seconds after which the replicas are checked again: the deleted autoscaler's controller may write late."""

OWNER_RECHECK_SECONDS = 5.0
"""Seconds until an object is reconciled again that does not exist any longer, although no watch has reported it."""
NAMESPACE_RECHECK_SECONDS = 60.0
"""The same for an object of a namespace that is being deleted, which takes as long as its pods need to end."""


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
        load_progress: LoadProgressReader,
        blocked_names: BlockedNames,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._informers = informers
        self._blocked_names = blocked_names
        self._applier = applier
        self._status_writer = status_writer
        self._pod_events = pod_events
        self._load_progress = load_progress
        self._clock = clock
        self._gatherer = Gatherer(informers)
        self._plans = PlanCache(settings.loader)
        self._loader_settings = format_settings(settings.loader)
        self._states: dict[NamespacedName, ObjectState] = {}

    async def reconcile(self, key: NamespacedName) -> Result:
        """Bring the children and the status of `key` to what its spec asks for. Raises OperatorError for the status."""
        live = self._informers.get(MODEL_SERVICE, key)
        if live is None:
            self._states.pop(key, None)
            self._plans.discard(key)
            self._blocked_names.discard(key)
            return Result()
        identify(live)
        state, uid = self._states.setdefault(key, ObjectState()), live["metadata"]["uid"]
        if live["metadata"].get("deletionTimestamp"):
            self._blocked_names.discard(key)
            return Result()  # the garbage collector follows the owner references
        if (pause := self._terminating_pause(state, uid)) > 0:
            return Result(requeue_after=pause)
        try:
            plan = self._plans.get(key, live, self._plan_inputs)
        except InvalidSpecError as invalid:
            self._blocked_names.discard(key)
            return await self._report_invalid(state, live, invalid)
        error, drifts = await self._apply_children(plan, state)
        self._status_writer.emit(live, drift_events(drifts))
        if isinstance(error, TerminatingError):
            self._blocked_names.discard(key)
            return Result(requeue_after=self._pause(state, uid, error))
        delays = [*await self._update_status(plan, live, state, error), self._seconds_to_recheck(state)]
        return Result(min((delay for delay in delays if delay is not None), default=None), error)

    def _terminating_pause(self, state: ObjectState, uid: str) -> float:
        return 0.0 if state.terminating is None else state.terminating.seconds_left(uid, self._clock.monotonic())

    def _pause(self, state: ObjectState, uid: str, error: TerminatingError) -> float:
        """Remember for a while that the object is being deleted, and return the seconds."""
        is_namespace = isinstance(error, NamespaceTerminatingError)
        seconds = NAMESPACE_RECHECK_SECONDS if is_namespace else OWNER_RECHECK_SECONDS
        state.terminating = TerminatingRecord(uid, self._clock.monotonic() + seconds)
        return seconds

    def _plan_inputs(self, service: ModelService) -> PlanInputs:
        """Return what the live objects contribute to the children: nothing if the pods have no loader."""
        if not has_loader(service):
            return PlanInputs()
        live = self._informers.get(DEPLOYMENT, service.metadata.key)
        deployment = live if is_own_or_orphan(live, service) else None
        return PlanInputs(self._model_revision(service, deployment), self._retained(service, deployment))

    def _retained(self, service: ModelService, deployment: Object | None) -> Retained | None:
        """Return the record of the loader's settings; None if they may be what keeps the pods from loading."""
        retained = Retained.of(deployment)
        if retained is None or retained.loader_settings == self._loader_settings:
            return retained
        return None if has_failed_to_load(self._gatherer.gather(service)) else retained

    def _model_revision(self, service: ModelService, deployment: Object | None) -> str | None:
        """Return the revision of an auto-updated model that the pods must load; None lets them resolve it."""
        if not tracks_updates(service):
            return None
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
        holders = self._applier.find_port_holders(plan.children, service)
        pruned = await _gather_results(
            (
                *(self._applier.prune(kind, live, service) for kind, live in surplus),
                *(self._applier.release_ports(child, live, service) for child, live in holders),
            )
        )
        if HORIZONTAL_POD_AUTOSCALER in (kind for kind, _ in surplus):
            state.recheck_replicas_at = self._clock.monotonic() + SCALE_RECHECK_SECONDS
        outdated = self._applier.find_outdated(plan.children, service)
        blocked: list[DesiredChild] = []
        applied = await self._apply_in_order(outdated, service, blocked)
        self._blocked_names.update(service, blocked, lambda child: self._applier.discard_rejection(child, service))
        replaced = self._applier.find_replaced(plan.children, service)
        pruned += await _gather_results(self._applier.prune(kind, live, service) for kind, live in replaced)
        failures = [result for result in (*pruned, *applied) if isinstance(result, BaseException)]
        drifts = [drift for result in applied if isinstance(result, list) for drift in result]
        return _Applied(_most_important_error(failures), drifts)

    async def _apply_in_order(
        self, children: list[DesiredChild], service: ModelService, blocked: list[DesiredChild]
    ) -> list[list[Drift] | BaseException]:
        """Apply the autoscaler last: it would scale any Deployment of the name, also one of another owner.

        Children whose names are taken by objects that cause no event are added to `blocked`.
        """
        first = [child for child in children if child.kind is not HORIZONTAL_POD_AUTOSCALER]
        last = [child for child in children if child.kind is HORIZONTAL_POD_AUTOSCALER]
        results = await _gather_results(self._apply(child, service, blocked) for child in first)
        outcomes = zip(first, results, strict=True)
        if any(child.kind is DEPLOYMENT and isinstance(result, NameConflictError) for child, result in outcomes):
            pruned = await _gather_results([self._applier.prune_owned(HORIZONTAL_POD_AUTOSCALER, service)])
            return [*results, *(result for result in pruned if result is not None)]
        return [*results, *await _gather_results(self._apply(child, service, blocked) for child in last)]

    async def _apply(self, child: DesiredChild, service: ModelService, blocked: list[DesiredChild]) -> list[Drift]:
        try:
            return await self._applier.apply(child, service)
        except (NameConflictError, PredecessorTerminatingError):
            # A cached object with the name of the ModelService causes events; others do not, or for other objects.
            if self._informers.get(child.kind, child.key) is None or child.key != service.metadata.key:
                blocked.append(child)
            raise

    async def _update_status(
        self, plan: Plan, planned: Object, state: ObjectState, error: OperatorError | None
    ) -> list[float | None]:
        """Compute the status and write it; return the seconds after which it may change without an event.

        `planned` is the ModelService that the plan was made for. Only this run can write its status.
        """
        key = plan.service.metadata.key
        if error is None and _is_new(planned) and (deferral := self._status_writer.defer(state)) is not None:
            return [deferral]  # by then there is more to report, too
        gathered = self._gatherer.gather(plan.service, plan.children, error)
        aged = state.ages.measure(gathered, planned.get("status") or {}, self._clock.monotonic())
        snapshot = await self._read_progress(aged, planned.get("status") or {}, state)
        if has_loader(plan.service):
            state.unfinished_loads = count_loads(snapshot, state.unfinished_loads)
        diagnosis = await self._diagnose(snapshot, state)
        live = self._informers.get(MODEL_SERVICE, key)
        if live is None or not plan.matches(live["metadata"]):
            return []  # it changed, and its event has added the key again; the status of an old generation is useless
        previous = live.get("status") or {}
        status = compute_status(snapshot, diagnosis, previous=previous, now=self._clock.now())
        if status == live.get("status"):
            self._plans.discard(key)
        if snapshot.rollout is not None:
            state.observe(snapshot.rollout.observed_generation)
        delay = await self._status_writer.write(state, live, status, urgent=error is not None)
        return [delay, requeue_after(snapshot, status), *self._seconds_to_next_reads(state)]

    async def _read_progress(self, snapshot: Snapshot, previous: Object, state: ObjectState) -> Snapshot:
        """Add the progress of a loader, while one runs."""
        is_reported = "progress" in (previous.get("model") or {})
        pods = find_loading_pods(snapshot)
        tracked = await self._load_progress.read(pods, state.tracked_load, is_reported=is_reported)
        state.tracked_load = tracked
        progress = None if tracked is None else tracked.progress
        return snapshot if progress is None else snapshot.with_load_progress(progress)

    async def _diagnose(self, snapshot: Snapshot, state: ObjectState) -> Diagnosis:
        """Diagnose the pods, with the Events of a pod that stays unready."""
        diagnosis = diagnose(snapshot)
        pod = diagnosis.pod_needing_events
        if pod is None:
            state.tracked_pod = None
            return diagnosis
        tracked = await self._pod_events.read(snapshot.service.metadata.namespace, pod, state.tracked_pod)
        state.tracked_pod = tracked
        if not tracked.messages:
            return diagnosis
        return diagnose(snapshot.with_pod_events(tracked.messages), diagnosis.groups)

    def _seconds_to_next_reads(self, state: ObjectState) -> list[float]:
        """Return after how many seconds Events and progress are read again."""
        events, load = state.tracked_pod, state.tracked_load
        return [
            *([] if events is None else [self._pod_events.seconds_to_next_read(events)]),
            *([] if load is None else [self._load_progress.seconds_to_next_read(load)]),
        ]

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
    tasks = tuple(steps)
    return await asyncio.gather(*tasks, return_exceptions=True) if tasks else []


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
