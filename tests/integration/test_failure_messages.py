"""The status reports problems of other objects: pods that cannot be scheduled, an autoscaler of another owner."""

import json
from typing import Any

from tests.support.builders import model_service
from tests.support.namespace import NamespaceFixture


def foreign_autoscaler(name: str, target: str) -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "minReplicas": 1,
            "maxReplicas": 3,
        },
    }


def test_unschedulable_pod_is_explained_and_recovers(ns: NamespaceFixture) -> None:
    ns.apply(model_service().named("unschedulable").with_spec(nodeSelector={"example.com/disk": "none-has-it"}))
    ns.wait(lambda: ns.condition("unschedulable").get("reason") == "Unschedulable", "explanation", name="unschedulable")
    message = ns.condition("unschedulable")["message"]
    assert message.startswith("The only pod: cannot be scheduled: 0/")
    assert "node affinity/selector" in message
    ns.apply(model_service().named("unschedulable"))
    ns.wait_ready("unschedulable")


def test_old_revision_that_holds_the_device_is_reported(ns: NamespaceFixture) -> None:
    """The node has one device: with a surge, the rollout waits for the pod that it replaces."""
    device = "example.com/device"
    capacity = {"status": {"capacity": {device: "1"}, "allocatable": {device: "1"}}}
    [node, *_] = ns.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()
    ns.kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", json.dumps(capacity))
    service = model_service().named("surge").with_spec(resources={"limits": {device: "1"}})
    ns.apply(service)
    ns.wait_ready("surge")
    changed = service.with_spec(env=[{"name": "A", "value": "1"}])
    ns.apply(changed)
    ns.wait(lambda: ns.condition("surge").get("reason") == "Unschedulable", "explanation", name="surge")
    message = ns.condition("surge")["message"]
    assert f"Pods of the earlier revision hold {device} until the new ones are available" in message
    ns.apply(changed.with_spec(rollout={"maxSurge": 0, "maxUnavailable": 1}))
    ns.wait_ready("surge")


def test_foreign_autoscaler_is_reported_until_deleted(ns: NamespaceFixture) -> None:
    ns.apply(model_service().named("foreign-hpa"))
    ns.wait_ready("foreign-hpa")
    ns.kubectl("create", "-f", "-", stdin=json.dumps(foreign_autoscaler("by-hand", "foreign-hpa")))
    ns.wait(lambda: ns.condition("foreign-hpa", "AutoscalerReady"), "report", name="foreign-hpa")
    report = ns.condition("foreign-hpa", "AutoscalerReady")
    assert (report["status"], report["reason"]) == ("False", "ForeignAutoscaler")
    assert "HorizontalPodAutoscaler by-hand also targets the Deployment" in report["message"]
    assert ns.is_ready("foreign-hpa")
    version = ns.get("hpa", "by-hand")["metadata"]["uid"]
    ns.apply(model_service().named("foreign-hpa").with_spec(autoscaling={"managedBy": "External"}))
    ns.wait(lambda: not ns.condition("foreign-hpa", "AutoscalerReady"), "end of the report", name="foreign-hpa")
    ns.apply(model_service().named("foreign-hpa"))
    ns.wait(lambda: ns.condition("foreign-hpa", "AutoscalerReady"), "report", name="foreign-hpa")
    assert ns.get("hpa", "by-hand")["metadata"]["uid"] == version
    ns.kubectl("delete", "hpa", "by-hand")
    ns.wait(lambda: not ns.condition("foreign-hpa", "AutoscalerReady"), "end of the report", name="foreign-hpa")


def test_report_that_is_not_valid_text_is_reported(ns: NamespaceFixture) -> None:
    """A loader may be any image: half of a character or a control of terminals must not make the status invalid."""
    service = model_service().named("hostile").with_spec(model={"uri": "s3://a/b"}, nodeSelector={"example.com/a": "b"})
    ns.apply(service)
    ns.wait(lambda: ns.condition("hostile").get("reason") == "Unschedulable", "a pod", name="hostile")
    report = '{"reason": "Timeout", "message": "bad \\ud800 text \\u001b[31m\\u0007"}'
    state = {"terminated": {"exitCode": 1, "message": report, "startedAt": None, "finishedAt": None}}
    loader = {"name": "model-loader", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    patch = json.dumps({"status": {"initContainerStatuses": [loader]}})
    pods = ns.kubectl("get", "pods", "-l", "app.kubernetes.io/instance=hostile", "-o", "name").split()
    ns.kubectl("patch", pods[0], "--subresource=status", "--type=merge", "-p", patch)
    ns.wait(lambda: ns.condition("hostile", "ModelLoaded").get("reason") == "Timeout", "the report", name="hostile")
    text = ns.condition("hostile", "ModelLoaded")["message"]
    assert text == "The only pod: the model cannot be loaded: bad \ufffd text."
