from typing import Any

import pytest

from modelservice_cli.cluster.family import pod_selector, select_events
from modelservice_cli.cluster.lookup import nearest_sentence
from tests.support.builders import model_service


@pytest.mark.parametrize(
    ("name", "known", "sentence"),
    [
        ("irsi", [("ml", "iris"), ("ml", "wine")], "in namespace ml: did you mean iris?"),
        ("iris", [("web", "iris"), ("ml", "iriss")], "in namespace ml, but in web: choose the namespace with -n web."),
        ("ir", [("ml", "iris-eu"), ("ml", "iris-zoo")], "did you mean iris-eu or iris-zoo?"),
        ("zzz", [("ml", "iris")], "in namespace ml: `list -n ml` shows the 1 that it has."),
        ("iris", [("web", "wine")], "in namespace ml, which has none: `list -A` shows those of all namespaces."),
        ("iris", [], "in namespace ml, which has none: `list -A` shows those of all namespaces."),
    ],
    ids=["typing error", "other namespace", "prefix", "nothing near", "other names elsewhere", "nothing"],
)
def test_nearest_name_is_suggested(name: str, known: list[tuple[str, str]], sentence: str) -> None:
    text = nearest_sentence(name, "ml", known)
    assert text.startswith(f"There is no ModelService {name} ")
    assert text.endswith(sentence)


def event(kind: str, name: str, time: str = "2026-01-02T03:00:00Z") -> dict[str, Any]:
    return {"involvedObject": {"kind": kind, "name": name}, "lastTimestamp": time}


def test_events_of_deleted_pods_belong_to_the_deployment() -> None:
    related = [{"kind": "Deployment", "metadata": {"name": "iris"}}, {"kind": "Pod", "metadata": {"name": "iris-x-y"}}]
    wanted = [
        event("Pod", "iris-7f6557d6d5-gone1", "2026-01-02T03:00:01Z"),
        event("Deployment", "iris", "2026-01-02T03:00:02Z"),
        event("ReplicaSet", "iris-7f6557d6d5", "2026-01-02T03:00:03Z"),
    ]
    others = [event("Pod", "iris-eu-7f6557d6d5-abcde"), event("Pod", "wine-1-2"), event("Service", "iris")]
    assert select_events([*others, *reversed(wanted)], related) == wanted


def test_pods_are_selected_as_by_the_deployment() -> None:
    service = model_service().body()
    default = "app.kubernetes.io/name=modelservice,app.kubernetes.io/instance=iris"
    assert pod_selector(service, None) == default
    assert pod_selector(service | {"status": {"selector": "a=b"}}, None) == "a=b"
    deployment = {"spec": {"selector": {"matchLabels": {"app": "tutorial", "tier": "web"}}}}
    assert pod_selector(service, deployment) == "app=tutorial,tier=web"
