"""`kubectl explain` reads like documentation, on the real API server. No operator needed."""

from pathlib import Path
from typing import Any

import pytest

from tests.environment.cluster import Cluster
from tests.environment.cluster.wait import wait_until
from tests.support.dry_run import open_dry_run_client
from tests.support.schema_fields import ITEM, VALUE, fields


@pytest.fixture(scope="module")
def published(control_plane: Cluster, operator_kubeconfig: Path) -> Any:
    """The schema that the API server publishes for kubectl, shortly after the CRD was installed."""
    assert operator_kubeconfig.exists()  # the CRD is installed
    group = "/openapi/v3/apis/modelservice.dev/v1alpha1"
    with open_dry_run_client(control_plane.kubeconfig) as server:
        wait_until(lambda: server.http.get(group).is_success, seconds=60, what="the published schema")
        schemas = server.get(group)["components"]["schemas"]
    return schemas["dev.modelservice.v1alpha1.ModelService"]["properties"]


def explain(cluster: Cluster, path: str, *options: str) -> str:
    return cluster.run_kubectl("explain", f"modelservice{path}", *options)


def test_every_field_description_has_an_example(published: Any) -> None:
    without_example = []
    for part in ("spec", "status"):
        for field in (field for field in fields(part) if field.is_property):
            node = published[part]
            for step in field.path:
                node = {ITEM: node.get("items"), VALUE: node.get("additionalProperties")}.get(step) or (
                    node["properties"][step]
                )
            if "Example: " not in node.get("description", ""):
                without_example.append(f"{part}.{field.name}")
    assert without_example == []


def test_recursive_explain_lists_every_field(control_plane: Cluster, published: Any) -> None:
    assert published
    text = explain(control_plane, ".spec", "--recursive")
    shown = {line.split("<")[0].strip().split("\t")[0] for line in text.splitlines() if "<" in line}
    assert {field.path[-1] for field in fields() if field.is_property} <= shown


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (".spec.autoscaling", "Scale the number of replicas with the load. If not set, it stays at replicas."),
        (".spec.autoscaling", "Example: {maxReplicas: 5, targetCPUUtilizationPercentage: 80}"),
        (".spec.autoscaling.maxReplicas", "Maximum number of replicas. 1 to 10000. Example: 5"),
        (".spec.containerPort", "1 to 65535. Default: 8080. Example: 5000"),
        (".spec.service.type", "ENUM:"),
        (".spec.env.valueFrom.secretKeyRef.key", "Key inside the object. Example: token"),
        (".spec.affinity.podAntiAffinity", "Pods not to run in the same topology domain as."),
        (".spec.autoscaling.behavior.scaleDown.stabilizationWindowSeconds", "0 to 3600."),
        (".status.conditions.message", "Human-readable message."),
    ],
)
def test_explain_shows_descriptions_and_bounds(control_plane: Cluster, published: Any, path: str, words: str) -> None:
    assert published
    assert words in " ".join(explain(control_plane, path).split())
