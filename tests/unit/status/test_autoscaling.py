from dataclasses import replace
from typing import Any

import pytest

from modelservice_operator.errors import ApiStatus, InvalidRequestError, StatusCause
from modelservice_operator.status import requeue_after
from modelservice_operator.status.reasons import AUTOSCALER_REASONS
from tests.support.builders import ModelServiceBuilder
from tests.support.pods import CREATED, OLD_HASH, new_pod
from tests.support.snapshots import IRIS, computed_status, condition, deployment_status, reported, snapshot

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
UID = "99990000-0000-0000-0000-000000000000"
YOUNG = {UID: 20.0}
"""Ages of the autoscaler: the operator saw it 20 s ago."""


def new_autoscaler(*conditions: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "iris", "namespace": "ml", "uid": UID, "creationTimestamp": CREATED},
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
    few = {**LIMITED, "reason": "TooFewReplicas"}
    assert autoscaler_ready(autoscaler=new_autoscaler(ABLE, ACTIVE, few)) == active
    assert autoscaler_ready(autoscaler=new_autoscaler(ABLE, ACTIVE), ages=YOUNG) == active


def test_reached_maximum_is_reported() -> None:
    assert autoscaler_ready(autoscaler=new_autoscaler(ABLE, ACTIVE, LIMITED)) == (
        "True",
        "AtMaximum",
        (
            "The HorizontalPodAutoscaler wants more replicas than maxReplicas (5). If this continues, raise"
            " autoscaling.maxReplicas."
        ),
    )


@pytest.mark.parametrize(
    ("resources", "autoscaling", "words"),
    [
        (
            {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}},
            {"targetCPUUtilizationPercentage": 95},
            (
                "The cpu utilization cannot exceed 100% of the request because of resources.limits.cpu, but the"
                " autoscaler adds replicas only above 104.5% (target 95%, plus the tolerance). Raise the limit, lower"
                " resources.requests.cpu, or lower autoscaling.targetCPUUtilizationPercentage."
            ),
        ),
        ({"limits": {"cpu": "500m"}}, {"targetCPUUtilizationPercentage": 150}, "only above 165%"),
        (
            {"requests": {"memory": "1Gi"}, "limits": {"memory": "1536Mi"}},
            {"targetMemoryUtilizationPercentage": 140},
            "150%",
        ),
        ({"limits": {"cpu": "1"}}, {"targetCPUUtilizationPercentage": 90}, None),
        (
            {"limits": {"cpu": "1"}},
            {"targetCPUUtilizationPercentage": 95, "behavior": {"scaleUp": {"tolerance": "0.01"}}},
            None,
        ),
        ({"limits": {"cpu": "1"}}, {"targetCPUUtilizationPercentage": 200, "metrics": [EXTERNAL_METRIC]}, None),
        (
            {"requests": {"memory": "1Gi"}, "limits": {"cpu": "1"}},
            {"targetCPUUtilizationPercentage": 200, "targetMemoryUtilizationPercentage": 80},
            None,
        ),
        ({"limits": {"cpu": "1"}}, {}, None),
        (None, {"targetCPUUtilizationPercentage": 1000}, None),
    ],
)
def test_unreachable_target_is_reported(resources: Any, autoscaling: dict[str, Any], words: str | None) -> None:
    service = IRIS.with_spec(resources=resources, autoscaling={"maxReplicas": 5, **autoscaling})
    found = autoscaler_ready(service, autoscaler=new_autoscaler(ABLE, ACTIVE))
    assert found is not None
    assert found[:2] == (("True", "AutoscalerActive") if words is None else ("False", "TargetUnreachable"))
    assert (words or "") in found[2]


