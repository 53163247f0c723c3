"""Requests as the API server counted them: the audit log is the only source of write counts."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Self

from tests.environment.cluster import Cluster

WRITES = {"create", "update", "patch", "delete", "deletecollection"}

_REFUSED = 400


class AuditTrail:
    """Requests of one user from now on."""

    def __init__(self, cluster: Cluster, user: str, *, start: int | None = None) -> None:
        self._cluster = cluster
        self._user = user
        self._start = len(cluster.audit_events()) if start is None else start

    def from_the_beginning(self) -> Self:
        """Return the same user's requests since the cluster was started."""
        return type(self)(self._cluster, self._user, start=0)

    def requests(self) -> Iterator[dict[str, Any]]:
        """Finished requests, in the order in which they ended."""
        return (event for event in self._events() if event["stage"] == "ResponseComplete")

    def _events(self) -> Iterator[dict[str, Any]]:
        events = self._cluster.audit_events()[self._start :]
        return (event for event in events if event["user"]["username"] == self._user)

    def writes(self, namespace: str | None = None) -> Counter[str]:
        """Count writes as "verb resource[/subresource]", in one namespace or everywhere; Events are counted apart."""
        return Counter(
            f"{event['verb']} {_resource(event['objectRef'])}"
            for event in self.requests()
            if event["verb"] in WRITES
            and namespace in {None, event["objectRef"].get("namespace")}
            and event["objectRef"]["resource"] != "events"
        )

    def events(self, namespace: str) -> int:
        """Count Events that were posted in a namespace."""
        found = (event["objectRef"] for event in self.requests() if event["verb"] == "create")
        return sum(ref["resource"] == "events" and ref.get("namespace") == namespace for ref in found)

    def writes_of(self, name: str) -> Counter[str]:
        """Count writes to the objects of one name: a ModelService and its children share it."""
        return Counter(
            f"{event['verb']} {_resource(event['objectRef'])}"
            for event in self.requests()
            if event["verb"] in WRITES and event["objectRef"].get("name") == name
        )

    def accepted_writes_of(self, name: str) -> Counter[str]:
        """Count like `writes_of`, without writes that the API server refused: one may meet a newer version."""
        return Counter(
            f"{event['verb']} {_resource(event['objectRef'])}"
            for event in self.requests()
            if event["verb"] in WRITES
            and event["objectRef"].get("name") == name
            and event["responseStatus"]["code"] < _REFUSED
        )

    def refused(self) -> list[str]:
        """Requests that RBAC refused."""
        return [
            f"{event['verb']} {_resource(event['objectRef'])}"
            for event in self.requests()
            if event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
        ]

    def used(self) -> set[tuple[str, str]]:
        """Return (verb, resource) of everything that was asked for."""
        # A watch that is still open has no other stage than ResponseStarted.
        return {(event["verb"], _resource(event["objectRef"])) for event in self._events() if "objectRef" in event}


def _resource(reference: dict[str, Any]) -> str:
    return "/".join(filter(None, (reference["resource"], reference.get("subresource"))))
