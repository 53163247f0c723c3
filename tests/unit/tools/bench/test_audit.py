from pathlib import Path
from typing import Any

import orjson
import pytest
from bench.audit import by_verb, first_to_last

from tests.environment.audit import AuditedRequest, AuditWindow

USER = "bench-raw"


def an_event(verb: str = "create", resource: str = "services", *, user: str = USER, second: int = 0) -> dict[str, Any]:
    return {
        "stage": "ResponseComplete",
        "verb": verb,
        "user": {"username": user},
        "objectRef": {"resource": resource, "namespace": "ml", "name": "iris"},
        "responseStatus": {"code": 201},
        "requestReceivedTimestamp": f"2026-01-01T00:00:{second:02}.250000Z",
        "stageTimestamp": f"2026-01-01T00:00:{second:02}.500000Z",
    }


def append(log: Path, *events: dict[str, Any], rest: bytes = b"") -> None:
    with log.open("ab") as file:
        file.write(b"".join(orjson.dumps(event) + b"\n" for event in events) + rest)


def test_audit_window_counts_one_user_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    append(log, an_event("delete"))
    window = AuditWindow(log)
    append(log, an_event(), an_event(user="bench-kopf"), an_event("update", "modelservices"), rest=b'{"half')

    assert by_verb(window.requests(USER)) == {"create services": 1, "update modelservices": 1}


def test_watch_counts_at_its_start(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.touch()
    window = AuditWindow(log)
    append(log, an_event("watch") | {"stage": "ResponseStarted"}, an_event("watch"))

    assert by_verb(window.requests(USER)) == {"watch services": 1}


def test_subresource_is_a_separate_resource() -> None:
    event = an_event("update")
    event["objectRef"] |= {"resource": "modelservices", "subresource": "status"}

    assert AuditedRequest.parse(event).call.resource == "modelservices/status"


@pytest.mark.parametrize(
    ("verb", "resource", "expected"),
    [("patch", "services", True), ("get", "services", False), ("create", "events", False)],
)
def test_events_and_reads_are_no_writes_of_ones_own(verb: str, resource: str, *, expected: bool) -> None:
    assert AuditedRequest.parse(an_event(verb, resource)).is_write is expected


def test_latency_is_from_the_arrival_to_the_last_child() -> None:
    creation = AuditedRequest.parse(an_event(resource="modelservices", user="admin", second=1))
    children = [
        AuditedRequest.parse(an_event(resource=resource, second=second))
        for resource, second in (("services", 4), ("deployments", 2), ("events", 9))
    ]

    assert first_to_last(children, [creation], 2) == {"iris": pytest.approx(3.25)}
    assert first_to_last(children[:1], [creation], 2) == {}
