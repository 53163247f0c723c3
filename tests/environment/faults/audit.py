"""Requests of the operator as the API server counted them, read as the audit log grows."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.environment.faults.calls import Call

_FIRST_REFUSAL = 400


@dataclass(frozen=True, slots=True)
class AuditedRequest:
    """One answered request."""

    audit_id: str
    call: Call
    status: int

    @classmethod
    def parse(cls, event: dict[str, Any]) -> Self:
        """Read an event of the audit log (audit.k8s.io/v1)."""
        reference = event.get("objectRef") or {}
        resource = "/".join(filter(None, (reference.get("resource"), reference.get("subresource"))))
        call = Call(event["verb"], resource, reference.get("namespace", ""), reference.get("name", ""))
        return cls(event["auditID"], call, int(event["responseStatus"]["code"]))

    @property
    def accepted(self) -> bool:
        """Whether the API server did as it was asked."""
        return self.status < _FIRST_REFUSAL


class AuditLog:
    """Answered requests of one user; each look reads on from where the last one ended."""

    def __init__(self, path: Path, user: str) -> None:
        self._path = path
        self._user = user
        self._mark = f'"username":{json.dumps(user)}'.encode()
        self._position = path.stat().st_size
        self._requests: list[AuditedRequest] = []
        self._ids: set[str] = set()

    def __len__(self) -> int:
        return len(self._read())

    def holds(self, audit_ids: Iterable[str]) -> bool:
        """Whether all these requests are in the log: its lines come after the answers."""
        self._read()
        return self._ids.issuperset(audit_ids)

    def of(self, namespace: str, name: str, *, start: int = 0) -> list[AuditedRequest]:
        """Return the requests about the objects of one name, from the `start`-th request of the user on."""
        return [request for request in self._read()[start:] if request.call.is_about(namespace, name)]

    def within(self, namespace: str, *, start: int = 0) -> list[AuditedRequest]:
        """Return all requests in a namespace, from the `start`-th request of the user on."""
        return [request for request in self._read()[start:] if request.call.namespace == namespace]

    def _read(self) -> list[AuditedRequest]:
        with self._path.open("rb") as log:
            log.seek(self._position)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._position += len(whole)
        events = (json.loads(line) for line in whole.splitlines() if self._mark in line)
        new = [
            AuditedRequest.parse(event)
            for event in events
            if event["user"]["username"] == self._user and event["stage"] == "ResponseComplete"
        ]
        self._requests += new
        self._ids.update(request.audit_id for request in new)
        return self._requests
