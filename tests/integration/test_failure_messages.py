"""What only other objects know is said in status: pods that cannot run, an autoscaler that nobody mentioned."""

import json
from typing import Any

from tests.support.builders import model_service
from tests.support.namespace import TestNamespace


def an_autoscaler_by_hand(name: str, target: str) -> dict[str, Any]:
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


def test_a_pod_that_no_node_can_take_is_explained_and_heals(world: TestNamespace) -> None:
    world.apply(model_service().named("choosy").with_spec(nodeSelector={"example.com/disk": "none-has-it"}))
    world.wait(lambda: world.condition("choosy")["reason"] == "Unschedulable", "explanation", name="choosy")
    message = world.condition("choosy")["message"]
    assert message.startswith("The only pod: cannot be scheduled: 0/")
    assert "node affinity/selector" in message
    world.apply(model_service().named("choosy"))
    world.wait_ready("choosy")


def test_an_autoscaler_of_somebody_else_is_reported_until_it_goes(world: TestNamespace) -> None:
    world.apply(model_service().named("rivalled"))
    world.wait_ready("rivalled")
    world.kubectl("create", "-f", "-", stdin=json.dumps(an_autoscaler_by_hand("by-hand", "rivalled")))
    world.wait(lambda: world.condition("rivalled", "AutoscalerReady"), "report", name="rivalled")
    report = world.condition("rivalled", "AutoscalerReady")
    assert (report["status"], report["reason"]) == ("False", "ForeignAutoscaler")
    assert "HorizontalPodAutoscaler by-hand also targets the Deployment" in report["message"]
    assert world.is_ready("rivalled")
    version = world.get("hpa", "by-hand")["metadata"]["uid"]
    world.apply(model_service().named("rivalled").with_spec(autoscaling={"managedBy": "External"}))
    world.wait(lambda: not world.condition("rivalled", "AutoscalerReady"), "end of the report", name="rivalled")
    world.apply(model_service().named("rivalled"))
    world.wait(lambda: world.condition("rivalled", "AutoscalerReady"), "report", name="rivalled")
    assert world.get("hpa", "by-hand")["metadata"]["uid"] == version
    world.kubectl("delete", "hpa", "by-hand")
    world.wait(lambda: not world.condition("rivalled", "AutoscalerReady"), "end of the report", name="rivalled")
