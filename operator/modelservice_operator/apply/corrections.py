"""Corrections of children, how often each is allowed, and the error that names the client which undoes it."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.kinds import ResourceKind
from modelservice_operator.apimachinery.objects import NamespacedName, Object, key_of
from modelservice_operator.apply.drift_limiter import (
    CHILD_POLICY,
    EXISTENCE_POLICY,
    FIELD_POLICY,
    LONGEST_PAUSE_SECONDS,
    DriftLimiter,
    DriftPolicy,
)
from modelservice_operator.errors import DriftDetectedError
from modelservice_operator.resources import DesiredChild

REPLICAS = ".spec.replicas"
_PAUSE = f"{LONGEST_PAUSE_SECONDS / 60:.0f} minutes"


class Target(NamedTuple):
    """One child for one generation of a ModelService. A new generation is not bound by what happened before."""

    kind: ResourceKind
    owner_uid: str
    generation: int

    @classmethod
    def of(cls, desired: DesiredChild, service: ModelService) -> Self:
        """Return the target of a desired child."""
        return cls(desired.kind, service.metadata.uid, service.metadata.generation)


class Action(StrEnum):
    """Kind of a correction; the values are those of a label of the metrics."""

    SET_FIELD = "set_field"
    CREATE = "create"
    DELETE = "delete"


_POLICIES: Mapping[Action, DriftPolicy] = {
    Action.SET_FIELD: FIELD_POLICY,
    Action.CREATE: EXISTENCE_POLICY,
    Action.DELETE: FIELD_POLICY,
}
_MESSAGES: Mapping[Action, str] = {
    Action.SET_FIELD: f"{{field}} of {{child}} is being reverted by {{client}}. The operator corrected it repeatedly,"
    f" and now retries every {_PAUSE}.",
    Action.CREATE: f"{{child}} is being deleted by another client each time that the operator creates it. The operator"
    f" now waits before each retry, up to {_PAUSE}. Only the audit log of the API server has the name of the client;"
    " usually it is a clean-up policy or a GitOps tool that prunes.",
    Action.DELETE: f"{{child}} is not part of the spec, and is being created by {{client}} each time that the operator"
    f" deletes it. The operator now retries every {_PAUSE}.",
}
_SCALER_ADVICE = " If another controller scales it on purpose, set autoscaling.managedBy to External."


@dataclass(frozen=True, slots=True)
class Correction:
    """One thing about one child that another client may undo. Equal ones are counted together."""

    target: Target
    child: NamespacedName
    action: Action
    field: str = ""
    """Path of the field, as of `resources.diff`; empty for the whole child."""
    value: Hashable = ""
    """The desired value: another one starts with no corrections."""

    @classmethod
    def of_field(cls, desired: DesiredChild, service: ModelService, field: str) -> Self:
        """Return the correction of a field by an apply."""
        return cls(Target.of(desired, service), desired.key, Action.SET_FIELD, field, desired.digest)

    @classmethod
    def of_replicas(cls, desired: DesiredChild, service: ModelService, replicas: int) -> Self:
        """Return the correction of the replica count."""
        return cls(Target.of(desired, service), desired.key, Action.SET_FIELD, REPLICAS, replicas)

    @classmethod
    def of_absence(cls, desired: DesiredChild, service: ModelService) -> Self:
        """Return the creation of a child that was deleted."""
        return cls(Target.of(desired, service), desired.key, Action.CREATE)

    @classmethod
    def of_surplus(cls, kind: ResourceKind, live: Object, service: ModelService) -> Self:
        """Return the deletion of an owned object that is not desired."""
        metadata = service.metadata
        return cls(Target(kind, metadata.uid, metadata.generation), key_of(live), Action.DELETE)

    def error(self, manager: str | None) -> DriftDetectedError:
        """Return the error to report while the correction is paused. Its text stays the same from pause to pause."""
        client = f"another client ({manager})" if manager else "another client"
        child = f"{self.target.kind.kind} {self.child.name}"
        text = _MESSAGES[self.action].format(field=self.field.removeprefix("."), child=child, client=client)
        return DriftDetectedError(text + (_SCALER_ADVICE if self.field == REPLICAS else ""))


class CorrectionLimiter:
    """Counts every correction of every child, each by its policy, and those of all fields of a child together."""

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._limiters = {action: DriftLimiter(policy, clock=clock) for action, policy in _POLICIES.items()}
        self._children = DriftLimiter(CHILD_POLICY, clock=clock)

    def allow(self, correction: Correction) -> bool:
        """Return True if the correction is allowed now."""
        child = (correction.target, correction.child)
        return self._limiters[correction.action].allow(correction) and self._children.allow(child)

    def check(self, correction: Correction) -> None:
        """Raise DriftDetectedError if the correction was undone too often."""
        if not self.allow(correction):
            raise correction.error(self._limiters[correction.action].last_manager(correction))

    def is_repeated(self, correction: Correction) -> bool:
        """Return True if the correction is not the first one, so that another client has undone it."""
        return correction in self._limiters[correction.action]

    def record(self, correction: Correction, manager: str | None = None) -> None:
        """Count a correction that succeeded. `manager` is the client that made it necessary, if that is known."""
        self._limiters[correction.action].record(correction, manager)
        if correction.action is Action.SET_FIELD:
            self._children.record((correction.target, correction.child), manager)
