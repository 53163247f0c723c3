import pytest

from modelservice_operator.client.missing_permissions import REPEAT_SECONDS, MissingPermission, MissingPermissionLog
from modelservice_operator.errors import ForbiddenError, InvalidRequestError
from tests.support.clock import ManualClock

LIST = (
    'cronjobs.batch is forbidden: User "a" cannot list resource "cronjobs" in API group "batch" in the namespace "ml"'
)
SCALE = (
    'deployments.apps "x" is forbidden: User "a" cannot patch resource "deployments/scale" in API group "apps"'
    " at the cluster scope: RBAC: not found"
)
PODS = 'pods is forbidden: User "a" cannot list resource "pods" in API group "" at the cluster scope'


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (LIST, "list cronjobs.batch in namespace ml"),
        (SCALE, "patch deployments/scale.apps in all namespaces"),
        (PODS, "list pods in all namespaces"),
    ],
)
def test_denials_of_authorizers_are_parsed(message: str, name: str) -> None:
    assert str(MissingPermission.of(ForbiddenError(message))) == name


def test_other_refusals_are_no_missing_permissions() -> None:
    assert MissingPermission.of(ForbiddenError('pods "x" is forbidden: exceeded quota: small')) is None
    assert MissingPermission.of(InvalidRequestError(LIST)) is None


def test_missing_permission_is_logged_once_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    log = MissingPermissionLog(clock=clock)
    for message in (LIST, LIST, PODS):
        log.report(ForbiddenError(message))
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "not allowed to list cronjobs.batch in namespace ml" in caplog.text
    clock.seconds = REPEAT_SECONDS
    log.report(ForbiddenError(LIST))
    assert len(caplog.records) == 3


DEPLOYMENTS = "/apis/apps/v1/namespaces/ml/deployments"
BLOCKED = (
    'deployments.apps "x" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you'
    " can't set finalizers on: , <nil>"
)
OWNED = 'services "x" is forbidden: cannot set an ownerRef on a resource you can\'t delete: , <nil>'


@pytest.mark.parametrize(
    ("message", "path", "name"),
    [
        (BLOCKED, DEPLOYMENTS, "update modelservices/finalizers.modelservice.dev in namespace ml"),
        (OWNED, f"{DEPLOYMENTS}/x", "delete deployments.apps in namespace ml"),
        (OWNED, "/api/v1/namespaces/ml/services/x", "delete services in namespace ml"),
    ],
)
def test_refused_owner_reference_names_the_permission(
    message: str, path: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    log = MissingPermissionLog()
    for _ in range(2):
        assert (
            str(log.report(ForbiddenError(message), path))
            == f"{message}. The operator is not allowed to {name}: grant it."
        )
    [record] = caplog.records
    assert f"not allowed to {name}." in record.getMessage()
    assert log.report(InvalidRequestError(message), path).args == (message,)
