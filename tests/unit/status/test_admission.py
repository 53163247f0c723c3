import pytest

from modelservice_operator.errors import ForbiddenError
from modelservice_operator.resources.deployment import build_deployment
from tests.support.pods import HASH, OLD_HASH, new_pod
from tests.support.snapshots import IRIS, deployment_status, unready

LIMIT_RANGE = "Set spec.resources to what the LimitRange of the namespace allows: kubectl get limitrange -n ml -o yaml."
DEFAULT_REQUESTS = "spec.resources is not set, so the defaults of 500m CPU and 512Mi memory apply."
EXCEEDED = "exceeded quota: compute, requested: pods=1, used: pods=4, limited: pods=4"
CREATION_FAILURES = {
    "the quota": (
        (
            f'pods "iris-{HASH}-h7kx9" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=4, limited:'
            " pods=4"
        ),
        "QuotaExceeded",
        (
            "Pods cannot be created: exceeded quota: compute, requested: pods=1, used: pods=4, limited: pods=4."
            " Lower replicas or resources, or ask for a higher ResourceQuota in the namespace."
        ),
    ),
    "a quota that counts limits": (
        f'pods "iris-{HASH}-h7kx9" is forbidden: failed quota: compute: must specify limits.cpu for: model',
        "QuotaExceeded",
        (
            "Pods cannot be created: failed quota: compute: must specify limits.cpu for: model."
            " Set a value in resources for each resource that the quota limits."
        ),
    ),
    "Pod Security": (
        f'pods "iris-{HASH}-h7kx9" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
        "AdmissionDenied",
        (
            'Pods cannot be created: violates PodSecurity "restricted:latest": runAsNonRoot != true.'
            " The Pod Security level of the namespace forbids these pods: change the spec or the level."
        ),
    ),
    "a webhook": (
        'admission webhook "validate.kyverno.svc-fail" denied the request: no latest tags',
        "AdmissionDenied",
        (
            'Pods cannot be created: admission webhook "validate.kyverno.svc-fail" denied the request: no latest tags.'
            " An admission policy denied the pods: change what the message names."
        ),
    ),
    "a LimitRange": (
        f'pods "iris-{HASH}-h7kx9" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi',
        "AdmissionDenied",
        (
            "Pods cannot be created: maximum memory usage per Container is 1Gi, but limit is 2Gi."
            f" {LIMIT_RANGE} {DEFAULT_REQUESTS}"
        ),
    ),
    "a LimitRange with limits below the default requests": (
        (
            f'Pod "iris-{HASH}-h7kx9" is invalid: [spec.containers[0].resources.requests: Invalid value: "500m":'
            " must be less than or equal to cpu limit of 200m, spec.containers[0].resources.requests: Invalid value:"
            ' "512Mi": must be less than or equal to memory limit of 256Mi]'
        ),
        "AdmissionDenied",
        (
            'Pods cannot be created: Pod "iris" is invalid: [spec.containers[0].resources.requests: Invalid value:'
            ' "500m": must be less than or equal to cpu limit of 200m, spec.containers[0].resources.requests: Invalid'
            f' value: "512Mi": must be less than or equal to memory limit of 256Mi]. {LIMIT_RANGE} {DEFAULT_REQUESTS}'
        ),
    ),
    "another rejection": (
        f'Pod "iris-{HASH}-h7kx9" is invalid: spec.nodeSelector: Invalid value',
        "ReplicaFailure",
        (
            'Pods cannot be created: Pod "iris" is invalid: spec.nodeSelector: Invalid value.'
            " Correct what the message names."
        ),
    ),
    "no message": ("", "ReplicaFailure", "Pods cannot be created: no reason given. Correct what the message names."),
}


