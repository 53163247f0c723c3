"""Invariants that hold after any fault. Each oracle returns one message per violation; none means that all is well.

O1 the end state equals that of a run without faults. O2 no child is created or deleted a second time, and there are at
most as many updates as without faults, plus one a fault. O3 it converges in time, and then nothing is written. O4 each
write is lawful on its own.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from modelservice_operator.apimachinery.kinds import BUILT_IN_CHILD_KINDS, DEPLOYMENT, ResourceKind
from tests.environment.audit import STATUS, AuditedRequest
from tests.environment.faults.history import Version
from tests.environment.faults.masking import differences
from tests.environment.faults.rules import Exchange
from tests.environment.faults.state import KINDS, NEWS, Place, condition_of, controller_of, milestones

_SHOWN = 12
_CHILDREN = {kind.plural: kind for kind in BUILT_IN_CHILD_KINDS}


@dataclass(frozen=True, slots=True)
class Tally:
    """The writes for one ModelService: accepted writes by verb and resource, and the reports of the status."""

    accepted: Counter[str]
    refused: Counter[str] = field(default_factory=Counter)
    reports: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, requests: Iterable[AuditedRequest], reports: list[str]) -> "Tally":
        """Count the writes among `requests`."""
        writes = [request for request in requests if request.call.is_write]
        return cls(
            Counter(str(write.call) for write in writes if write.accepted),
            Counter(str(write.call) for write in writes if not write.accepted),
            reports,
        )

    def updates(self) -> Counter[str]:
        """Count updates of the children by resource, and of the status by its milestones."""
        children: Counter[str] = Counter()
        for write, count in self.accepted.items():
            verb, _, resource = write.partition(" ")
            if verb in {"patch", "update"} and write != STATUS:
                children[resource] += count
        return children + Counter({"modelservices/status": len(milestones(self.reports))})

    def final(self) -> Counter[str]:
        """Count creations and deletions, which no fault may multiply."""
        return Counter(
            {write: count for write, count in self.accepted.items() if write.startswith(("create", "delete"))}
        )


def same_end(reference: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """O1: the end state equals that of the run without faults, after masking."""
    different = differences(reference, found)
    more = [f"O1: and {len(different) - _SHOWN} more differences"] if len(different) > _SHOWN else []
    return [f"O1: {sentence}" for sentence in different[:_SHOWN]] + more


def no_more_writes(reference: Tally, found: Tally, *, faults: int) -> list[str]:
    """O2: creations and deletions equal the reference, updates exceed it by the number of faults at most."""
    wrong = [
        f"O2: {write}: {found.final()[write]} accepted instead of {reference.final()[write]}"
        for write in sorted({*reference.final(), *found.final()})
        if found.final()[write] != reference.final()[write]
    ]
    allowed = reference.updates()
    wrong += [
        f"O2: {resource} was updated {count} times, {allowed[resource]} without faults and {faults} faults injected"
        for resource, count in found.updates().items()
        if count > allowed[resource] + faults
    ]
    wrong += [
        f"O2: {write} was refused {count} times, {reference.refused[write]} without faults"
        for write, count in found.refused.items()
        if count > reference.refused[write] + faults
    ]
    return wrong + no_echoes(found)


def no_echoes(found: Tally) -> list[str]:
    """O2: a status write changes the status: as many are accepted as the history shows changes."""
    if (written := found.accepted[STATUS]) == len(found.reports):
        return []
    return [f"O2: {written} status writes were accepted, but the status changed {len(found.reports)} times"]


def silence(since: Iterable[AuditedRequest], reports: Sequence[str], *, seconds: float) -> list[str]:
    """O3: after it converged, only an autoscaler's news is written; `reports` are those since then."""
    writes = [str(request.call) for request in since if request.call.is_write]
    news = Counter({STATUS: reports.count(NEWS)})
    return [f"O3: {write} within {seconds:g} s of having converged" for write in (Counter(writes) - news).elements()]


@dataclass(frozen=True, slots=True)
class Write:
    """A write as the API server counted it, with its bodies as the proxy saw them."""

    request: AuditedRequest
    exchange: Exchange

    @property
    def sent(self) -> Any:
        """Body of the request, {} for none."""
        return json.loads(self.exchange.body or b"{}")

    @property
    def answered(self) -> dict[str, Any]:
        """Body of the answer."""
        answer: dict[str, Any] = json.loads(self.exchange.answer.body) if self.exchange.answer else {}
        return answer

    def __str__(self) -> str:
        return f"write {self.exchange.number} ({self.request.call} {self.request.call.name})"


def paired(requests: Iterable[AuditedRequest], exchanges: Iterable[Exchange]) -> tuple[list[Write], list[str]]:
    """Join the audit log's writes with the proxy's exchanges; O4: no write goes another way."""
    by_id = {exchange.audit_id: exchange for exchange in exchanges}
    writes = [request for request in requests if request.call.is_write]
    unknown = [request for request in writes if request.audit_id not in by_id]
    known = [Write(request, by_id[request.audit_id]) for request in writes if request.audit_id in by_id]
    return known, [
        f"O4: {request.call} {request.call.name} reached the API server past the proxy" for request in unknown
    ]


