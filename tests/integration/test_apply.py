"""Children of every kind: created with a single write, corrected, re-created, and pruned when no longer needed."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from modelservice_operator.apimachinery.kinds import BUILT_IN_CHILD_KINDS
from modelservice_operator.resources.immutable import cron_job_name
from tests.environment.audit import STATUS, AuditTrail
from tests.environment.cluster import Cluster
from tests.support.builders import golden, model_service
from tests.support.foreign_crds import HTTP_ROUTES as ROUTE
from tests.support.foreign_crds import POD_MONITORS as MONITOR
from tests.support.foreign_crds import minimal_crd
from tests.support.installation import USER
from tests.support.kubernetes import without_newer_fields
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator


@pytest.fixture(scope="module")
def operator(operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with running_operator(operator_kubeconfig, log, "--discovery-seconds", "1") as operator:
        yield operator


def child_kinds(ns: NamespaceFixture, name: str) -> set[str]:
    return {entry["kind"] for entry in ns.get_model_service(name)["status"].get("resources", ())}


def is_observed(ns: NamespaceFixture, name: str) -> bool:
    found = ns.get_model_service(name)
    return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])


@pytest.mark.core
def test_full_spec_needs_no_second_write(
    ns: NamespaceFixture, control_plane: Cluster, operator: OperatorProcess, audit: AuditTrail
) -> None:
    """Values that the API server defaults or normalizes are not treated as drift, also not after a restart."""
    ns.apply(without_newer_fields(golden("everything")))
    ns.wait(lambda: is_observed(ns, "everything"), "status", name="everything")
    assert child_kinds(ns, "everything") == {kind.kind for kind in BUILT_IN_CHILD_KINDS}
    operator.stop()
    operator.start()
    marker = model_service().named("marker")
    ns.apply(marker)
    ns.wait_ready("marker")
    writes = audit.writes_of("everything")
    del writes[STATUS]
    assert audit.status_writes_of("everything").problems(at_most=3) == []
    assert set(writes.values()) == {1}
    assert all(write.startswith("create ") for write in writes)
    assert ns.get_model_service("everything")["status"]["url"] == "https://iris.example.com/iris"
    assert control_plane.audit_log is not None


@pytest.mark.parametrize("name", ["fetched", "mounted"])
def test_model_volume_needs_no_second_write(ns: NamespaceFixture, audit: AuditTrail, name: str) -> None:
    ns.apply(golden(name))
    ns.wait(lambda: is_observed(ns, name), "status", name=name)
    assert "unchanged" in ns.apply(golden(name))
    marker = model_service().named(f"after-{name}")
    ns.apply(marker)
    ns.wait_ready(f"after-{name}")
    writes = audit.writes_of(name)
    del writes[STATUS]
    assert audit.status_writes_of(name).problems(at_most=3) == []
    assert writes == {"create deployments": 1, "create services": 1}


@pytest.mark.core
def test_unneeded_children_are_pruned(ns: NamespaceFixture) -> None:
    service = without_newer_fields(golden("everything"))
    ns.apply(service)
    ns.wait(lambda: ns.get("ingress", "everything"), "ingress", name="everything")
    ns.apply(
        service.without_spec("expose", "networkPolicy", "disruptionBudget", "autoscaling", "model").with_spec(
            replicas=3
        )
    )
    for kind in ("ingress", "networkpolicy", "poddisruptionbudget", "hpa", "cronjob"):
        ns.wait_deleted(kind, "everything")
    ns.wait(lambda: child_kinds(ns, "everything") == {"Deployment", "Service"}, "listed children", name="everything")
    ns.wait_field("deployment", "everything", "replicas", 3)


@pytest.mark.core
def test_drift_of_every_child_kind_is_reverted(ns: NamespaceFixture) -> None:
    ns.apply(without_newer_fields(golden("everything")).named("each"))
    ns.wait(lambda: ns.get("ingress", "each"), "ingress", name="each")
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
        right = ns.get(kind, "each")["spec"][field]
        ns.kubectl("patch", kind, "each", "--type=merge", "-p", yaml.safe_dump({"spec": {field: wrong}}))
        ns.wait_field(kind, "each", field, right)


def was_replaced(ns: NamespaceFixture, kind: str, name: str, uid: str) -> bool:
    found = ns.get(kind, name)
    return found is not None and found["metadata"]["uid"] != uid


def test_deleted_child_is_recreated(ns: NamespaceFixture) -> None:
    ns.apply(model_service().named("deleted-child"))
    ns.wait_ready("deleted-child")
    for kind in ("service", "deployment"):
        lost = ns.get(kind, "deleted-child")["metadata"]["uid"]
        ns.kubectl("delete", kind, "deleted-child")
        ns.wait(partial(was_replaced, ns, kind, "deleted-child", lost), f"new {kind}", name="deleted-child")
    ns.wait_ready("deleted-child")


def test_switching_headless_recreates_the_service(ns: NamespaceFixture) -> None:
    service = model_service().named("headless").with_spec(containerPort=5000)
    for options, address, url in (
        ({"type": "ClusterIP"}, False, "http://headless.{}.svc"),
        ({"type": "Headless"}, True, "http://headless.{}.svc:5000"),
        ({"type": "ClusterIP"}, False, "http://headless.{}.svc"),
    ):
        ns.apply(service.with_spec(service=options))
        ns.wait_ready("headless")
        assert (ns.get("service", "headless")["spec"]["clusterIP"] == "None") is address
        assert ns.get_model_service("headless")["status"]["url"] == url.format(ns.namespace)


def test_changed_load_balancer_class_recreates_the_service(ns: NamespaceFixture) -> None:
    service, options = model_service().named("balanced"), {"type": "LoadBalancer"}
    for name in (None, "example.com/a", "example.com/b", None):
        ns.apply(service.with_spec(service=options | ({"loadBalancerClass": name} if name else {})))
        ns.wait_ready("balanced")
        assert ns.get("service", "balanced")["spec"].get("loadBalancerClass") == name
    assert ns.condition("balanced")["reason"] != "Rejected"


def test_service_without_a_valid_successor_is_kept(ns: NamespaceFixture) -> None:
    """This cluster has no IPv6: the Service is not deleted for one that cannot be created."""
    service = model_service().named("one-family")
    ns.apply(service)
    ns.wait_ready("one-family")
    uid = ns.get("service", "one-family")["metadata"]["uid"]
    for families in (["IPv6"], ["IPv6", "IPv4"]):
        options = {"ipFamilies": families, "ipFamilyPolicy": "PreferDualStack"}
        ns.apply(service.with_spec(service=options))
        ns.wait(lambda: is_observed(ns, "one-family"), "status", name="one-family")
        ns.wait(lambda: ns.condition("one-family")["reason"] == "Rejected", "refusal", name="one-family")
        assert "Change service.ipFamilies." in ns.condition("one-family")["message"]
        assert ns.get("service", "one-family")["metadata"]["uid"] == uid
    ns.apply(service)
    ns.wait_ready("one-family")
    assert ns.get("service", "one-family")["metadata"]["uid"] == uid


def test_longest_name_has_every_child(ns: NamespaceFixture) -> None:
    """The CronJob has another name than the ModelService, and is corrected and removed all the same."""
    name = "n" * 63
    service, job = model_service().named(name), cron_job_name(name)
    ns.apply(service.with_spec(model={"uri": "s3://models/iris", "updatePolicy": "Auto"}))
    ns.wait(lambda: ns.get("cronjob", job) and ns.condition(name), "CronJob and status", name=name)
    assert ns.condition(name)["reason"] != "Rejected"
    ns.kubectl("patch", "cronjob", job, "--type=merge", "-p", '{"spec": {"schedule": "1 1 1 1 1"}}')
    ns.wait(lambda: ns.get("cronjob", job)["spec"]["schedule"] != "1 1 1 1 1", "schedule", name=name)
    ns.apply(service.with_spec(model={"uri": "s3://models/iris"}))
    ns.wait_deleted("cronjob", job)


def test_newly_served_kind_is_used_without_a_restart(ns: NamespaceFixture, control_plane: Cluster) -> None:
    ns.apply(golden("routed"))
    ns.wait(lambda: ns.condition("routed").get("reason") == "KindUnavailable", "complaint", name="routed")
    assert "HTTPRoute (gateway.networking.k8s.io/v1) is not available" in ns.condition("routed")["message"]
    for plural, kind in ((ROUTE, "HTTPRoute"), (MONITOR, "PodMonitor")):
        control_plane.run_kubectl("apply", "-f", "-", stdin=minimal_crd(plural, kind))
    ns.wait_ready("routed", within=60)
    assert ns.get(ROUTE, "routed")["spec"]["parentRefs"] == [{"name": "edge", "sectionName": "https"}]
    assert ns.get(MONITOR, "routed")["spec"]["podMetricsEndpoints"] == [{"path": "/metrics", "port": "http"}]
    for kind, path in ((ROUTE, "rules"), (MONITOR, "podMetricsEndpoints")):
        right = ns.get(kind, "routed")["spec"][path]
        ns.kubectl("patch", kind, "routed", "--type=merge", "-p", yaml.safe_dump({"spec": {path: []}}))
        ns.wait_field(kind, "routed", path, right)
    ns.apply(golden("routed").without_spec("expose", "monitoring"))
    for kind in (ROUTE, MONITOR):
        ns.wait_deleted(kind, "routed")
    control_plane.run_kubectl("delete", "crd", ROUTE, MONITOR)


def test_events_of_an_unready_pod_are_read(control_plane: Cluster, ns: NamespaceFixture) -> None:
    ns.apply(model_service().named("unready-pod"))
    ns.wait_ready("unready-pod")
    pod = ns.kubectl("get", "pods", "-l", "app.kubernetes.io/instance=unready-pod", "-o", "name").strip()
    container = {"name": "model", "image": "x", "imageID": "x", "restartCount": 0, "ready": False, "started": True}
    status = {
        "conditions": [{"type": kind, "status": "False"} for kind in ("Ready", "ContainersReady")],
        "containerStatuses": [container | {"state": {"running": {}}}],
    }
    arguments = ("--subresource=status", "--type=strategic", "-p", json.dumps({"status": status}))
    ns.kubectl("patch", pod, *arguments)
    ns.wait(
        lambda: "its readiness probe checks" in ns.condition("unready-pod").get("message", ""),
        "message about its probe",
        name="unready-pod",
    )
    trail = AuditTrail(control_plane, USER, start=0)
    ns.wait(lambda: ("list", "events") in trail.used(), "list request for its Events", name="unready-pod")


def test_cluster_role_is_minimal(control_plane: Cluster, ns: NamespaceFixture) -> None:
    """Runs last in this module, which uses every verb: no request was denied, and each granted verb was used."""
    rules = json.loads(control_plane.run_kubectl("get", "clusterrole", "modelservice-operator", "-o", "json"))["rules"]
    granted = {(verb, resource) for rule in rules for verb in rule["verbs"] for resource in rule["resources"]}
    # Only checked by an admission plugin, never requested.
    granted.discard(("update", "modelservices/finalizers"))
    trail = AuditTrail(control_plane, USER, start=0)
    assert ns.namespace
    assert trail.refused() == []
    assert granted - trail.used() == set()