@pytest.mark.parametrize(
    ("desired", "words"),
    [
        (2, "has no room for 2 replicas, the minimum. Lower autoscaling.minReplicas or resources,"),
        (4, "has no room for the replicas that the HorizontalPodAutoscaler has set. Lower autoscaling.maxReplicas or"),
    ],
)
def test_quota_below_the_replicas_is_reported(desired: int, words: str) -> None:
    changes: dict[str, Any] = {
        "service": SCALED,
        "autoscaler": new_autoscaler(ABLE, ACTIVE),
        "rollout": deployment_status(desired=desired, available=1),
        "refused": "exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1",
    }
    found = reported(snapshot(**changes), "AutoscalerReady")
    assert found is not None
    assert found[:2] == ("False", "QuotaExceeded")
    assert words in found[2]
    # During a rollout, the pods of the earlier revision use the quota.
    rolled = reported(snapshot(new_pod().of_revision(OLD_HASH), **changes), "AutoscalerReady")
    assert rolled is not None
    assert rolled[:2] == ("True", "AutoscalerActive")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (
            (
                "unable to fetch metrics from resource metrics API: the server could not find the requested resource"
                " (get pods.metrics.k8s.io)"
            ),
            "Install metrics-server.",
        ),
        ("the server is currently unable to handle the request (get pods.metrics.k8s.io)", "check its pods."),
        ("no custom metrics API (custom.metrics.k8s.io) registered", "Install an adapter for this metric"),
        ("the server could not find the metric queue for pods", "Correct the name of the metric"),
        (
            "did not receive metrics for targeted pods (pods might be unready)",
            "metrics-server has no values of a pod: check kubectl top pods",
        ),
        ("missing request for cpu in container proxy of Pod iris", "Set resources.requests"),
    ],
)
def test_missing_metrics_are_reported_with_advice(text: str, advice: str) -> None:
    found = autoscaler_ready(autoscaler=new_autoscaler(ABLE, NO_METRICS | {"message": text}))
    assert found is not None
    assert f"{text}. " in found[2]
    assert advice in found[2]


def test_new_autoscaler_has_a_grace_period() -> None:
    text = "The HorizontalPodAutoscaler was created recently; metrics can take up to a minute."
    starting = ("Unknown", "AutoscalerStarting", text)
    assert autoscaler_ready() == starting
    assert autoscaler_ready(autoscaler=new_autoscaler()) == starting
    assert autoscaler_ready(autoscaler=new_autoscaler(ABLE, NO_METRICS), ages=YOUNG) == starting


def test_requeue_after_is_the_end_of_the_grace_period() -> None:
    def seconds(**changes: Any) -> float | None:
        found = snapshot(**changes)
        return requeue_after(found, computed_status(found))

    young = {"service": SCALED, "autoscaler": new_autoscaler(ABLE, NO_METRICS)}
    assert seconds(**young, ages=YOUNG) == 40.0
    assert seconds(**young, ages={UID: 60.0}) is None
    assert seconds(**young) is None
    assert seconds(service=SCALED) is None
    assert seconds(service=SCALED, autoscaler=new_autoscaler()) is None
    assert seconds() is None


def test_hpa_reason_is_copied_after_grace() -> None:
    message = f"The HorizontalPodAutoscaler cannot scale: {NO_METRICS['message']}."
    advice = (
        " metrics-server has no values of a pod: check kubectl top pods, and whether it reaches the node of the pod."
    )
    hint = " There are no metrics because no replica is ready."
    autoscaler = new_autoscaler(ABLE, NO_METRICS)
    assert autoscaler_ready(autoscaler=autoscaler) == ("False", "FailedGetContainerResourceMetric", message + advice)
    found = autoscaler_ready(autoscaler=autoscaler, rollout=deployment_status(ready=0, available=0))
    assert found == ("False", "FailedGetContainerResourceMetric", message + hint)
    assert autoscaler_ready(autoscaler=autoscaler, rollout=None) == (
        "False",
        "FailedGetContainerResourceMetric",
        message + advice,
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
            " To resume: kubectl scale -n ml deployment/iris --replicas=2. To keep it at 0, set suspend: true."
        ),
    )
    ready, scaling = (condition(computed_status(found), kind) for kind in ("Ready", "AutoscalerReady"))
    assert ready is not None
    assert scaling is not None
    assert (ready["status"], ready["reason"]) == ("False", "ScaledToZero")
    assert ready["message"] == scaling["message"]


@pytest.mark.parametrize(
    ("service", "effect"),
    [
        (IRIS, "it sets the replica count, and the operator does not apply spec.replicas"),
        (SCALED, "two autoscalers override each other's replica count"),
        (IRIS.suspended(), "it will set the replica count when the ModelService is resumed"),
    ],
    ids=["fixed", "scaled", "suspended"],
)
def test_foreign_autoscaler_is_reported_with_advice(service: ModelServiceBuilder, effect: str) -> None:
    found = autoscaler_ready(
        service, foreign_autoscalers=("theirs", "hers", "theirs"), autoscaler=new_autoscaler(ABLE, ACTIVE)
    )
    assert found == (
        "False",
        "ForeignAutoscaler",
        (
            "HorizontalPodAutoscaler hers, theirs also targets the Deployment and is not managed by this ModelService:"
            f" {effect}. Delete it, or set autoscaling.managedBy to External to let it manage the replicas."
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
    refused = ApiStatus(422, "Invalid", text, "HorizontalPodAutoscaler", causes=(cause,))
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
