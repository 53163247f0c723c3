"""Writes the status of a ModelService: as rarely as is useful, and with an Event for each transition."""

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.managed_fields import last_manager_of_status
from modelservice_operator.apimachinery.objects import Object, key_of
from modelservice_operator.apply.drift_limiter import MAX_CORRECTIONS
from modelservice_operator.apply.writer import ObjectWriter
from modelservice_operator.controller.object_state import ObjectState
from modelservice_operator.errors import OperatorError
from modelservice_operator.events.recorder import EventRecorder
from modelservice_operator.events.transitions import EventSpec, drift_events, events_for
from modelservice_operator.resources.desired import content_hash
from modelservice_operator.resources.diff import Drift
from modelservice_operator.settings import Settings
from modelservice_operator.status import is_only_unobserved
from modelservice_operator.status.conditions import find_condition
from modelservice_operator.status.reasons import ConditionType, Reason

logger = logging.getLogger(__name__)

UNOBSERVED_GRACE_SECONDS = 30.0
"""Seconds in which a ready ModelService stays ready while the Deployment controller has not observed a generation.

A change of the replica count must not make it unready. Another leader of kube-controller-manager needs about 15 s.
"""


class StatusWriter:
    """Compares, debounces, defers and writes statuses, and records Events."""

    def __init__(
        self,
        writer: ObjectWriter,
        recorder: EventRecorder,
        settings: Settings,
        *,
        children_are_pending: Callable[[], bool],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`children_are_pending` returns True while ModelServices wait whose children must be created or changed."""
        self._writer = writer
        self._recorder = recorder
        self._interval = settings.status_interval
        self._children_are_pending = children_are_pending
        self._clock = clock

    def emit(self, live: Object, events: Iterable[EventSpec]) -> None:
        """Record Events about a ModelService."""
        self._recorder.record(live, events)

    def defer(self, state: ObjectState) -> float | None:
        """Begin or continue to defer this status while children are pending; None when it can be written.

        Return the seconds after which it is written in any case. Many statuses are outdated by then and never written.
        """
        if not self._children_are_pending():
            return None
        now = self._clock.monotonic()
        if state.deferred_since is None:
            state.deferred_since = now
        remaining = state.deferred_since + self._interval - now
        return remaining if remaining > 0 else None

    async def write(self, state: ObjectState, live: Object, status: dict[str, Any], *, urgent: bool) -> float | None:
        """Write `status` if it differs from that of `live`; return the seconds to wait if it is too early for that.

        Within the interval after a write, and after many of them, only a new generation is written. `urgent` does not
        wait for children.
        Raises OperatorError.
        """
        previous, now = live.get("status") or {}, self._clock.monotonic()
        written_at = self._written_at(state, is_only_unobserved(previous, status), now)
        if status == previous:
            state.deferred_since = None
            return None
        remaining = max(written_at + self._interval - now, state.status_writes.seconds_until_token(now))
        if remaining > 0 and previous.get("observedGeneration") == status["observedGeneration"]:
            return remaining
        if not urgent and (deferral := self.defer(state)) is not None:
            return deferral
        state.deferred_since = None
        state.status_written_at = now
        state.status_writes.take(now)
        drifts = await self._find_drift(state, live, status)
        if drifts or _is_drift_reported(previous, status):
            state.status_writes.drain(now, keep=MAX_CORRECTIONS - 1)
        is_complete = await self._writer.update_status(live, status)
        # A CRD that is older than the operator drops fields: what is missing then was not changed by another client.
        state.written_status = content_hash(status) if is_complete else ""
        _log_transition(previous, status)
        self._recorder.record(live, (*drift_events(drifts), *events_for(previous, status)))
        return None

    async def _find_drift(self, state: ObjectState, live: Object, status: dict[str, Any]) -> list[Drift]:
        """Return the drift if `status` was written before, and another client has changed it since."""
        written = state.written_status
        if not written or content_hash(status) != written or content_hash(live.get("status") or {}) == written:
            return []
        manager = None
        with suppress(OperatorError):  # only the Event names it
            found = await self._writer.read(MODEL_SERVICE, key_of(live))
            manager = last_manager_of_status(found["metadata"].get("managedFields") or ())
        return [Drift(kind=MODEL_SERVICE.kind, field="status", manager=manager)]

    @staticmethod
    def _written_at(state: ObjectState, only_unobserved: bool, now: float) -> float:  # noqa: FBT001
        """Return the time from which the interval counts.

        A generation that the Deployment controller has not observed yet counts as written later: an annotation or
        another number of replicas is enough for one, and usually it is observed a moment later.
        """
        if not only_unobserved:
            state.unobserved_since = None
            return state.status_written_at
        if state.unobserved_since is None:
            state.unobserved_since = now
        return state.unobserved_since + UNOBSERVED_GRACE_SECONDS


def _log_transition(previous: Mapping[str, Any], status: Mapping[str, Any]) -> None:
    """Log a status with other conditions or another model; one with other counts only is of level DEBUG."""
    before = {entry.get("type"): _state_of(entry) for entry in previous.get("conditions") or ()}
    changed = [entry for entry in status.get("conditions") or () if before.get(entry["type"]) != _state_of(entry)]
    ready = find_condition(status.get("conditions"), ConditionType.READY) or {}
    old = find_condition(previous.get("conditions"), ConditionType.READY) or {}
    fields = {"reason": ready.get("reason", ""), "previous_reason": old.get("reason", "")}
    level = logging.INFO if changed else logging.DEBUG
    states = ", ".join(f"{entry['type']}={entry['status']} ({entry['reason']})" for entry in changed)
    logger.log(level, "Status: %s. %s", states or "counts changed", ready.get("message", ""), extra=fields)
    model, known = (found.get("model") or {} for found in (status, previous))
    resolved = {name: model.get(name) for name in ("resolvedURI", "digest")}
    if any(resolved.values()) and resolved != {name: known.get(name) for name in resolved}:
        text = " ".join(filter(None, resolved.values()))
        logger.info("Model resolved: %s", text, extra={"reason": "ModelResolved"})


def _state_of(condition: Mapping[str, Any]) -> tuple[Any, Any]:
    return condition.get("status"), condition.get("reason")


def _is_drift_reported(*statuses: Mapping[str, Any]) -> bool:
    """Return True if each status reports a fight: only the counts in it can differ, which another client changes."""
    found = (find_condition(status.get("conditions"), ConditionType.READY) or {} for status in statuses)
    return all(ready.get("reason") == Reason.DRIFT_DETECTED for ready in found)
