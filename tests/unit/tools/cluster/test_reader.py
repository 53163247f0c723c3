"""Resources are found by every name that kubectl knows them by."""

from typing import Any

from tests.environment.cluster.reader import Resource, resources_by_name


def group(name: str, *versions: dict[str, Any]) -> dict[str, Any]:
    return {"items": [{"metadata": {"name": name} if name else {}, "versions": list(versions)}]}


def version(name: str, *resources: dict[str, Any]) -> dict[str, Any]:
    return {"version": name, "resources": list(resources)}


def resource(plural: str, singular: str, *short: str, scope: str = "Namespaced") -> dict[str, Any]:
    return {"resource": plural, "singularResource": singular, "shortNames": list(short), "scope": scope}


CORE = group("", version("v1", resource("services", "service", "svc"), resource("nodes", "node", scope="Cluster")))
SCALING = group(
    "autoscaling",
    version("v2", resource("horizontalpodautoscalers", "horizontalpodautoscaler", "hpa")),
    version("v1", resource("horizontalpodautoscalers", "horizontalpodautoscaler", "hpa")),
)
FOREIGN = group("serving.example.com", version("v1", resource("services", "service")))


def test_every_name_leads_to_the_preferred_version() -> None:
    found = resources_by_name([CORE, SCALING])
    expected = Resource("/apis/autoscaling/v2", "horizontalpodautoscalers", namespaced=True)
    names = ("hpa", "horizontalpodautoscaler", "horizontalpodautoscalers", "horizontalpodautoscalers.autoscaling")
    assert {found[name] for name in names} == {expected}


def test_first_group_wins_and_the_other_is_named_in_full() -> None:
    found = resources_by_name([CORE, FOREIGN])
    assert found["service"].prefix == "/api/v1"
    assert found["services.serving.example.com"].prefix == "/apis/serving.example.com/v1"


def test_path_of_namespaced_and_cluster_scoped_objects() -> None:
    found = resources_by_name([CORE])
    assert found["svc"].path("ml", "iris") == "/api/v1/namespaces/ml/services/iris"
    assert found["svc"].path("ml", "") == "/api/v1/namespaces/ml/services"
    assert found["node"].path("ml", "one") == "/api/v1/nodes/one"
