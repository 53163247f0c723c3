"""A request reads as the audit log names it."""

import pytest

from tests.environment.faults.calls import Call, classify

APPS = "/apis/apps/v1/namespaces/ml/deployments"


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", APPS, {}, Call("list", "deployments", "ml")),
        ("GET", APPS, {"watch": "true"}, Call("watch", "deployments", "ml")),
        ("GET", f"{APPS}/iris", {}, Call("get", "deployments", "ml", "iris")),
        ("PATCH", f"{APPS}/iris/scale", {}, Call("patch", "deployments/scale", "ml", "iris")),
        ("DELETE", f"{APPS}/iris", {}, Call("delete", "deployments", "ml", "iris")),
        ("GET", "/api/v1/services", {}, Call("list", "services")),
        ("GET", "/api/v1/namespaces/ml", {}, Call("get", "namespaces", "", "ml")),
        ("GET", "/apis", {}, Call("get", "")),
        ("GET", "/readyz", {}, Call("get", "")),
    ],
)
def test_classified(method: str, path: str, query: dict[str, str], expected: Call) -> None:
    assert classify(method, path, query) == expected


def test_created_object_is_named_in_the_body() -> None:
    body = b'{"metadata": {"name": "iris"}}'
    assert classify("POST", APPS, {}, body) == Call("create", "deployments", "ml", "iris")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"metadata": null}'])
def test_body_without_name_is_accepted(body: bytes) -> None:
    assert classify("POST", APPS, {}, body) == Call("create", "deployments", "ml", "")
