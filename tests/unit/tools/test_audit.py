"""The audit log is read as it grows, and only the lines of one user count."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.environment.audit import AuditedRequest, AuditLog, AuditReader

USER = "system:serviceaccount:a:b"


def event(name: str, *, user: str = USER, verb: str = "create", stage: str = "ResponseComplete") -> dict[str, Any]:
    return {
        "auditID": name,
        "stage": stage,
        "verb": verb,
        "user": {"username": user},
        "objectRef": {"resource": "services", "namespace": "ml", "name": name},
        "responseStatus": {"code": 201},
    }


def append(log: Path, *events: dict[str, Any], rest: str = "") -> None:
    with log.open("a") as file:
        file.write("".join(json.dumps(body, separators=(",", ":")) + "\n" for body in events) + rest)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.log"
    append(path, event("early"))
    return path


def names(requests: list[AuditedRequest]) -> list[str]:
    return [request.call.name for request in requests]


def test_reader_continues_where_it_stopped(log: Path) -> None:
    reader = AuditReader(log, USER, position=log.stat().st_size)
    append(log, event("one"))
    assert names(reader.read()) == ["one"]
    append(log, event("two"))
    assert names(reader.read()) == ["one", "two"]


def test_reader_from_the_start_sees_earlier_lines(log: Path) -> None:
    assert names(AuditReader(log, USER, position=0).read()) == ["early"]


def test_unfinished_line_is_read_when_it_is_complete(log: Path) -> None:
    reader = AuditReader(log, USER, position=log.stat().st_size)
    text = json.dumps(event("one"), separators=(",", ":"))
    append(log, rest=text[:40])
    assert reader.read() == []
    append(log, rest=text[40:] + "\n")
    assert names(reader.read()) == ["one"]


def test_impersonated_user_is_another_user(log: Path) -> None:
    reader = AuditReader(log, USER, position=log.stat().st_size)
    append(log, event("other", user="admin") | {"impersonatedUser": {"username": USER}})
    assert reader.read() == []


def test_log_holds_answered_requests_only(log: Path) -> None:
    audit = AuditLog(log, USER)
    append(log, event("watch", verb="watch", stage="ResponseStarted"), event("one"))
    assert len(audit) == 1
    assert audit.holds(["one"])
    assert not audit.holds(["watch"])
    assert names(audit.of("ml", "one")) == ["one"]
    assert audit.of("ml", "one", start=1) == []


def test_rejected_and_denied_requests_differ() -> None:
    denied = event("one") | {
        "responseStatus": {"code": 403},
        "annotations": {"authorization.k8s.io/decision": "forbid"},
    }
    request = AuditedRequest.parse(denied)
    assert (request.accepted, request.is_forbidden) == (False, True)
    assert AuditedRequest.parse(event("one")).accepted
