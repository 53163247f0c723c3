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
    ns.apply(model_service().named("choosy").with_spec(nodeSelector={"example.com/disk": "none-has-it"}))
    ns.wait(lambda: ns.condition("choosy").get("reason") == "Unschedulable", "explanation", name="choosy")
    message = ns.condition("choosy")["message"]
    assert message.startswith("The only pod: cannot be scheduled: 0/")
    assert "node affinity/selector" in message
    ns.apply(model_service().named("choosy"))
    ns.wait_ready("choosy")


def test_foreign_autoscaler_is_reported_until_deleted(ns: NamespaceFixture) -> None:
    ns.apply(model_service().named("rivalled"))
    ns.wait_ready("rivalled")
    ns.kubectl("create", "-f", "-", stdin=json.dumps(foreign_autoscaler("by-hand", "rivalled")))
    ns.wait(lambda: ns.condition("rivalled", "AutoscalerReady"), "report", name="rivalled")
    report = ns.condition("rivalled", "AutoscalerReady")
    assert (report["status"], report["reason"]) == ("False", "ForeignAutoscaler")
    assert "HorizontalPodAutoscaler by-hand also targets the Deployment" in report["message"]
    assert ns.is_ready("rivalled")
    version = ns.get("hpa", "by-hand")["metadata"]["uid"]
    ns.apply(model_service().named("rivalled").with_spec(autoscaling={"managedBy": "External"}))
    ns.wait(lambda: not ns.condition("rivalled", "AutoscalerReady"), "end of the report", name="rivalled")
    ns.apply(model_service().named("rivalled"))
    ns.wait(lambda: ns.condition("rivalled", "AutoscalerReady"), "report", name="rivalled")
    assert ns.get("hpa", "by-hand")["metadata"]["uid"] == version
    ns.kubectl("delete", "hpa", "by-hand")
    ns.wait(lambda: not ns.condition("rivalled", "AutoscalerReady"), "end of the report", name="rivalled")
