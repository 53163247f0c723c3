import pytest

from modelservice_operator.errors import ForbiddenError
from tests.support.pods import HASH
from tests.support.snapshots import deployment_status, unready

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
            " Change resources to what the LimitRange of the namespace allows."
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
