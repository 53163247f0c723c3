"""A field that the cluster is too old for is named in status with the version that it needs; newer clusters have it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.kubernetes import SCALE_TO_ZERO_MINOR, server_minor
from tests.support.namespace import NamespaceFixture

pytestmark = pytest.mark.core

EXTERNAL = {"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "1"}}}


@dataclass(frozen=True)
class Case:
    """A ModelService that needs a field of a Kubernetes version, and the condition that names it on older ones."""

    service: ModelServiceBuilder
    minor: int
    condition: str
    reason: str
    message: str
    kind: str
    is_applied: Callable[[dict[str, Any]], bool]

    def __str__(self) -> str:
        return self.service.name


CASES = (
    Case(
        model_service().named("image-volume").with_spec(model={"uri": "oci://registry.example.com/iris:1"}),
        35,
        *("ModelLoaded", "FieldUnsupported", "spec.model.uri with oci:// needs Kubernetes 1.35 or later (feature gate"),
        "deployment",
        lambda spec: any("image" in volume for volume in spec["template"]["spec"]["volumes"]),
    ),
    Case(
        model_service()
        .named("tolerance")
        .with_spec(autoscaling={"maxReplicas": 3, "behavior": {"scaleDown": {"tolerance": "0.2"}}}),
        35,
        *("Ready", "FieldUnsupported", "spec.autoscaling.behavior with a tolerance needs Kubernetes 1.35 or later"),
        "hpa",
        lambda spec: bool(spec["behavior"]["scaleDown"].get("tolerance") == "200m"),
    ),
    Case(
        model_service().named("claims").with_spec(resourceClaims=[{"name": "gpu", "resourceClaimName": "gpu"}]),
        34,
        *("Ready", "FieldUnsupported", "spec.resourceClaims needs Kubernetes 1.34 or later"),
        "deployment",
        lambda spec: "resourceClaims" in spec["template"]["spec"],
    ),
    Case(
        model_service()
        .named("zero")
        .with_spec(autoscaling={"minReplicas": 0, "maxReplicas": 3, "metrics": [EXTERNAL]}),
        SCALE_TO_ZERO_MINOR,
        *("AutoscalerReady", "ScaleToZeroUnsupported", "The cluster does not allow minReplicas 0 (feature gate"),
        "hpa",
        lambda spec: bool(spec["minReplicas"] == 0),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_newer_field_is_applied_or_reported(ns: NamespaceFixture, case: Case) -> None:
    ns.apply(case.service)
    if server_minor() >= case.minor:
        ns.wait(lambda: ns.get(case.kind, str(case)), case.kind, name=str(case))
        assert case.is_applied(ns.get(case.kind, str(case))["spec"])
        return
    wait_reported(ns, case, generation=1)
    # The first generation creates the child, the second one applies it.
    ns.apply(case.service.with_spec(env=[{"name": "A", "value": "1"}]))
    wait_reported(ns, case, generation=2)
    assert ns.condition(str(case), case.condition)["message"].startswith(case.message)
    if case.reason == "FieldUnsupported":
        assert ns.condition(str(case), "Stalled")["reason"] == case.reason


def wait_reported(ns: NamespaceFixture, case: Case, *, generation: int) -> None:
    def is_reported() -> bool:
        condition = ns.condition(str(case), case.condition)
        return (condition.get("reason"), condition.get("observedGeneration")) == (case.reason, generation)

    ns.wait(is_reported, f"{case.reason} of generation {generation}", name=str(case))
