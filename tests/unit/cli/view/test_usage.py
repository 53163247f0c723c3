from typing import Any

import pytest

from modelservice_cli.view.usage import advice_text, measure, row, to_json


def pod(name: str, **resources: Any) -> dict[str, Any]:
    containers = [{"name": "model", "resources": resources}, {"name": "proxy", "resources": {"requests": {"cpu": "9"}}}]
    return {"metadata": {"name": name}, "spec": {"containers": containers}}


def sample(cpu: str, memory: str) -> dict[str, Any]:
    model = {"name": "model", "usage": {"cpu": cpu, "memory": memory}}
    return {"containers": [{"name": "proxy", "usage": {"cpu": "8", "memory": "8Gi"}}, model]}


def test_largest_use_of_the_model_container_counts() -> None:
    use = measure([sample("100m", "200Mi"), sample("300m", "100Mi")], [pod("a", requests={"cpu": "500m"})])
    assert row("iris", use, {}) == [
        "iris",
        "2",
        "300m",
        "500m",
        "-",
        "200Mi",
        "-",
        "-",
        "resources: {requests: {memory: 250Mi}}",
    ]


@pytest.mark.parametrize(
    ("cpu", "memory", "resources", "spec", "advice"),
    [
        ("400m", "400Mi", {"requests": {"cpu": "500m", "memory": "512Mi"}}, {}, ""),
        ("10m", "400Mi", {"requests": {"cpu": "500m", "memory": "512Mi"}}, {}, "resources: {requests: {cpu: 13m}}"),
        ("10m", "400Mi", {"requests": {"cpu": "500m", "memory": "512Mi"}}, {"autoscaling": {"maxReplicas": 3}}, ""),
        ("800m", "400Mi", {"requests": {"cpu": "500m", "memory": "512Mi"}}, {}, "resources: {requests: {cpu: 1}}"),
        (
            "400m",
            "980Mi",
            {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
            {},
            "resources: {limits: {memory: 1470Mi}}",
        ),
    ],
    ids=["fits", "too large", "autoscaled", "too small", "near the limit"],
)
def test_advice_is_in_the_syntax_of_the_spec(
    cpu: str, memory: str, resources: dict[str, Any], spec: dict[str, Any], advice: str
) -> None:
    assert advice_text(measure([sample(cpu, memory)], [pod("a", **resources)]), spec) == advice


def test_use_without_samples_has_no_advice() -> None:
    use = measure([], [pod("a", requests={"cpu": "500m"})])
    assert row("iris", use, {}) == ["iris", "0", "-", "500m", "-", "-", "-", "-", ""]


def test_use_as_json() -> None:
    document = to_json("iris", "ml", measure([sample("250m", "1Gi")], [pod("a")]), {})
    assert document["largest"] == {"cpu": "250m", "memory": "1Gi"}
    assert document["advice"] == {"requests": {"cpu": "313m", "memory": "1280Mi"}}
