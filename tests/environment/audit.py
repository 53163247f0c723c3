"""Requests as the API server counted and timed them: the only reader of its audit log (audit.k8s.io/v1).

The log grows by a line per answered request, and by another one when a watch begins. It reaches many MiB in a run, so
a reader continues where its last read ended, and decodes the lines of its user only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import orjson

from modelservice_operator.settings import Settings
from tests.environment.faults.calls import STREAMS, Call

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.environment.cluster import Cluster

FIRST_ERROR_STATUS = 400
EVENTS = "events"
STATUS = "update modelservices/status"
STATUS_INTERVAL = Settings().status_interval
"""Seconds between two status writes for one generation of a ModelService."""
_STARTED, _COMPLETE = "ResponseStarted", "ResponseComplete"


@dataclass(frozen=True, slots=True)
class AuditedRequest:
    """One request. Times are seconds since the epoch."""

    audit_id: str
    call: Call
    status: int
    user: str = ""
    received: float = 0.0
    answered: float = 0.0
    stage: str = _COMPLETE
    is_forbidden: bool = False
    written_status: str = ""
    """Hash of the status that a status write sends: the log has no other bodies (audit-policy.yaml)."""

    @classmethod
    def parse(cls, event: dict[str, Any]) -> Self:
        """Read an event of the audit log."""
        reference = event.get("objectRef") or {}
        resource = "/".join(filter(None, (reference.get("resource"), reference.get("subresource"))))
        return cls(
            audit_id=event.get("auditID", ""),
            call=Call(event["verb"], resource, reference.get("namespace", ""), reference.get("name", "")),
            status=int((event.get("responseStatus") or {}).get("code", 0)),
            user=event["user"]["username"],
            received=_seconds(event.get("requestReceivedTimestamp")),
            answered=_seconds(event.get("stageTimestamp")),
            stage=event["stage"],
            is_forbidden=(event.get("annotations") or {}).get("authorization.k8s.io/decision") == "forbid",
            written_status=_hash((event.get("requestObject") or {}).get("status")),
        )

    @property
    def is_complete(self) -> bool:
        """Return True if the request is answered: for a watch, if it has ended."""
        return self.stage == _COMPLETE

    @property
    def counts_once(self) -> bool:
        """Return True for the line that counts the request: a watch counts when it begins."""
        return self.stage == (_STARTED if self.call.verb == "watch" else _COMPLETE)

    @property
    def accepted(self) -> bool:
        """Return True if the API server has done what was requested."""
        return self.status < FIRST_ERROR_STATUS

    @property
    def is_write(self) -> bool:
        """Return True if the request changes something else than Events, which are counted separately."""
        return self.call.is_write and self.call.resource != EVENTS


@dataclass(frozen=True, slots=True)
class StatusWrites:
    """The status writes for one ModelService."""

    writes: tuple[AuditedRequest, ...]
    seconds: float
    """From the first request about the ModelService or a child of it to the last of these writes."""

    def problems(self, *, at_most: int, conflicts: bool = False) -> list[str]:
        """Return what is wrong with the number of writes; none means that all is well.

        `at_most` is for a rollout of less than a second: for each further interval, the operator may write one more
        time (StatusWriter), so that the number depends on the duration of the rollout. A write that the API server
        rejected counts too, unless `conflicts`: another client changes the ModelService, and a write may meet a newer
        version.
        """
        accepted = [write for write in self.writes if write.accepted]
        found, allowed = len(accepted if conflicts else self.writes), at_most + int(self.seconds / STATUS_INTERVAL)
        again = sum(old.written_status == new.written_status != "" for old, new in pairwise(accepted))
        return [
            *(["The status was never written."] if not accepted else []),
            *([f"{found} status writes in {self.seconds:.1f} s, {allowed} allowed."] if found > allowed else []),
            *([f"{again} status writes with the status of the write before."] if again else []),
        ]


class AuditReader:
    """Lines of one user from a position of the log on, in the order of the log."""

    def __init__(self, path: Path, user: str, *, position: int) -> None:
        self._path = path
        self._user = user
        self._mark = b'"username":' + orjson.dumps(user)
        self._position = position
        self._lines: list[AuditedRequest] = []

    def read(self) -> list[AuditedRequest]:
        """Return all lines so far; a line that is still being written is left out."""
        with self._path.open("rb") as log:
            log.seek(self._position)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._position += len(whole)
        found = (AuditedRequest.parse(orjson.loads(line)) for line in whole.splitlines() if self._mark in line)
        # The mark may also be the name of an impersonated user.
        self._lines += [request for request in found if request.user == self._user]
        return self._lines


class AuditLog:
    """Answered requests of one user, from now on."""

    def __init__(self, path: Path, user: str) -> None:
        self._reader = AuditReader(path, user, position=path.stat().st_size)
        self._read_lines = 0
        self._requests: list[AuditedRequest] = []
        self._ids: set[str] = set()

    def __len__(self) -> int:
        return len(self._read())

    def holds(self, audit_ids: Iterable[str]) -> bool:
        """Return True if all these requests are in the log: their lines come after the answers."""
        self._read()
        return self._ids.issuperset(audit_ids)

    def of(self, namespace: str, name: str, *, start: int = 0) -> list[AuditedRequest]:
        """Return the requests about the objects of one name, from the `start`-th request of the user on."""
        return [request for request in self._read()[start:] if request.call.is_about(namespace, name)]

    def within(self, namespace: str, *, start: int = 0) -> list[AuditedRequest]:
        """Return all requests in a namespace, from the `start`-th request of the user on."""
        return [request for request in self._read()[start:] if request.call.namespace == namespace]

    def _read(self) -> list[AuditedRequest]:
        lines = self._reader.read()
        new = [request for request in lines[self._read_lines :] if request.is_complete]
        self._read_lines = len(lines)
        self._requests += new
        self._ids.update(request.audit_id for request in new)
        return self._requests


class AuditTrail:
    """Requests of one user as counts, from now on or from the start of the cluster (`start=0`)."""

    def __init__(self, cluster: Cluster, user: str, *, start: int | None = None) -> None:
        path = cluster.audit_log_path()
        self._reader = AuditReader(path, user, position=path.stat().st_size if start is None else start)

    def requests(self) -> Iterator[AuditedRequest]:
        """Return answered requests, in the order in which they ended."""
        return (request for request in self._reader.read() if request.is_complete)

    def writes(self, namespace: str | None = None) -> Counter[str]:
        """Count writes as "verb resource[/subresource]", in one namespace or everywhere, without Events."""
        return Counter(
            str(request.call)
            for request in self.requests()
            if request.is_write and namespace in {None, request.call.namespace}
        )

    def events(self, namespace: str) -> int:
        """Count Events that were created in a namespace."""
        calls = (request.call for request in self.requests())
        return sum((call.verb, call.resource, call.namespace) == ("create", EVENTS, namespace) for call in calls)

    def writes_of(self, name: str) -> Counter[str]:
        """Count writes to the objects of one name: a ModelService and its children share it."""
        return Counter(str(request.call) for request in self._writes_of(name))

    def accepted_writes_of(self, name: str) -> Counter[str]:
        """Count like `writes_of`, without writes that the API server rejected: one may meet a newer version."""
        return Counter(str(request.call) for request in self._writes_of(name) if request.accepted)

    def status_writes_of(self, name: str, *, since: float = 0.0) -> StatusWrites:
        """Return the status writes for one name, of those received after `since` (seconds since the epoch)."""
        about = [it for it in self.requests() if it.call.name == name and it.call.verb not in STREAMS]
        recent = sorted((it for it in about if it.received >= since), key=lambda it: it.received)
        writes = tuple(it for it in recent if str(it.call) == STATUS)
        return StatusWrites(writes, writes[-1].received - recent[0].received if writes else 0.0)

    def watches_of(self, name: str) -> tuple[int, int]:
        """Return the number of watches of one name (fieldSelector metadata.name) that began, and that ended."""
        watches = [one for one in self._reader.read() if (one.call.verb, one.call.name) == ("watch", name)]
        return sum(one.counts_once for one in watches), sum(one.is_complete for one in watches)

    def refused(self) -> list[str]:
        """Return the requests that RBAC denied."""
        return [str(request.call) for request in self.requests() if request.is_forbidden]

    def used(self) -> set[tuple[str, str]]:
        """Return (verb, resource) of every request. A watch that is still open has only begun."""
        return {(it.call.verb, it.call.resource) for it in self._reader.read() if it.call.resource}

    def _writes_of(self, name: str) -> Iterator[AuditedRequest]:
        return (request for request in self.requests() if request.call.is_write and request.call.name == name)


class AuditWindow:
    """Requests of any user since the window was opened, each counted once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._start = path.stat().st_size
        self._readers: dict[str, AuditReader] = {}

    def requests(self, user: str) -> list[AuditedRequest]:
        """Return the requests of a user so far."""
        reader = self._readers.get(user)
        if reader is None:
            reader = self._readers[user] = AuditReader(self._path, user, position=self._start)
        return [request for request in reader.read() if request.counts_once]


def _seconds(timestamp: str | None) -> float:
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else 0.0


def _hash(status: object) -> str:
    return sha256(orjson.dumps(status, option=orjson.OPT_SORT_KEYS)).hexdigest() if status else ""
