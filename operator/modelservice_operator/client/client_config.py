"""Sources of credentials, and their order (client-go, tools/clientcmd.ClientConfig)."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.kubeconfig import KubeconfigLoader
from modelservice_operator.client.service_account import has_service_account, load_service_account
from modelservice_operator.errors import CredentialsError

LoadCredentials = Callable[[], Credentials]
"""Reads the credentials again at each call, and may block. Raises CredentialsError or OSError."""


def find_credentials(
    kubeconfig: Path | None, environment: Mapping[str, str] = os.environ, *, context: str | None = None
) -> LoadCredentials:
    """Return the loader for the kubeconfig of the command line, else the pod's service account, else $KUBECONFIG.

    `context` names one of the kubeconfig files, which are then used also in a pod. Raises CredentialsError if there is
    none.
    """
    if kubeconfig is not None:
        return KubeconfigLoader([kubeconfig], context=context)
    if context is None and has_service_account():
        return load_service_account
    if paths := _default_kubeconfigs(environment):
        return KubeconfigLoader(paths, context=context)
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
