"""Agents on the node that know the identity of a pod: of EKS Pod Identity, and of Workload Identity on GKE.

They are the only link-local addresses that the loader connects to (rule I2), and only if the ModelService has a
serviceAccountName and no credentials. No setting can name another address.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from model_loader.connections import Connector
from model_loader.errors import LoaderError, Reason
from model_loader.http_client import HttpClient
from model_loader.proxies import Origin
from model_loader.request import Request


def has_declared_identity(environment: Mapping[str, str]) -> bool:
    """Return True if the operator declares that the model is read with the identity of the service account."""
    return environment.get("MODEL_IDENTITY") == "ServiceAccount"


@contextmanager
def open_agent_client(request: Request, address: str) -> Iterator[HttpClient]:
    """Yield a client that connects only to the agent at a literal address, by http. Raises LoaderError."""
    if not has_declared_identity(request.environment):
        message = "The identity of the pod is only used for a ModelService with a serviceAccountName."
        raise LoaderError(Reason.INVALID_CREDENTIALS, message)
    client = HttpClient(request, connector=_AgentConnector(address))
    try:
        yield client
    finally:
        client.close()


class _AgentConnector(Connector):
    """Connects to one address."""

    def __init__(self, address: str) -> None:
        super().__init__((), _refuse_tls)
        self._address = address

    def check(self, origin: Origin) -> list[str]:
        """Return the address of the agent. Raises LoaderError for any other origin."""
        if (origin.scheme, origin.host) != ("http", self._address):
            raise LoaderError(Reason.UNREACHABLE, f"{origin.host!r} is not the address of the agent.")
        return [self._address]


def _refuse_tls() -> ssl.SSLContext:
    raise LoaderError(Reason.UNREACHABLE, "The agent has no TLS.")
