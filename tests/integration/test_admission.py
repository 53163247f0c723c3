"""What the API server refuses by the schema and its rules, and the sentence that the user sees. No operator needed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment.cluster import Cluster
from tests.support.builders import AModelService, a_model_service
from tests.support.namespace import World


@pytest.fixture(scope="module")
def world(control_plane: Cluster, namespace: str, operator_kubeconfig: Path) -> Iterator[World]:
    assert operator_kubeconfig.exists()  # the CRD is installed
    yield World(control_plane, namespace, lambda: "not involved")
    assert control_plane.run_kubectl("--namespace", namespace, "get", "modelservices", "-o", "name") == ""


iris = a_model_service()


@pytest.mark.parametrize(
    ("service", "sentence"),
    [
        (iris.having(imagee="x"), 'unknown field "spec.imagee"'),
        (iris.without("image"), "spec.image: Required value"),
        (iris.having(image="has space"), "must be an image reference without spaces"),
        (iris.having(replicas=-1), "spec.replicas in body should be greater than or equal to 0"),
        (iris.having(replicas=10_001), "spec.replicas in body should be less than or equal to 10000"),
        (iris.having(replicas="two"), "spec.replicas in body must be of type integer"),
        (iris.autoscaled(low=4, high=3), "the floor (autoscaling.minReplicas, else replicas) must not be greater than"),
        (iris.having(replicas=4).autoscaled(high=3), "raise maxReplicas or lower the floor"),
        (iris.having(replicas=0).autoscaled(high=3), "replicas must be at least 1 under autoscaling"),
        (iris.autoscaled(low=0, high=3), "minReplicas 0 needs a metric of type External or Object"),
        (iris.having(autoscaling={"minReplicas": 1}), "maxReplicas is required, unless managedBy is External"),
        (
            iris.having(autoscaling={"managedBy": "External", "maxReplicas": 3}),
            "remove every other field of autoscaling",
        ),
        (
            iris.having(resources={"requests": {"memory": "1Gi"}}).autoscaled(high=3, cpu=50),
            "set resources.requests.cpu",
        ),
        (iris.having(expose={"ingress": {"host": "a.example.com"}}), "spec.expose.ingress.className: Required value"),
        (
            iris.having(
                expose={
                    "ingress": {"host": "a.example.com", "className": "nginx"},
                    "httpRoute": {"parentRefs": [{"name": "edge"}]},
                }
            ),
            "set ingress or httpRoute, not both",
        ),
        (iris.having(disruptionBudget={}), "set exactly one of minAvailable and maxUnavailable"),
        (iris.having(rollout={"maxSurge": "lots"}), "must be a number of replicas such as 1, or a share such as 25%"),
        (iris.having(rollout={"maxSurge": -1}), "must be a number of replicas such as 1, or a share such as 25%"),
        (iris.having(mounts=[{"name": "a", "mountPath": "/a"}]), "set exactly one of configMap, secret"),
        (
            iris.having(mounts=[{"name": "a", "mountPath": "/a", "hostPath": {"path": "/"}}]),
            'unknown field "spec.mounts',
        ),
        (iris.having(mounts=[{"name": "tmp", "mountPath": "/a", "emptyDir": {}}]), "the names tmp and model are taken"),
        (
            iris.having(mounts=[{"name": "a", "mountPath": "/a", "subPath": "../b", "emptyDir": {}}]),
            "must be relative, without '..'",
        ),
        (iris.having(podLabels={"kubernetes.io/os": "x"}), "are reserved"),
        (iris.having(podAnnotations={"argoproj.io/x": "x"}), "are reserved"),
        (iris.having(runAsUser=0), "spec.runAsUser in body should be greater than or equal to 1"),
        (iris.having(networkPolicy={"enabled": True, "from": [{}]}), "set ipBlock, or podLabels and namespaceLabels"),
        (iris.autoscaled(high=3, cpu=0), "targetCPUUtilizationPercentage in body should be greater than or equal to 1"),
        (iris.having(containerPort=0), "spec.containerPort in body should be greater than or equal to 1"),
        (iris.having(containerPort=65_536), "spec.containerPort in body should be less than or equal to 65535"),
        (iris.named("9lives"), "metadata.name must start with a lower-case letter"),
        (iris.named("a.dot"), "metadata.name must start with a lower-case letter"),
        (iris.named("a" * 64), "at most 63 characters long"),
        (iris.named("Upper"), "a lowercase RFC 1123 subdomain"),
        (iris.having(model={"uri": "s3://bucket"}), "must name a bucket, and a folder or object in it: write s3://"),
        (iris.having(model={"uri": "models:/iris"}), "must name a version or an alias of a registered model"),
        (iris.having(model={"uri": "file:///app/../etc/passwd"}), "must not contain '..'"),
        (iris.having(model={"path": "relative"}), "must be an absolute path without control characters: begin with"),
        (iris.having(env=[{"name": "PORT", "value": "1"}]), "are reserved: choose another name"),
        (iris.having(env=[{"name": "LD_PRELOAD", "value": "x"}]), "are reserved: choose another name"),
        (iris.having(env=[{"name": "1A", "value": "x"}]), "must be the name of a variable: letters, digits"),
        (iris.having(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]), "Duplicate value"),
        (
            iris.having(env=[{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]),
            "set value or valueFrom, not both",
        ),
        (iris.having(env=[{"name": "A", "valueFrom": {}}]), "set exactly one of secretKeyRef"),
        (iris.having(probes={"readiness": {"tcpSocket": {}, "grpc": {}}}), "set at most one of httpGet"),
        (iris.having(probes={"readiness": {"httpGet": {"host": "evil"}}}), 'unknown field "spec.probes.readiness'),
        (iris.having(resources={"limits": {"cpu": "lots"}}), "must be a quantity of at least 0, such as"),
        (iris.having(resources={"limits": {"cpu": "-1"}}), "must be a quantity of at least 0"),
        (iris.having(resources={"limits": {"cpu": -1}}), "must be a quantity of at least 0"),
        (iris.having(service={"type": "ExternalName"}), "spec.service.type: Unsupported value"),
        (iris.having(hostNetwork=True), 'unknown field "spec.hostNetwork"'),
    ],
)
def test_refused_with_a_sentence(world: World, service: AModelService, sentence: str) -> None:
    assert sentence in world.refusal(service)


@pytest.mark.parametrize(
    "service",
    [
        iris,
        iris.named("a" * 63),
        iris.having(replicas=0),
        iris.having(replicas=3).autoscaled(high=3),
        iris.having(replicas=9).autoscaled(low=1, high=3),
        iris.having(resources={"limits": {"cpu": 2, "memory": "1.5Gi"}}),
        iris.having(autoscaling={"managedBy": "External"}, rollout={"maxSurge": "25%", "maxUnavailable": 0}),
        iris.having(containerPort=1, env=[{"name": "_A", "value": "$(PORT)"}]),
    ],
)
def test_accepted_at_the_bounds(world: World, service: AModelService) -> None:
    world.apply(service)
    world.kubectl("delete", "modelservices", service.name, "--wait=true")


def test_the_form_explains_itself(world: World) -> None:
    text = world.kubectl("explain", "modelservice.spec.autoscaling.maxReplicas")
    assert "Greatest number of replicas." in text
