"""The cluster: whose requests are sent, with which login, and in which namespace."""

import threading
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TypeVar

from modelservice.errors import converted, is_login_rejected
from modelservice_cli.cluster.connection import Cluster as Client
from modelservice_cli.cluster.kubeconfig import Choice, load_endpoint
from modelservice_cli.errors import CliError

Value = TypeVar("Value")


class Cluster:
    """A cluster and a user: a context of the kubeconfig, or in a pod its service account.

    Nothing is read before the first request. A login that expires is renewed. Threads may share it.
    """

    def __init__(
        self,
        *,
        namespace: str | None = None,
        context: str | None = None,
        kubeconfig: str | PathLike[str] | None = None,
        impersonate: str | None = None,
        impersonate_groups: Sequence[str] = (),
    ) -> None:
        """Choose a cluster; each argument defaults to what the kubeconfig says."""
        path = None if kubeconfig is None else Path(kubeconfig)
        self._choice = Choice(path, context, namespace, impersonate, tuple(impersonate_groups))
        self._lock = threading.Lock()
        self._client: Client | None = None

    @property
    def namespace(self) -> str:
        """Namespace of objects that name none. Raises UnreachableError if the kubeconfig cannot be used."""
        return self.call(lambda client: client.namespace)

    def call(self, operation: Callable[[Client], Value]) -> Value:
        """Return the result of an operation; log in again, once, if the login is rejected.

        Raises ModelServiceError.
        """
        try:
            client = self._connected()
            try:
                return operation(client)
            except CliError as error:
                if not is_login_rejected(error):
                    raise
            return operation(self._connected(instead_of=client))
        except CliError as error:
            raise converted(error) from error

    def close(self) -> None:
        """Close the connections; a later request opens one."""
        with self._lock:
            if self._client is not None:
                self._client.close()

    def _connected(self, *, instead_of: Client | None = None) -> Client:
        """Return the client; a new one in the place of one whose login has expired."""
        with self._lock:
            if self._client is None or self._client is instead_of:
                self._client = Client(load_endpoint(self._choice))
            return self._client


_default: list[Cluster] = []


def default_cluster() -> Cluster:
    """Return the cluster of objects that name none: the current context, unless another one was set."""
    if not _default:
        _default.append(Cluster())
    return _default[0]


def set_default_cluster(cluster: Cluster) -> None:
    """Set the cluster of objects that name none."""
    _default[:] = [cluster]
