import logging
from typing import Any

import pytest

from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import (
    AdmissionUnavailableError,
    ForbiddenError,
    NamespaceTerminatingError,
    ObjectNotFoundError,
    OperatorError,
    UnreachableError,
)
from modelservice_operator.manager.leader_election import LeaderElectionConfig, LeaderElector, default_lease_name
from modelservice_operator.manager.lease_owner import SELF_SUBJECT_REVIEWS, find_lease_owners
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
        self.review: Any = {}

    async def request(self, method: str, path: str, *, body: Any = None, **_: Any) -> Any:
        if path == SELF_SUBJECT_REVIEWS:
            return self.review
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
        (AdmissionUnavailableError("failed calling webhook"), "repair the admission webhook that the message names"),
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


@pytest.mark.parametrize(
    ("user", "owners"),
    [
        (
            {"username": "system:serviceaccount:ml:operator", "uid": "0a"},
            [{"apiVersion": "v1", "kind": "ServiceAccount", "name": "operator", "uid": "0a"}],
        ),
        ({"username": "system:serviceaccount:other:operator", "uid": "0a"}, []),
        ({"username": "system:serviceaccount:ml:operator"}, []),
        ({"username": "ml:admin", "uid": "0a"}, []),
        ({}, []),
    ],
    ids=["own account", "other namespace", "no UID", "user", "nothing"],
)
async def test_owner_of_a_lease_is_an_account_of_its_namespace(user: dict[str, str], owners: list[Any]) -> None:
    server = Server()
    server.review = {"status": {"userInfo": user}}
    assert await find_lease_owners(server, "ml") == owners


async def test_lease_without_a_known_owner_is_created() -> None:
    class Silent(Server):
        async def request(self, method: str, path: str, **options: Any) -> Any:
            if path == SELF_SUBJECT_REVIEWS:
                raise ForbiddenError("no access")
            return await super().request(method, path, **options)

    assert await find_lease_owners(Silent(), "ml") == []
