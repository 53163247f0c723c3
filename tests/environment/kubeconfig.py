"""A kubeconfig file as a client needs it: the server, a TLS context, and a token if the user has one.

The peers of the benchmark import it in environments without the development dependencies.
"""

from __future__ import annotations

import ssl
import tempfile
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path


class KubeconfigError(Exception):
    """A kubeconfig has no embedded credentials; the message names the file."""


@dataclass(frozen=True)
class ClientConfig:
    """Address of an API server, and the credentials of a client."""

    server: str
    tls: ssl.SSLContext
    token: str | None

    @property
    def headers(self) -> dict[str, str]:
        """Headers that every request needs."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def load_kubeconfig(path: Path) -> ClientConfig:
    """Read a kubeconfig with one cluster and one user. Raises KubeconfigError if it has no embedded credentials."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    if "certificate-authority-data" not in cluster or not {"client-certificate-data", "token"} & user.keys():
        raise KubeconfigError(f"{path} holds no certificate authority, or neither a client certificate nor a token.")
    tls = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
    if "client-certificate-data" in user:
        _load_certificate(tls, user)
    return ClientConfig(cluster["server"], tls, user.get("token"))


def _load_certificate(tls: ssl.SSLContext, user: dict[str, str]) -> None:
    """Add the user's certificate: the standard library reads one from a file only."""
    with tempfile.NamedTemporaryFile(mode="wb", suffix=".pem") as pair:
        pair.write(b64decode(user["client-certificate-data"]) + b"\n" + b64decode(user["client-key-data"]))
        pair.flush()
        tls.load_cert_chain(pair.name)
