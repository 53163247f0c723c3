"""Requests, answers and the decisions of a wait."""

import json
from typing import Any

import pytest

from modelservice import ModelService, NotReadyError, PredictionError, Status, WaitTimeoutError
from modelservice.operations import Wait, build_request, result_of
from modelservice.sync import Services
from modelservice_cli.cluster.calls import Answer, Request


def condition(kind: str, status: str, reason: str, message: str = "The message.") -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": 2}


def body(*conditions: dict[str, Any], observed: int = 2) -> dict[str, Any]:
    return {
        "apiVersion": "modelservice.dev/v1alpha1",
        "kind": "ModelService",
        "metadata": {"name": "iris", "namespace": "ml", "generation": 2},
        "spec": {"image": "example.com/iris:1"},
        "status": {"observedGeneration": observed, "desiredReplicas": 2, "conditions": list(conditions)},
    }


READY = condition("Ready", "True", "RolloutComplete", "All 2 replicas are available.")
STARTING = condition("Ready", "False", "Starting", "container model is running.")
CRASHING = condition("Ready", "False", "CrashLoop", "container model exited with code 1.")


def request(data: object, **arguments: Any) -> Request:
    defaults: dict[str, Any] = {"path": "/", "params": None, "headers": None, "method": None}
    return build_request(data, **(defaults | arguments))


class Array:
    """An array as numpy has it."""

    def tolist(self) -> list[float]:
        return [1.5, 2.5]


class Frame:
    """A dataframe as pandas has it."""

    def to_dict(self, orient: str) -> list[dict[str, int]]:
        assert orient == "records"
        return [{"a": 1}]


@pytest.mark.parametrize(
    ("data", "expected", "content_type"),
    [
        ({"instances": [[1, "ü"]]}, '{"instances": [[1, "ü"]]}', "application/json"),
        ([1], "[1]", "application/json"),
        (0, "0", "application/json"),
        ({"x": Array()}, '{"x": [1.5, 2.5]}', "application/json"),
        (Frame(), '[{"a": 1}]', "application/json"),
        ("text", "text", "text/plain; charset=utf-8"),
        (b"raw", "raw", "application/octet-stream"),
    ],
    ids=["object", "list", "number", "array", "frame", "text", "bytes"],
)
def test_data_is_encoded_by_its_type(data: object, expected: str, content_type: str) -> None:
    sent = request(data)
    assert (sent.method, sent.body, sent.headers["Content-Type"]) == ("POST", expected.encode(), content_type)


def test_data_that_is_not_json_names_its_type() -> None:
    with pytest.raises(TypeError, match="object is not JSON"):
        request(object())


def test_request_without_data_is_a_get_with_parameters() -> None:
    sent = request(None, path="prediction/?a=1", params={"f": [0.05, 1], "g": "x y"})
    assert (sent.method, sent.target, sent.body) == ("GET", "/prediction/?a=1&f=0.05&f=1&g=x+y", None)


def test_header_replaces_the_default_of_any_case() -> None:
    sent = request({}, headers={"content-type": "application/x-ndjson"}, method="PUT")
    assert (sent.method, dict(sent.headers)) == ("PUT", {"Accept": "*/*", "content-type": "application/x-ndjson"})


@pytest.mark.parametrize(
    ("content", "content_type", "expected"),
    [
        (b'{"y": 1}', "application/json", {"y": 1}),
        (b'{"y": 1}', "application/problem+json; charset=utf-8", {"y": 1}),
        (b"[1]", "text/html", [1]),
        (b"1.5", None, 1.5),
        (b"plain", "text/plain", "plain"),
        (b"{broken", "application/json", "{broken"),
        (b"", "application/json", b""),
        (b"\x89PNG", "image/png", b"\x89PNG"),
        (b"\xff", "text/plain", b"\xff"),
    ],
    ids=["json", "suffix", "text-json", "untyped", "text", "broken", "empty", "image", "not-utf-8"],
)
def test_answer_is_decoded_by_its_type(content: bytes, content_type: str | None, expected: object) -> None:
    headers = (("Content-Type", content_type),) if content_type else ()
    assert result_of(Answer(200, "OK", headers, content, 0.1), "iris") == expected


def test_error_of_the_model_has_status_and_body() -> None:
    with pytest.raises(PredictionError, match=r"^The model iris answered 422 Unprocessable: no f$") as found:
        result_of(Answer(422, "Unprocessable", (), b"no f\n", 0.1), "iris")
    assert (found.value.status, found.value.body) == (422, b"no f\n")


def test_wait_ends_when_the_newest_spec_is_ready() -> None:
    assert Wait("iris", "Ready", 10).is_over(body(READY))
    assert not Wait("iris", "Ready", 10).is_over(body(READY, observed=1))
    assert not Wait("iris", "Ready", 10).is_over(body(READY | {"observedGeneration": 1}))
    assert not Wait("iris", "Ready", 10).is_over(body(STARTING))


def test_wait_ends_with_the_cause_when_stalled() -> None:
    stalled = condition("Stalled", "True", "CrashLoop", CRASHING["message"])
    with pytest.raises(NotReadyError) as found:
        Wait("iris", "Ready", 10).is_over(body(CRASHING, stalled))
    assert str(found.value) == "ModelService iris is stalled: CrashLoop: container model exited with code 1."
    assert (found.value.reason, found.value.message) == ("CrashLoop", "container model exited with code 1.")


def test_wait_continues_when_the_stall_is_of_an_older_spec() -> None:
    stalled = condition("Stalled", "True", "CrashLoop")
    assert not Wait("iris", "Ready", 10).is_over(body(CRASHING, stalled, observed=1))


def test_timeout_has_the_cause() -> None:
    with pytest.raises(WaitTimeoutError) as found:
        Wait("iris", "Ready", 0).is_over(body(STARTING))
    expected = "ModelService iris: Ready is not True after 0 s: Starting: container model is running."
    assert str(found.value) == expected
    assert isinstance(found.value, TimeoutError)
    with pytest.raises(WaitTimeoutError, match="the status has no such condition"):
        Wait("iris", "Nonsense", 0).is_over(body(READY))
    with pytest.raises(WaitTimeoutError, match="The operator has not seen"):
        Wait("iris", "Exposed", 0).is_over(body(READY, observed=1))


def test_status_is_one_sentence() -> None:
    assert str(Status.of(body(READY))) == "Ready: RolloutComplete: All 2 replicas are available."
    starting = Status.of(body(STARTING))
    assert str(starting) == "Not ready: Starting: container model is running."
    assert starting.desired_replicas == 2
    found = starting.condition("Ready")
    assert found is not None
    assert found.reason == "Starting"
    assert starting.condition("Exposed") is None


HOSTILE = '<script>alert("1")</script>&'
ESCAPED = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;"


def test_html_escapes_texts_of_others() -> None:
    hostile = body(condition("Ready", "False", "CrashLoop", HOSTILE))
    hostile["status"]["url"] = HOSTILE
    service = ModelService.from_manifest(hostile)
    service._keep(hostile)  # noqa: SLF001 - what a read does
    for shown in (service, Status.of(hostile), Services([service])):
        text = shown._repr_html_()
        assert ESCAPED in text
        assert "<script" not in text


def test_object_that_was_not_read_shows_that() -> None:
    assert "not read from the cluster" in ModelService("iris", image="example.com/iris:1")._repr_html_()


def test_answer_keeps_large_numbers() -> None:
    text = json.dumps({"id": 2**60}).encode()
    assert result_of(Answer(200, "OK", (("content-type", "application/json"),), text, 0), "iris") == {"id": 2**60}
