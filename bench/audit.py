"""Counts and latencies of a peer, from the requests that the API server has audited."""

from collections import Counter
from collections.abc import Iterable

from tests.environment.audit import EVENTS, AuditedRequest

_CREATED = 201


def by_verb(requests: Iterable[AuditedRequest]) -> Counter[str]:
    """Count requests as "verb resource"."""
    return Counter(str(request.call).strip() for request in requests)


def first_to_last(
    requests: Iterable[AuditedRequest], creations: Iterable[AuditedRequest], children: int
) -> dict[str, float]:
    """Return per name the seconds from the arrival of its ModelService to the answer to its last child's creation.

    `requests` are the peer's, `creations` those of the user who created the ModelServices. A name that lacks a child
    is left out.
    """
    answers: dict[str, dict[str, float]] = {}
    for request in requests:
        call = request.call
        if call.verb == "create" and request.status == _CREATED and call.resource != EVENTS:
            answers.setdefault(call.name, {})[call.resource] = request.answered
    arrivals = {
        request.call.name: request.received for request in creations if request.call.resource == "modelservices"
    }
    return {
        name: max(answers[name].values()) - arrived
        for name, arrived in arrivals.items()
        if len(answers.get(name, ())) == children
    }
