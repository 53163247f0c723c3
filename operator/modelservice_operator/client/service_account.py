"""Credentials of the pod's service account."""

import os
from pathlib import Path

from modelservice_operator.apimachinery.url import url_host
from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.tls import TLSMaterial, build_ssl_context
from modelservice_operator.errors import CredentialsError

DIRECTORY = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Directory of the token and the cluster's certificates; the kubelet replaces both."""


def has_service_account(directory: Path = DIRECTORY) -> bool:
    """Return True if this process runs in a pod with a token."""
    return (directory / "token").exists()


def load_service_account(directory: Path = DIRECTORY) -> Credentials:
    """Read the token and the certificates. Raises CredentialsError if they are damaged, OSError if they are missing."""
    token = (directory / "token").read_text(encoding="utf-8").strip()
    if not token:
        raise CredentialsError(f"{directory / 'token'} is empty.")
    authorities = directory / "ca.crt"
    material = TLSMaterial(authorities.read_bytes() if authorities.exists() else None)
    return Credentials(_server(), build_ssl_context(material), token)


def _server() -> str:
    """Return the URL of the API server by address: cluster DNS may be down or missing."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return "https://kubernetes.default.svc"
    return f"https://{url_host(host)}:{port}"
