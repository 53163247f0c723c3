"""The objects of one name in the cluster, and the reports of the status."""

from dataclasses import dataclass
from typing import Any

from modelservice_operator.apimachinery.kinds import (
    BUILT_IN_CHILD_KINDS,
    DEPLOYMENT,
    MODEL_SERVICE,
    REPLICA_SET,
    ResourceKind,
)
from tests.environment.faults.history import History, Version
from tests.environment.faults.masking import masked, masked_replica_set, without_autoscaler

KINDS = (MODEL_SERVICE, *BUILT_IN_CHILD_KINDS, REPLICA_SET)
NEWS = "the autoscaler's news"
"""A report of nothing but what its controller says, when it says it."""
_ON_THE_WAY = frozenset({"DeploymentPending", "RolloutInProgress", "Starting", "Retrying"})


@dataclass(frozen=True, slots=True)
class Place:
    """One name in one namespace: a ModelService and its children."""

    history: History
    namespace: str
    name: str

    @property
    def service(self) -> dict[str, Any] | None:
        return self.history.live(MODEL_SERVICE, self.namespace, self.name)

    def child(self, kind: ResourceKind) -> dict[str, Any] | None:
        """Return a live child."""
        return self.history.live(kind, self.namespace, self.name)

    def versions(self, kind: ResourceKind = MODEL_SERVICE) -> list[Version]:
        """All versions of the ModelService or of a child."""
        return list(self.history.versions(kind, self.namespace, self.name))

    @property
    def is_empty(self) -> bool:
        """Return True if there is no object of this name."""
        return not any(
            self.history.live(kind, self.namespace, self.name) for kind in (MODEL_SERVICE, *BUILT_IN_CHILD_KINDS)
        )

    @property
    def version(self) -> int:
        """Newest version of anything here, deletions included."""
        return max((self.versions(kind)[-1].number for kind in KINDS if self.versions(kind)), default=0)

    def condition(self, kind: str = "Ready") -> dict[str, Any]:
        """Return a condition, {} while there is none."""
        return condition_of(self.service or {}, kind)

    @property
    def is_ready(self) -> bool:
        """Return True if the newest generation is ready."""
        if self.service is None:
            return False
        ready = self.condition()
        return ready.get("status") == "True" and ready["observedGeneration"] == self.service["metadata"]["generation"]

    def rollout_seconds(self, *, after: int) -> float:
        """Return the seconds from the Deployment's first change after a version to its last one."""
        seen = [version.seen for version in self.versions(DEPLOYMENT) if version.number > after]
        return max(seen) - min(seen) if seen else 0.0

    def state(self) -> dict[str, Any]:
        """Everything that stands here, masked: equal in every run that does the same."""
        words = {self.namespace: "<namespace>", self.name: "<name>"}
        if self.service is not None:
            words[self.service["metadata"]["uid"]] = "<owner>"
        found = {
            kind.kind: masked(body, words)
            for kind in (MODEL_SERVICE, *BUILT_IN_CHILD_KINDS)
            if (body := self.child(kind)) is not None
        }
        return found | {"ReplicaSets": self._revisions(words)}

    async def becomes(self, wanted: dict[str, Any], *, seconds: float) -> bool:
        """Wait until everything here is as wanted."""
        seen = -1

        def is_it() -> bool:
            nonlocal seen
            before, seen = seen, self.history.changes(self.namespace)
            return before != seen and self.state() == wanted

        return await self.history.holds_within(is_it, seconds=seconds)

    def _revisions(self, words: dict[str, str]) -> list[dict[str, Any]]:
        """Every revision of the Deployment that is kept, oldest first: a revision more is a rollout more."""
        deployment = self.child(DEPLOYMENT)
        if deployment is None:
            return []
        uid = deployment["metadata"]["uid"]
        bodies = (
            self.history.live(REPLICA_SET, self.namespace, name)
            for name in self.history.names(REPLICA_SET, self.namespace)
            if name.startswith(f"{self.name}-")
        )
        ours = [masked_replica_set(body, words) for body in bodies if body is not None and controller_of(body) == uid]
        return sorted(ours, key=lambda found: str(found["metadata"]["annotations"]["revision"]))

    def reports(self, *, after: int) -> list[str]:
        """Return what the status said after a version: a word for each change of it."""
        versions = self.versions()
        return [
            _word(old.body, new.body)
            for old, new in zip([None, *versions], versions, strict=False)
            if new.number > after
            and not new.deleted
            and old is not None
            and new.uid == old.uid
            and new.body.get("status") != old.body.get("status")
        ]


def milestones(reports: list[str]) -> list[str]:
    """Reports with what lies between two ends as one: how often a rollout is reported on depends on its speed."""
    merged: list[str] = []
    for reason in (report for report in reports if report != NEWS):
        word = "on the way" if reason in _ON_THE_WAY else reason
        if word != "on the way" or merged[-1:] != [word]:
            merged.append(word)
    return merged


def _word(old: dict[str, Any], new: dict[str, Any]) -> str:
    before, after = (without_autoscaler(body.get("status") or {}) for body in (old, new))
    return NEWS if before == after else str(condition_of(new).get("reason"))


def condition_of(service: dict[str, Any], kind: str = "Ready") -> dict[str, Any]:
    """Return a condition of a ModelService, {} when there is none."""
    conditions = (service.get("status") or {}).get("conditions") or ()
    return next((entry for entry in conditions if entry["type"] == kind), {})


def controller_of(body: dict[str, Any]) -> str | None:
    """UID of an object's controller."""
    references = body["metadata"].get("ownerReferences") or ()
    return next((str(reference["uid"]) for reference in references if reference.get("controller")), None)
