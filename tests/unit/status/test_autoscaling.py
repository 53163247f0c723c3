from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from modelservice_operator.errors import ApiStatus, InvalidRequestError, StatusCause
from modelservice_operator.status import requeue_after
from modelservice_operator.status.reasons import AUTOSCALER_REASONS
from tests.support.builders import ModelServiceBuilder
from tests.support.pods import CREATED
from tests.support.snapshots import IRIS, NOW, computed_status, condition, deployment_status, snapshot

SCALED = IRIS.autoscaled(min_replicas=2, max_replicas=5)
EXTERNAL_METRIC = {"type": "External", "external": {"metric": {"name": "queue"}}}
TO_ZERO = IRIS.with_spec(autoscaling={"minReplicas": 0, "maxReplicas": 5, "metrics": [EXTERNAL_METRIC]})
NO_METRICS = {
    "type": "ScalingActive",
    "status": "False",
    "lastTransitionTime": CREATED,
    "reason": "FailedGetContainerResourceMetric",
    "message": "the HPA was unable to compute the replica count: failed to get cpu container metric value: unable to"
    " get metrics for resource cpu: no metrics returned from resource metrics API",
}
ABLE = {"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale", "message": "recommended size matches"}
ACTIVE = {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": "the HPA was able to"}
LIMITED = {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas", "message": "the desired count is"}
YOUNG = (NOW - timedelta(seconds=20)).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_autoscaler(*conditions: dict[str, Any], created: str = CREATED, **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "iris", "namespace": "ml", "creationTimestamp": created},
        "spec": {"minReplicas": 2, "maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "iris"}},
        "status": {"currentReplicas": 2, "desiredReplicas": 3, "currentMetrics": None, **status}
        | ({"conditions": list(conditions)} if conditions else {}),
    }


def autoscaler_ready(service: ModelServiceBuilder = SCALED, **changes: Any) -> tuple[str, str, str] | None:
    found = computed_status(snapshot(service=service, **({"rollout": deployment_status()} | changes)))
    # Whatever the autoscaler says, the model serves.
    assert condition(found) == condition(
        computed_status(snapshot(service=service, rollout=changes.get("rollout", deployment_status())))
    )
    entry = condition(found, "AutoscalerReady")
    return None if entry is None else (entry["status"], entry["reason"], entry["message"])


def test_active_autoscaler() -> None:
    active = ("True", "AutoscalerActive", "The HorizontalPodAutoscaler is active.")
    assert autoscaler_ready(autoscaler=new_autoscaler(ABLE, ACTIVE)) == active
    # A configured bound that is reached is not a problem.
    assert autoscaler_ready(autoscaler=new_autoscaler(ABLE, ACTIVE, LIMITED)) == active
    assert autoscaler_ready(autoscaler=new_autoscaler(ABLE, ACTIVE, created=YOUNG)) == active


def test_new_autoscaler_has_a_grace_period() -> None:
    text = "The HorizontalPodAutoscaler was created recently; metrics can take up to a minute."
    starting = ("Unknown", "AutoscalerStarting", text)
    assert autoscaler_ready() == starting
    assert autoscaler_ready(autoscaler=new_autoscaler()) == starting
    assert autoscaler_ready(autoscaler=new_autoscaler(ABLE, NO_METRICS, created=YOUNG)) == starting


def test_requeue_after_is_the_end_of_the_grace_period() -> None:
    young = snapshot(service=SCALED, autoscaler=new_autoscaler(ABLE, NO_METRICS, created=YOUNG))
    assert requeue_after(young, NOW) == 40.0
    assert requeue_after(young, NOW + timedelta(seconds=40)) is None
    assert requeue_after(snapshot(service=SCALED), NOW) is None
    assert requeue_after(snapshot(service=SCALED, autoscaler=new_autoscaler()), NOW) is None
    assert requeue_after(snapshot(), NOW) is None


def test_hpa_reason_is_copied_after_grace() -> None:
    message = f"The HorizontalPodAutoscaler cannot scale: {NO_METRICS['message']}."
    hint = " There are no metrics because no replica is ready."
    autoscaler = new_autoscaler(ABLE, NO_METRICS)
    assert autoscaler_ready(autoscaler=autoscaler) == ("False", "FailedGetContainerResourceMetric", message)
    found = autoscaler_ready(autoscaler=autoscaler, rollout=deployment_status(ready=0, available=0))
    assert found == ("False", "FailedGetContainerResourceMetric", message + hint)
    assert autoscaler_ready(autoscaler=autoscaler, rollout=None) == (
        "False",
        "FailedGetContainerResourceMetric",
        message,
    )


@pytest.mark.parametrize("reason", sorted(AUTOSCALER_REASONS))
def test_known_reasons_are_copied(reason: str) -> None:
    entry = {"type": "AbleToScale", "status": "False", "reason": str(reason), "message": "no"}
    found = autoscaler_ready(autoscaler=new_autoscaler(entry, ACTIVE))
    assert found is not None
    assert found[:2] == ("False", str(reason))


def test_unknown_reason_is_quoted() -> None:
    entry = {"type": "AbleToScale", "status": "False", "reason": "MoonPhase"}
    assert autoscaler_ready(autoscaler=new_autoscaler(entry)) == (
        "False",
        "AutoscalerFailed",
        "The HorizontalPodAutoscaler cannot scale: MoonPhase.",
    )


def test_manual_scale_to_zero_is_reported() -> None:
    message = "scaling is disabled since the replica count of the target is zero"
    entry = {"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled", "message": message}
    none = deployment_status(desired=0, replicas=0, ready=0, updated=0, available=0)
    found = snapshot(service=SCALED, autoscaler=new_autoscaler(ABLE, entry), rollout=none)
    assert autoscaler_ready(autoscaler=found.autoscaler, rollout=none) == (
        "False",
        "ScalingDisabled",
        (
            "The Deployment was scaled to 0 manually, and a HorizontalPodAutoscaler does not scale up from 0."
            " To resume: kubectl scale -n ml deployment/iris --replicas=1. To keep it at 0, set suspend: true."
        ),
    )
    ready = condition(computed_status(found))
    assert ready is not None
    assert ready["message"] == "The Deployment was scaled to zero. Scale it up to serve requests."


@pytest.mark.parametrize("service", [IRIS, SCALED, IRIS.suspended()], ids=["fixed", "scaled", "suspended"])
def test_foreign_autoscaler_is_reported_with_advice(service: ModelServiceBuilder) -> None:
    found = autoscaler_ready(
        service, foreign_autoscalers=("theirs", "hers", "theirs"), autoscaler=new_autoscaler(ABLE, ACTIVE)
    )
    assert found == (
        "False",
        "ForeignAutoscaler",
        (
            "HorizontalPodAutoscaler hers, theirs also targets the Deployment and is not managed by this ModelService:"
            " two autoscalers override each other's replica count. Delete it, or set autoscaling.managedBy to External"
            " to let it manage the replicas."
        ),
    )


@pytest.mark.parametrize("service", [IRIS, IRIS.suspended(), IRIS.externally_scaled()])
def test_condition_is_absent_without_an_own_autoscaler(service: ModelServiceBuilder) -> None:
    foreign = ("theirs",) if service == IRIS.externally_scaled() else ()
    assert autoscaler_ready(service, autoscaler=new_autoscaler(ABLE, ACTIVE), foreign_autoscalers=foreign) is None
    assert "autoscaling" not in computed_status(snapshot(service=service, autoscaler=new_autoscaler()))


def test_rejected_scale_to_zero_keeps_the_model_ready() -> None:
    text = 'HorizontalPodAutoscaler.autoscaling "iris" is invalid: spec.minReplicas: Invalid value: 0'
    cause = StatusCause("FieldValueInvalid", "Invalid value: 0", "spec.minReplicas")
    refused = ApiStatus(422, "Invalid", text, "HorizontalPodAutoscaler", (cause,))
    found = autoscaler_ready(TO_ZERO, failure=InvalidRequestError(text, status=refused))
    assert found == (
        "False",
        "ScaleToZeroUnsupported",
        (
            "The cluster does not allow minReplicas 0 (feature gate HPAScaleToZero, off by default before"
            " Kubernetes 1.37), so iris"
            " has no autoscaler. Set autoscaling.minReplicas to 1."
        ),
    )
    for failure, service in (
        (InvalidRequestError("Deployment no", status=replace(refused, kind="Deployment")), TO_ZERO),
        (InvalidRequestError(text, status=replace(refused, causes=())), TO_ZERO),
        (InvalidRequestError(text), TO_ZERO),
        (InvalidRequestError(text, status=refused), SCALED),
    ):
        ready = condition(computed_status(snapshot(service=service, rollout=deployment_status(), failure=failure)))
        assert ready is not None
        assert ready["reason"] == "Rejected"


def test_autoscaler_counts_are_in_status() -> None:
    found = computed_status(snapshot(service=SCALED, autoscaler=new_autoscaler(ABLE, ACTIVE, lastScaleTime=CREATED)))
    assert found["autoscaling"] == {
        "minReplicas": 2,
        "maxReplicas": 5,
        "currentReplicas": 2,
        "desiredReplicas": 3,
        "lastScaleTime": CREATED,
    }
    assert computed_status(snapshot(service=SCALED, autoscaler={"metadata": {}}, rollout=None))["autoscaling"] == {}


def test_counts_fall_back_to_the_deployment() -> None:
    new = {"metadata": {}, "spec": {"minReplicas": 2, "maxReplicas": 5}, "status": {"desiredReplicas": 0}}
    counts = {"currentReplicas": 2, "desiredReplicas": 2}
    assert computed_status(snapshot(service=SCALED, autoscaler=new))["autoscaling"] == new["spec"] | counts
