"""The audit log is read as it grows, and only the lines of one user count."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.environment.audit import (
    STATUS_INTERVAL,
    AuditedRequest,
    AuditLog,
    AuditReader,
    AuditTrail,
    StatusWrites,
)
from tests.environment.faults.calls import Call

if TYPE_CHECKING:
    from tests.environment.cluster import Cluster

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


CALL = Call("update", "modelservices/status", namespace="ml", name="iris")


def writes(*seconds: float, statuses: str | None = None, refused: int = 0) -> StatusWrites:
    """Return status writes at these seconds after the first request, all with different statuses if none is given."""
    texts = statuses or [str(number) for number in range(len(seconds))]
    found = [
        AuditedRequest("", CALL, 200, received=second, written_status=text)
        for second, text in zip(seconds, texts, strict=True)
    ]
    found += [AuditedRequest("", CALL, 409)] * refused
    return StatusWrites(tuple(found), max(seconds, default=0.0))


def at_interval(interval: float, seconds: int) -> StatusWrites:
    return writes(*(number * interval for number in range(int(seconds / interval) + 1)))


def test_status_writes_may_be_more_in_a_slow_rollout() -> None:
    assert writes(0.1, 0.9).problems(at_most=2) == []
    assert at_interval(STATUS_INTERVAL, 30).problems(at_most=2) == []


@pytest.mark.parametrize("seconds", [3, 5, 30])
def test_status_writes_twice_as_often_are_found(seconds: int) -> None:
    count = 2 * seconds + 1
    problem = f"{count} status writes in {seconds:.1f} s, {2 + seconds} allowed."
    assert at_interval(STATUS_INTERVAL / 2, seconds).problems(at_most=2) == [problem]


def test_status_write_beyond_a_short_rollout_is_found() -> None:
    assert writes(0.1, 0.2, 0.9).problems(at_most=2) == ["3 status writes in 0.9 s, 2 allowed."]


def test_same_status_written_again_is_found() -> None:
    repeated = ["1 status writes with the status of the write before."]
    assert writes(0.1, 5.0, 9.0, statuses="abb").problems(at_most=9) == repeated
    assert writes(0.1, 5.0, 9.0, statuses="aba").problems(at_most=9) == []


def test_rejected_status_writes_count_unless_expected() -> None:
    assert writes(0.1, refused=2).problems(at_most=2) == ["3 status writes in 0.1 s, 2 allowed."]
    assert writes(0.1, refused=2).problems(at_most=2, conflicts=True) == []


def test_status_that_is_never_written_is_found() -> None:
    assert writes(refused=1).problems(at_most=2) == ["The status was never written."]


def a_status_write(name: str, second: int, status: dict[str, Any]) -> dict[str, Any]:
    return event(name, verb="update") | {
        "objectRef": {"resource": "modelservices", "subresource": "status", "namespace": "ml", "name": name},
        "requestReceivedTimestamp": f"1970-01-01T00:00:{second:02}.000000Z",
        "responseStatus": {"code": 200},
        "requestObject": {"spec": {"image": "x"}, "status": status},
    }


def trail(path: Path) -> AuditTrail:
    return AuditTrail(cast("Cluster", SimpleNamespace(audit_log_path=lambda: path)), USER, start=0)


def test_trail_times_status_writes_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    created = event("iris") | {"requestReceivedTimestamp": "1970-01-01T00:00:04.000000Z"}
    path.write_text("")
    append(
        path,
        a_status_write("iris", 1, {"replicas": 0}),
        created,
        a_status_write("iris", 5, {"replicas": 1, "url": "x"}),
        a_status_write("iris", 7, {"url": "x", "replicas": 1}),
        a_status_write("other", 9, {}),
    )
    found = trail(path).status_writes_of("iris", since=2.0)
    assert ([write.received for write in found.writes], found.seconds) == ([5.0, 7.0], 3.0)
    assert found.problems(at_most=2) == ["1 status writes with the status of the write before."]
    assert trail(path).status_writes_of("nobody").problems(at_most=2) == ["The status was never written."]
