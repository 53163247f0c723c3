"""Kubeconfig files for users other than the administrator."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.environment.cluster import pki
from tests.environment.cluster.wait import wait_until

if TYPE_CHECKING:
    from tests.environment.cluster.model import Cluster

SIGN_TIMEOUT = 30


def by_certificate(cluster: Cluster, user: str, groups: tuple[str, ...]) -> Path:
    """Ask the cluster to sign a client certificate, the same way on every tier.

    The API server refuses a certificate for system:masters here: such a client would be exempt from authorization
    and fairness, and no operator under test may be.
    """
    request = pki.certificate_request(user, groups)
    name = f"tests-{uuid4()}"
    manifest = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": b64encode(request.certificate).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"],
        },
    }
    cluster.run_kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    cluster.run_kubectl("certificate", "approve", name)
    signed = wait_until(
        lambda: cluster.get("csr", name)["status"].get("certificate"),
        seconds=SIGN_TIMEOUT,
        what=f"the certificate of {user}",
    )
    pair = pki.KeyPair(b64decode(signed), request.key)
    return _write(cluster, f"{user} {groups}", pki.certificate_user(pair))


def by_token(cluster: Cluster, namespace: str, name: str) -> Path:
    """Ask for a token of the service account."""
    token = cluster.run_kubectl("create", "token", name, f"--namespace={namespace}", "--duration=24h").strip()
    return _write(cluster, f"{namespace}:{name}", {"token": token})


def _write(cluster: Cluster, identity: str, user: dict[str, str]) -> Path:
    content = pki.kubeconfig(cluster.server, _authority(cluster), user)
    path = _folder(cluster) / f"{_file_name(identity)}.kubeconfig"
    pki.write_private(path, content.encode())
    return path


def _authority(cluster: Cluster) -> bytes:
    config = json.loads(cluster.run_kubectl("config", "view", "--raw", "--flatten", "--minify", "-o", "json"))
    return b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"])


def _folder(cluster: Cluster) -> Path:
    return cluster.state / "users" if cluster.state else Path(mkdtemp(prefix="modelservice-"))


def _file_name(identity: str) -> str:
    readable = re.sub(r"[^a-zA-Z0-9.-]+", "-", identity).strip("-")[:60]
    return f"{readable}-{sha256(identity.encode()).hexdigest()[:8]}"
