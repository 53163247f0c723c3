"""Requests of one user as the API server counted and timed them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import orjson

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Request:
    """One answered request. Times are seconds since the epoch."""

    user: str
    verb: str
    resource: str
    """`resource` or `resource/subresource`; empty for paths that are no resource."""
    namespace: str
    name: str
    status: int
    received: float
    answered: float

    @classmethod
    def parse(cls, event: dict[str, Any]) -> Self:
        """Read an event of the audit log (audit.k8s.io/v1)."""
        reference = event.get("objectRef") or {}
        return cls(
            user=event["user"]["username"],
            verb=event["verb"],
            resource="/".join(filter(None, (reference.get("resource"), reference.get("subresource")))),
            namespace=reference.get("namespace", ""),
            name=reference.get("name", ""),
            status=(event.get("responseStatus") or {}).get("code", 0),
            received=_seconds(event["requestReceivedTimestamp"]),
            answered=_seconds(event["stageTimestamp"]),
        )

    @property
    def is_write(self) -> bool:
        """Whether it changes something of the peer's own work: Events are counted apart."""
        return self.verb in WRITES and self.resource != "events"


class AuditWindow:
    """Requests since the window was opened."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._start = log.stat().st_size

    def requests(self, user: str) -> list[Request]:
        """Return the requests of a user so far; a line that is still being written is left out."""
        with self._log.open("rb") as log:
            log.seek(self._start)
            text = log.read()
        mark = b'"username":' + orjson.dumps(user)
        lines = (line for line in text[: text.rfind(b"\n") + 1].splitlines() if mark in line)
        events = (orjson.loads(line) for line in lines)
        return [Request.parse(event) for event in events if event["user"]["username"] == user and _counts(event)]


def by_verb(requests: Iterable[Request]) -> Counter[str]:
    """Count requests as "verb resource"."""
    return Counter(f"{request.verb} {request.resource}".strip() for request in requests)


def first_to_last(requests: Iterable[Request], creations: Iterable[Request], children: int) -> dict[str, float]:
    """Return per name the seconds from the arrival of its ModelService to the answer to its last child's creation.

    `requests` are the peer's, `creations` the user's who created the ModelServices. A name that lacks a child is left
    out.
    """
    answers: dict[str, dict[str, float]] = {}
    for request in requests:
        if request.verb == "create" and request.status == 201 and request.resource != "events":  # noqa: PLR2004 - HTTP's Created
            answers.setdefault(request.name, {})[request.resource] = request.answered
    arrivals = {request.name: request.received for request in creations if request.resource == "modelservices"}
    return {
        name: max(answers[name].values()) - arrived
        for name, arrived in arrivals.items()
        if len(answers.get(name, ())) == children
    }


def _counts(event: dict[str, Any]) -> bool:
    """Whether an event stands for a request: a watch is counted when it begins, all else when it is answered."""
    return bool(event["stage"] == ("ResponseStarted" if event["verb"] == "watch" else "ResponseComplete"))


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
