"""The report about the version of Kubernetes: once, after any number of failures, and never an exception."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from modelservice_operator.apimachinery.wait import Backoff
from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import ForbiddenError, OperatorError, UnauthorizedError, UnreachableError
from modelservice_operator.manager import kubernetes_version
from modelservice_operator.manager.kubernetes_version import report_kubernetes_version
from modelservice_operator.settings import Settings

Answer = str | OperatorError


class Server(RestClient):
    """Answers requests for /version one after the other: with a version, or with an error."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(lambda: Credentials("http://127.0.0.1:9", None, None), Settings())
        self.answers = list(answers)

    async def request(self, method: str, path: str, **_: Any) -> Any:
        assert (method, path) == ("GET", "/version")
        answer = self.answers.pop(0)
        if isinstance(answer, OperatorError):
            raise answer
        return {"gitVersion": answer}


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.LogCaptureFixture]:
    """The log with all levels; failures are retried immediately."""
    monkeypatch.setattr(kubernetes_version, "_BACKOFF", Backoff(base=0.0, maximum=0.0))
    with caplog.at_level(logging.INFO):
        yield caplog


async def report(*answers: Answer) -> Server:
    server = Server(*answers)
    await report_kubernetes_version(server)
    return server


@pytest.mark.parametrize("version", ["v1.32.0", "v1.33.5-eks-1a2b3c4", "v1.37.2"])
async def test_supported_version_is_not_reported(version: str, log: pytest.LogCaptureFixture) -> None:
    await report(version)
    assert log.messages == []


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("v1.31.9", "Kubernetes v1.31.9 is older than the supported versions"),
        ("v1.38.0-alpha.1", "Kubernetes v1.38.0-alpha.1 is newer than the versions"),
        ("", "The version of Kubernetes is unknown"),
    ],
)
async def test_unsupported_version_is_reported(version: str, text: str, log: pytest.LogCaptureFixture) -> None:
    await report(version)
    [record] = log.records
    assert (record.levelname, text in record.message) == ("WARNING", True)


async def test_version_is_read_again_after_a_transient_error(log: pytest.LogCaptureFixture) -> None:
    server = await report(UnreachableError("refused"), UnauthorizedError("expired"), "v1.31.0")
    assert server.answers == []
    assert [record.levelname for record in log.records] == ["WARNING"]


async def test_refused_version_is_given_up(log: pytest.LogCaptureFixture) -> None:
    server = await report(ForbiddenError("no access"), "v1.31.0")
    assert server.answers == ["v1.31.0"]
    assert log.messages == ["Cannot read the version of Kubernetes: no access"]
