import logging
from typing import Any

import pytest

from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import (
    ForbiddenError,
    NamespaceTerminatingError,
    ObjectNotFoundError,
    OperatorError,
    UnreachableError,
)
from modelservice_operator.manager.leader_election import LeaderElectionConfig, LeaderElector, default_lease_name
from modelservice_operator.settings import Settings


@pytest.mark.parametrize(
    ("namespaces", "name"),
    [
        ((), "modelservice-operator"),
        (("ml",), "modelservice-operator-ml"),
        (("ml", "dev", "ml"), "modelservice-operator-94e7b008f8"),
        (("dev", "ml"), "modelservice-operator-94e7b008f8"),
    ],
)
def test_replicas_of_the_same_namespaces_share_a_lease(namespaces: tuple[str, ...], name: str) -> None:
    assert default_lease_name(namespaces) == name


class Server(RestClient):
    """Has no Lease, and answers the attempts to create one: with errors, then with the Lease."""

    def __init__(self, *errors: OperatorError) -> None:
        super().__init__(lambda: Credentials("http://127.0.0.1:9", None, None), Settings())
        self.errors = list(errors)

    async def request(self, method: str, path: str, *, body: Any = None, **_: Any) -> Any:
        if method == "GET":
            raise ObjectNotFoundError(f"{path} does not exist")
        if self.errors:
            raise self.errors.pop(0)
        return body


async def acquire(*errors: OperatorError) -> LeaderElector:
    """Return an elector that leads after as many failures."""
    config = LeaderElectionConfig(lease_duration=15, renew_deadline=10, retry_period=0)
    elector = LeaderElector(Server(*errors), namespace="ml", name="operator", identity="a", config=config)
    await elector.acquire()
    return elector


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ObjectNotFoundError("namespaces ml not found"), "create the namespace ml, or correct --lease-namespace"),
        (NamespaceTerminatingError("being deleted"), "wait until the namespace is deleted, and create it again"),
        (ForbiddenError("no access"), "check that the namespace ml exists, and allow the operator to get, create and"),
    ],
)
async def test_refused_lease_is_explained_once(
    error: OperatorError, advice: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await acquire(error, error)).is_leader
    [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert warning.message.startswith(f"Failed to acquire lease ml/operator: {error}")
    assert advice in warning.message


async def test_each_cause_of_a_refused_lease_is_explained(caplog: pytest.LogCaptureFixture) -> None:
    assert (await acquire(ForbiddenError("no access"), NamespaceTerminatingError("being deleted"))).is_leader
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


async def test_transient_failure_of_a_lease_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert (await acquire(UnreachableError("refused"))).is_leader
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
