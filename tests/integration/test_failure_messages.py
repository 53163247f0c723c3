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