@pytest.mark.parametrize(("text", "reason", "message"), CREATION_FAILURES.values(), ids=CREATION_FAILURES)
def test_pod_creation_failure_is_reported(text: str, reason: str, message: str) -> None:
    copied = {"ReplicaFailure": {"type": "ReplicaFailure", "status": "True", "message": text}}
    rollout = deployment_status(available=0, conditions=copied)
    assert unready(rollout=rollout, replica_sets=()) == (reason, message)
    if text:
        assert unready(refused=text) == (reason, message)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            'deployments.apps "iris" is forbidden: exceeded quota: few, requested: count/deployments.apps=1',
            "QuotaExceeded",
        ),
        ('admission webhook "policy.example.com" denied the request: no', "AdmissionDenied"),
        ('deployments.apps is forbidden: User "operator" cannot create resource', "Forbidden"),
    ],
)
def test_rejected_child_reports_the_rejecting_plugin(text: str, reason: str) -> None:
    assert unready(failure=ForbiddenError(text)) == (reason, text)


def test_default_requests_are_those_of_the_deployment() -> None:
    pod = build_deployment(IRIS.parsed()).body["spec"]["template"]["spec"]
    requests = pod["containers"][0]["resources"]["requests"]
    assert f"{requests['cpu']} CPU and {requests['memory']} memory" in DEFAULT_REQUESTS


def test_defaults_are_not_reported_with_own_resources() -> None:
    text = "maximum memory usage per Container is 1Gi, but limit is 2Gi"
    message = unready(refused=text, service=IRIS.with_spec(resources={"limits": {"memory": "2Gi"}}))[1]
    assert message.endswith(LIMIT_RANGE)


@pytest.mark.parametrize(
    ("desired", "field"), [(2, "autoscaling.minReplicas"), (4, "autoscaling.maxReplicas")], ids=["floor", "scaled up"]
)
def test_exceeded_quota_names_the_field_of_the_autoscaler(desired: int, field: str) -> None:
    service = IRIS.autoscaled(min_replicas=2, max_replicas=5)
    message = unready(refused=EXCEEDED, service=service, rollout=deployment_status(desired=desired, available=0))[1]
    assert f"Lower {field} or resources, or ask for a higher ResourceQuota" in message


def test_quota_exceeded_by_a_surge_names_the_rollout() -> None:
    message = unready(new_pod().of_revision(OLD_HASH), refused=EXCEEDED)[1]
    assert "set rollout.type: Recreate, or rollout.maxSurge: 0 and rollout.maxUnavailable: 1, or ask for" in message


@pytest.mark.parametrize(("requested", "is_default"), [("requests.cpu=500m", True), ("pods=1", False)])
def test_default_requests_that_exceed_the_quota_are_reported(requested: str, *, is_default: bool) -> None:
    text = f"exceeded quota: compute, requested: {requested}, used: requests.cpu=2, limited: requests.cpu=2"
    assert unready(refused=text)[1].endswith(DEFAULT_REQUESTS) is is_default
    assert not unready(refused=text, service=IRIS.with_spec(resources={}))[1].endswith(DEFAULT_REQUESTS)


@pytest.mark.parametrize(
    ("prefix", "errors"),
    [
        (
            f'Pod "iris-{HASH}-h7kx9" is invalid: ',
            [
                'spec.containers[0].resources.requests: Invalid value: "512Mi": must be less than or equal to x limit',
                'spec.containers[0].resources.requests: Invalid value: "500m": must be less than or equal to y limit',
            ],
        ),
        (
            f'pods "iris-{HASH}-h7kx9" is forbidden: ',
            [
                "maximum memory usage per Container is 1Gi, but limit is 2Gi",
                "maximum cpu usage per Container is 1, but limit is 2",
            ],
        ),
    ],
)
def test_order_of_errors_does_not_change_the_message(prefix: str, errors: list[str]) -> None:
    one, other = (unready(refused=f"{prefix}[{', '.join(order)}]") for order in (errors, errors[::-1]))
    assert one == other
    assert f"[{', '.join(sorted(errors))}]. Set spec.resources" in one[1]
