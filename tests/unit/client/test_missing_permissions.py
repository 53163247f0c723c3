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
