"""The API server rejects invalid ModelServices with a clear message. It needs no operator."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment.cluster import Cluster
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.namespace import NamespaceFixture


@pytest.fixture(scope="module")
def ns(control_plane: Cluster, namespace: str, operator_kubeconfig: Path) -> Iterator[NamespaceFixture]:
    assert operator_kubeconfig.exists()  # the CRD is installed
    yield NamespaceFixture(control_plane, namespace, lambda: "not involved")
    assert control_plane.run_kubectl("--namespace", namespace, "get", "modelservices", "-o", "name") == ""


iris = model_service()


@pytest.mark.parametrize(
    ("service", "message"),
    [
        (iris.with_spec(imagee="x"), 'unknown field "spec.imagee"'),
        (iris.without_spec("image"), "spec.image: Required value"),
        (iris.with_spec(image="has space"), "must be an image reference without spaces"),
        (iris.with_spec(replicas=-1), "spec.replicas in body should be greater than or equal to 0"),
        (iris.with_spec(replicas=10_001), "spec.replicas in body should be less than or equal to 10000"),
        (iris.with_spec(replicas="two"), "spec.replicas in body must be of type integer"),
        (
            iris.autoscaled(min_replicas=4, max_replicas=3),
            "autoscaling.minReplicas (or replicas, if it is not set) must not be greater than",
        ),
        (iris.with_spec(replicas=4).autoscaled(max_replicas=3), "raise maxReplicas or lower the minimum"),
        (iris.with_spec(replicas=0).autoscaled(max_replicas=3), "replicas must be at least 1 with autoscaling"),
        (iris.autoscaled(min_replicas=0, max_replicas=3), "minReplicas 0 requires a metric of type External or Object"),
        (iris.with_spec(autoscaling={"minReplicas": 1}), "maxReplicas is required, unless managedBy is External"),
        (
            iris.with_spec(autoscaling={"managedBy": "External", "maxReplicas": 3}),
            "remove all other fields of autoscaling",
        ),
        (
            iris.with_spec(resources={"requests": {"memory": "1Gi"}}).autoscaled(max_replicas=3, cpu=50),
            "set resources.requests.cpu",
        ),
        (
            iris.with_spec(expose={"ingress": {"host": "a b"}}),
            "must be a host name such as iris.example.com",
        ),
        (
            iris.with_spec(
                expose={
                    "ingress": {"host": "a.example.com", "className": "nginx"},
                    "httpRoute": {"parentRefs": [{"name": "edge"}]},
                }
            ),
            "set ingress or httpRoute, not both",
        ),
        (iris.with_spec(disruptionBudget={}), "set exactly one of minAvailable and maxUnavailable"),
        (
            iris.with_spec(rollout={"maxSurge": "lots"}),
            "must be a number of replicas such as 1, or a percentage such as 25%",
        ),
        (
            iris.with_spec(rollout={"maxSurge": -1}),
            "must be a number of replicas such as 1, or a percentage such as 25%",
        ),
        (iris.with_spec(mounts=[{"name": "a", "mountPath": "/a"}]), "set exactly one of configMap, secret"),
        (
            iris.with_spec(mounts=[{"name": "a", "mountPath": "/a", "hostPath": {"path": "/"}}]),
            "of the node cannot be mounted (Pod Security baseline): use persistentVolumeClaim",
        ),
        (
            iris.with_spec(mounts=[{"name": "tmp", "mountPath": "/a", "emptyDir": {}}]),
            "the names tmp, home, model, model-credentials, model-ca-bundle and those beginning with model-extra- or",
        ),
        (
            iris.with_spec(mounts=[{"name": "a", "mountPath": "/a", "subPath": "../b", "emptyDir": {}}]),
            "must be relative, without '..'",
        ),
        (iris.with_spec(podLabels={"kubernetes.io/os": "x"}), "are reserved"),
        (iris.with_spec(podAnnotations={"argoproj.io/x": "x"}), "are reserved"),
        (iris.with_spec(runAsUser=0), "images that were built for root run as any user"),
        (
            iris.with_spec(networkPolicy={"enabled": True, "from": [{}]}),
            "set ipBlock, or podLabels and namespaceLabels",
        ),
        (
            iris.autoscaled(max_replicas=3, cpu=0),
            "targetCPUUtilizationPercentage in body should be greater than or equal to 1",
        ),
        (iris.with_spec(containerPort=0), "spec.containerPort in body should be greater than or equal to 1"),
        (iris.with_spec(containerPort=65_536), "spec.containerPort in body should be less than or equal to 65535"),
        (iris.named("9lives"), "metadata.name must start with a lower-case letter"),
        (iris.named("a.dot"), "metadata.name must start with a lower-case letter"),
        (iris.named("a" * 64), "at most 63 characters long"),
        (iris.named("Upper"), "a lowercase RFC 1123 subdomain"),
        (iris.with_spec(model={"uri": "s3:///iris"}), "must name a bucket, and may name a path in it: write s3://"),
        (iris.with_spec(model={"uri": "models:/iris"}), "must name a model of MLflow: write models:/NAME/VERSION"),
        (iris.with_spec(model={"uri": "gcs://models/iris"}), "by bucket: write gs://BUCKET/PATH"),
        (iris.with_spec(model={"uri": "file:///app/../etc/passwd"}), "must not contain '..'"),
        (iris.with_spec(model={"path": "relative"}), "must be an absolute path without control characters: begin with"),
        (iris.with_spec(env=[{"name": "PORT", "value": "1"}]), "PORT must be equal to containerPort"),
        (
            iris.with_spec(env=[{"name": "KUBERNETES_PORT", "value": "x"}]),
            "the prefix KUBERNETES_ is reserved for Kubernetes",
        ),
        (iris.with_spec(env=[{"name": "1A", "value": "x"}]), "must be the name of a variable: letters, digits"),
        (iris.with_spec(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]), "Duplicate value"),
        (
            iris.with_spec(env=[{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]),
            "set value or valueFrom, not both",
        ),
        (iris.with_spec(env=[{"name": "A", "valueFrom": {}}]), "set exactly one of secretKeyRef"),
        (iris.with_spec(probes={"readiness": {"tcpSocket": {}, "grpc": {}}}), "set at most one of httpGet"),
        (iris.with_spec(probes={"readiness": {"httpGet": {"host": "evil"}}}), 'unknown field "spec.probes.readiness'),
        (iris.with_spec(resources={"limits": {"cpu": "lots"}}), "must be a quantity of at least 0, such as"),
        (iris.with_spec(resources={"limits": {"cpu": "-1"}}), "must be a quantity of at least 0"),
        (iris.with_spec(resources={"limits": {"cpu": -1}}), "must be a quantity of at least 0"),
        (iris.with_spec(service={"type": "ExternalName"}), "spec.service.type: Unsupported value"),
        (iris.with_spec(hostNetwork=True), "use service.type LoadBalancer or NodePort, or expose"),
    ],
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