def trail(writes: Sequence[Write], place: Place) -> list[str]:
    """Tell a failure's story: every write and every change of the ModelService and its children, in their order."""
    events = [(version.seen, _told(kind, version)) for kind in KINDS for version in place.versions(kind)]
    events += [(write.exchange.received, f"{write} was answered {write.request.status}") for write in writes]
    return [f"{seen:.3f} {text}" for seen, text in sorted(events)]


def _told(kind: ResourceKind, version: Version) -> str:
    owner = controller_of(version.body)
    word = "deleted" if version.deleted else "stands"
    return f"{kind.kind} {version.uid[:8]} of {str(owner)[:8]} {word} at version {version.number}"


def lawful(writes: Sequence[Write], place: Place) -> list[str]:
    """O4: every write on its own, and what the versions of the objects show."""
    wrong = [sentence for write in writes if write.request.accepted for sentence in _lawful_write(write, place)]
    return [f"O4: {sentence}" for sentence in (*wrong, *_at_most_one_child(place), *_status_history(place))]


def inside(exchanges: Iterable[Exchange], namespace: str) -> list[str]:
    """O4: nothing is written outside of the namespace that is served."""
    outside = [exchange for exchange in exchanges if exchange.call.is_write and exchange.call.namespace != namespace]
    return [f"O4: request {e.number} ({e.call} {e.call.name}) is about namespace {e.call.namespace!r}" for e in outside]


def _lawful_write(write: Write, place: Place) -> Iterator[str]:
    plural = write.request.call.resource.partition("/")[0]
    if write.request.call.resource == "modelservices/status":
        return
    if (kind := _CHILDREN.get(plural)) is None:
        yield f"{write} is about a kind that is not a child"
    elif write.request.call.verb == "create":
        if not _is_service(controller_of(write.sent), place):
            yield f"{write} makes an object whose controller is not a ModelService of that name"
    elif write.request.call.verb == "delete":
        uid = (write.sent.get("preconditions") or {}).get("uid")
        if uid is None:
            yield f"{write} carries no UID"
        else:
            gone = [version.number for version in place.versions(kind) if version.deleted and version.uid == uid]
            yield from _is_ours(write, place, kind, uid=uid, number=min(gone, default=None))
    else:
        metadata = write.answered["metadata"]
        yield from _is_ours(write, place, kind, uid=metadata["uid"], number=int(metadata["resourceVersion"]))


def _is_ours(write: Write, place: Place, kind: ResourceKind, *, uid: str, number: int | None) -> Iterator[str]:
    """Check that the object `uid` belonged to a ModelService that lived at version `number`."""
    before = [v for v in place.versions(kind) if v.uid == uid and (number is None or v.number < number)]
    owners = [controller_of(version.body) for version in before]
    owner = owners[-1] if owners else None
    if not _is_service(owner, place):
        yield f"{write} changes an object whose controller is {owner}, no ModelService of that name"
        return
    leaving = [v.number for v in place.versions() if v.uid == owner and _is_leaving(v)]
    if leaving and (number is None or leaving[0] < number):
        yield f"{write} changes a child of a ModelService that is being deleted"


def _is_leaving(version: Version) -> bool:
    return version.deleted or "deletionTimestamp" in version.body["metadata"]


def _is_service(uid: str | None, place: Place) -> bool:
    return any(version.uid == uid for version in place.versions())


def _at_most_one_child(place: Place) -> Iterator[str]:
    """Two children of one kind would need different names, and a child has the ModelService's name."""
    uids = {version.uid for version in place.versions()}
    for kind in BUILT_IN_CHILD_KINDS:
        for name in place.history.names(kind, place.namespace):
            owners = {controller_of(version.body) for version in place.history.versions(kind, place.namespace, name)}
            if name != place.name and owners & uids:
                yield f"{kind.kind} {name} is a second child of its kind"


def _status_history(place: Place) -> Iterator[str]:
    versions = place.versions()
    for old, new in pairwise(versions):
        if old.uid == new.uid and _observed(new) < _observed(old):
            yield f"observedGeneration fell from {_observed(old)} to {_observed(new)} at version {new.number}"
        if _turned_ready(old, new) and not _rollout_was_complete(place, new):
            yield f"Ready became True at version {new.number}, before the rollout of what was applied last was complete"


def _observed(version: Version) -> int:
    return int((version.body.get("status") or {}).get("observedGeneration", -1))


def _turned_ready(old: Version, new: Version) -> bool:
    after = condition_of(new.body)
    return after.get("status") == "True" and (old.uid != new.uid or condition_of(old.body) != after)


def _rollout_was_complete(place: Place, ready: Version) -> bool:
    """Return True if the Deployment was completely rolled out between the last change of its template and `ready`."""
    before = [version for version in place.versions(DEPLOYMENT) if version.number < ready.number]
    if not before or controller_of(before[-1].body) != ready.uid:
        return False
    template = before[-1].body["spec"]["template"]
    newest = [version for version in before if version.uid == before[-1].uid]
    for version in reversed(newest):
        if version.body["spec"]["template"] != template:
            return False
        if _is_complete(version.body):
            return True
    return False


def _is_complete(deployment: dict[str, Any]) -> bool:
    """Return True if a Deployment's counts (apps/v1) are complete, as `kubectl rollout status` checks them."""
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return bool(status.get("observedGeneration", 0) >= deployment["metadata"]["generation"] and counts == [wanted] * 3)
