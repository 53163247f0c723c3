"""Every kind of child: made, right at the first go, removed when it is not wanted any more."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from modelservice_operator.apimachinery.kinds import BUILT_IN_CHILD_KINDS
from tests.environment.audit import AuditTrail
from tests.environment.cluster import Cluster
from tests.support.builders import golden, model_service
from tests.support.installation import USER
from tests.support.namespace import TestNamespace
from tests.support.operator import OperatorProcess, running_operator

ROUTE, MONITOR = "httproutes.gateway.networking.k8s.io", "podmonitors.monitoring.coreos.com"


@pytest.fixture(scope="module")
def operator(operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with running_operator(operator_kubeconfig, log, "--discovery-seconds", "1") as operator:
        yield operator


def minimal_crd(plural: str, kind: str) -> str:
    """A stand-in for a CRD of another project: the operator only needs that the kind is served."""
    name, _, group = plural.partition(".")
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": name, "kind": kind, "singular": kind.lower(), "listKind": f"{kind}List"}
    # Groups of the Kubernetes project ask for a note on where the API was approved.
    annotations = {"api-approved.kubernetes.io": "unapproved, a test"}
    return yaml.safe_dump(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": plural, "annotations": annotations},
            "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
        }
    )


def kinds_of(world: TestNamespace, name: str) -> set[str]:
    return {entry["kind"] for entry in world.service(name)["status"].get("resources", ())}


def observed(world: TestNamespace, name: str) -> bool:
    found = world.service(name)
    return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])


def test_every_field_is_right_at_the_first_go(
    world: TestNamespace, control_plane: Cluster, operator: OperatorProcess, audit: AuditTrail
) -> None:
    """Nothing that the API server defaults or writes in another way is taken for a difference, also by a restart."""
    world.apply(golden("everything"))
    world.wait(lambda: observed(world, "everything"), "status", name="everything")
    assert kinds_of(world, "everything") == {kind.kind for kind in BUILT_IN_CHILD_KINDS}
    operator.stop()
    operator.start()
    marker = model_service().named("marker")
    world.apply(marker)
    world.wait_ready("marker")
    writes = audit.writes_of("everything")
    assert writes.pop("update modelservices/status") <= 3
    assert set(writes.values()) == {1}
    assert all(write.startswith("create ") for write in writes)
    assert world.service("everything")["status"]["url"] == "https://iris.example.com/iris"
    assert control_plane.audit_log is not None


@pytest.mark.parametrize("name", ["fetched", "mounted"])
def test_a_model_s_volume_and_loader_are_right_at_the_first_go(
    world: TestNamespace, audit: AuditTrail, name: str
) -> None:
    world.apply(golden(name))
    world.wait(lambda: observed(world, name), "status", name=name)
    assert "unchanged" in world.apply(golden(name))
    marker = model_service().named(f"after-{name}")
    world.apply(marker)
    world.wait_ready(f"after-{name}")
    writes = audit.writes_of(name)
    assert writes.pop("update modelservices/status") <= 3
    assert writes == {"create deployments": 1, "create services": 1}


def test_what_is_not_wanted_any_more_goes(world: TestNamespace) -> None:
    service = golden("everything")
    world.apply(service)
    world.wait(lambda: world.get("ingress", "everything"), "ingress", name="everything")
    world.apply(
        service.without_spec("expose", "networkPolicy", "disruptionBudget", "autoscaling", "model").with_spec(
            replicas=3
        )
    )
    for kind in ("ingress", "networkpolicy", "poddisruptionbudget", "hpa", "cronjob"):
        world.wait_gone(kind, "everything")
    assert kinds_of(world, "everything") == {"Deployment", "Service"}
    world.wait_field("deployment", "everything", "replicas", 3)


def test_each_child_is_corrected(world: TestNamespace) -> None:
    world.apply(golden("everything").named("each"))
    world.wait(lambda: world.get("ingress", "each"), "ingress", name="each")
    patches = {
        "poddisruptionbudget": ("minAvailable", "1%"),
        "networkpolicy": ("policyTypes", ["Egress"]),
        "ingress": ("ingressClassName", "other"),
        "hpa": ("maxReplicas", 9),
        "service": ("sessionAffinity", "None"),
        "deployment": ("minReadySeconds", 7),
        "cronjob": ("concurrencyPolicy", "Replace"),
    }
    for kind, (field, wrong) in patches.items():
        right = world.get(kind, "each")["spec"][field]
        world.kubectl("patch", kind, "each", "--type=merge", "-p", yaml.safe_dump({"spec": {field: wrong}}))
        world.wait_field(kind, "each", field, right)


def was_replaced(world: TestNamespace, kind: str, name: str, uid: str) -> bool:
    found = world.get(kind, name)
    return found is not None and found["metadata"]["uid"] != uid


def test_a_child_that_somebody_deletes_is_made_again(world: TestNamespace) -> None:
    world.apply(model_service().named("robbed"))
    world.wait_ready("robbed")
    for kind in ("service", "deployment"):
        lost = world.get(kind, "robbed")["metadata"]["uid"]
        world.kubectl("delete", kind, "robbed")
        world.wait(partial(was_replaced, world, kind, "robbed", lost), f"new {kind}", name="robbed")
    world.wait_ready("robbed")


def test_headless_and_back_makes_the_service_anew(world: TestNamespace) -> None:
    service = model_service().named("headless").with_spec(containerPort=5000)
    for options, address, url in (
        ({"type": "ClusterIP"}, False, "http://headless.{}.svc"),
        ({"type": "Headless"}, True, "http://headless.{}.svc:5000"),
        ({"type": "ClusterIP"}, False, "http://headless.{}.svc"),
    ):
        world.apply(service.with_spec(service=options))
        world.wait_ready("headless")
        assert (world.get("service", "headless")["spec"]["clusterIP"] == "None") is address
        assert world.service("headless")["status"]["url"] == url.format(world.namespace)


def test_a_kind_that_appears_later_is_used_without_a_restart(world: TestNamespace, control_plane: Cluster) -> None:
    world.apply(golden("routed"))
    world.wait(lambda: world.condition("routed").get("reason") == "KindUnavailable", "complaint", name="routed")
    assert "HTTPRoute (gateway.networking.k8s.io/v1) is not available" in world.condition("routed")["message"]
    for plural, kind in ((ROUTE, "HTTPRoute"), (MONITOR, "PodMonitor")):
        control_plane.run_kubectl("apply", "-f", "-", stdin=minimal_crd(plural, kind))
    world.wait_ready("routed", within=60)
    assert world.get(ROUTE, "routed")["spec"]["parentRefs"] == [{"name": "edge", "sectionName": "https"}]
    assert world.get(MONITOR, "routed")["spec"]["podMetricsEndpoints"] == [{"path": "/metrics", "port": "http"}]
    for kind, path in ((ROUTE, "rules"), (MONITOR, "podMetricsEndpoints")):
        right = world.get(kind, "routed")["spec"][path]
        world.kubectl("patch", kind, "routed", "--type=merge", "-p", yaml.safe_dump({"spec": {path: []}}))
        world.wait_field(kind, "routed", path, right)
    world.apply(golden("routed").without_spec("expose", "monitoring"))
    for kind in (ROUTE, MONITOR):
        world.wait_gone(kind, "routed")
    control_plane.run_kubectl("delete", "crd", ROUTE, MONITOR)


def test_the_events_of_a_pod_that_stays_unready_are_read(control_plane: Cluster, world: TestNamespace) -> None:
    world.apply(model_service().named("silent"))
    world.wait_ready("silent")
    pod = world.kubectl("get", "pods", "-l", "app.kubernetes.io/instance=silent", "-o", "name").strip()
    container = {"name": "model", "image": "x", "imageID": "x", "restartCount": 0, "ready": False, "started": True}
    status = {
        "conditions": [{"type": kind, "status": "False"} for kind in ("Ready", "ContainersReady")],
        "containerStatuses": [container | {"state": {"running": {}}}],
    }
    arguments = ("--subresource=status", "--type=strategic", "-p", json.dumps({"status": status}))
    world.kubectl("patch", pod, *arguments)
    world.wait(
        lambda: "its readiness probe checks" in world.condition("silent")["message"], "word of its probe", name="silent"
    )
    trail = AuditTrail(control_plane, USER, start=0)
    world.wait(lambda: ("list", "events") in trail.used(), "a look at its Events", name="silent")


def test_the_role_is_exactly_what_is_needed(control_plane: Cluster, world: TestNamespace) -> None:
    """Runs last in this module, which uses everything: nothing was refused, and each verb that is granted was used."""
    rules = json.loads(control_plane.run_kubectl("get", "clusterrole", "modelservice-operator", "-o", "json"))["rules"]
    granted = {(verb, resource) for rule in rules for verb in rule["verbs"] for resource in rule["resources"]}
    # Only ever checked by an admission plugin, never requested.
    granted.discard(("update", "modelservices/finalizers"))
    trail = AuditTrail(control_plane, USER, start=0)
    assert world.namespace
    assert trail.refused() == []
    assert granted - trail.used() == set()
