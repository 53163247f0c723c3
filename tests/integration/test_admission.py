"""The API server rejects invalid ModelServices with a clear message. It needs no operator."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment.cluster import Cluster
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.namespace import NamespaceFixture
from tests.support.schema_cases import REFUSED_SERVICES


@pytest.fixture(scope="module")
def ns(control_plane: Cluster, namespace: str, operator_kubeconfig: Path) -> Iterator[NamespaceFixture]:
    assert operator_kubeconfig.exists()  # the CRD is installed
    yield NamespaceFixture(control_plane, namespace, lambda: "not involved")
    assert control_plane.run_kubectl("--namespace", namespace, "get", "modelservices", "-o", "name") == ""


iris = model_service()


@pytest.mark.parametrize(
    ("service", "message"),
    REFUSED_SERVICES,
)
def test_invalid_spec_is_rejected_with_a_message(
    ns: NamespaceFixture, service: ModelServiceBuilder, message: str
) -> None:
    assert message in ns.rejection_message(service)


@pytest.mark.parametrize(
    "service",
    [
        iris,
        iris.named("a" * 63),
        iris.named("a" * 63).with_spec(model={"uri": "s3://models/iris"}),
        iris.named("a" * 52).with_spec(model={"uri": "s3://models/iris", "updatePolicy": "Auto"}),
        iris.with_spec(replicas=0),
        iris.with_spec(replicas=3).autoscaled(max_replicas=3),
        iris.with_spec(replicas=9).autoscaled(min_replicas=1, max_replicas=3),
        iris.with_spec(resources={"limits": {"cpu": 2, "memory": "1.5Gi"}}),
        iris.with_spec(autoscaling={"managedBy": "External"}, rollout={"maxSurge": "25%", "maxUnavailable": 0}),
        iris.with_spec(containerPort=1, env=[{"name": "_A", "value": "$(PORT)"}]),
    ],
)
def test_spec_at_the_bounds_is_accepted(ns: NamespaceFixture, service: ModelServiceBuilder) -> None:
    ns.apply(service)
    ns.kubectl("delete", "modelservices", service.name, "--wait=true")


def test_explain_shows_field_descriptions(ns: NamespaceFixture) -> None:
    text = ns.kubectl("explain", "modelservice.spec.autoscaling.maxReplicas")
    assert "Maximum number of replicas." in text
