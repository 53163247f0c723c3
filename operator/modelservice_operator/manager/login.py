"""Sources of the operator's credentials, and their form for kopf."""

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import kopf

from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.kubeconfig import KubeconfigLoader
from modelservice_operator.client.service_account import has_service_account, load_service_account
from modelservice_operator.errors import CredentialsError

LoadCredentials = Callable[[], Credentials]
"""Reads the credentials again at each call, and may block. Raises CredentialsError or OSError."""


def find_credentials(kubeconfig: Path | None, environment: Mapping[str, str] = os.environ) -> LoadCredentials:
    """Return the loader for the kubeconfig of the command line, else the pod's service account, else $KUBECONFIG.

    Raises CredentialsError if there is none.
    """
    if kubeconfig is not None:
        return KubeconfigLoader([kubeconfig])
    if has_service_account():
        return load_service_account
    if paths := _default_kubeconfigs(environment):
        return KubeconfigLoader(paths)
    raise CredentialsError(
        "there is no service account (not in a pod), and neither KUBECONFIG nor ~/.kube/config names a kubeconfig file."
    )


def load_now(load: LoadCredentials) -> LoadCredentials:
    """Load credentials; return a loader whose first call returns them: what is valid at the start is used."""
    first = [load()]
    return lambda: first.pop() if first else load()


def _default_kubeconfigs(environment: Mapping[str, str]) -> list[Path]:
    """Return the files of $KUBECONFIG, else ~/.kube/config if it exists."""
    names = environment.get("KUBECONFIG", "").split(os.pathsep)
    default = Path("~/.kube/config").expanduser()
    return [Path(name).expanduser() for name in names if name] or ([default] if default.exists() else [])


@dataclass(frozen=True)
class KopfConnection(kopf.ConnectionInfo):
    """The operator's credentials, for kopf's discovery at the start."""

    tls: ssl.SSLContext | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, credentials: Credentials) -> "KopfConnection":
        """Return the same server, certificates, headers and proxy."""
        return cls(
            server=credentials.server,
            proxy_url=credentials.proxy,
            tls=credentials.tls,
            headers=credentials.auth_headers(),
        )

    def as_ssl_context(self) -> ssl.SSLContext:
        """Return the TLS context; kopf asks for one also if the server is http."""
        return self.tls or ssl.create_default_context()

    def as_http_headers(self) -> dict[str, str]:
        """Return the headers of each request."""
        return dict(self.headers)
