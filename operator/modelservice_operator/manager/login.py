"""Credentials from kopf's login: the service account inside a pod, else the kubeconfig."""

import dataclasses
import os

import kopf

from modelservice_operator.client.credentials import Credentials


def connection_info(settings: kopf.OperatorSettings) -> kopf.ConnectionInfo:
    """Return the service account inside a pod, else the kubeconfig. Raises kopf.LoginError if there is neither."""
    info = kopf.login_with_service_account(settings=settings)
    if info is not None:
        # By address: cluster DNS may be down or missing, and the operator should still correct what it can.
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        bracketed = f"[{host}]" if host and ":" in host else host
        return dataclasses.replace(info, server=f"https://{bracketed}:{port}") if host else info
    info = kopf.login_with_kubeconfig(settings=settings)
    if info is None:
        raise kopf.LoginError(
            "there is no service account (not in a pod), and neither KUBECONFIG nor ~/.kube/config names a"
            " kubeconfig file."
        )
    return info


def load_credentials(settings: kopf.OperatorSettings) -> Credentials:
    """Return the same login for the operator's own client."""
    info = connection_info(settings)
    tls = info.as_ssl_context() if info.server.startswith("https://") else None
    return Credentials(server=info.server.rstrip("/"), tls=tls, token=info.token)
