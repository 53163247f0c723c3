"""AWS by moto: S3 and the identity service, over TLS, for pods that are known by their ServiceAccount."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from tests.environment.cluster.pki import Authority
from tests.environment.stores.installing import python_tool
from tests.environment.stores.serving import LOOPBACK, Place, Store

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLE = "arn:aws:iam::123456789012:role/reader"


def start(place: Place, files: Mapping[str, bytes], *, bucket: str = "models") -> Store:
    """Start it with a bucket; return how to reach it without any identity."""
    folder = place.folder / "moto"
    folder.mkdir()
    authority = Authority.create("moto of the tests")
    authority.issue("moto", names=(LOOPBACK, "localhost")).write(folder, "server")
    trusted = folder / "trusted.crt"
    trusted.write_bytes(authority.pair.certificate)
    port = place.port()
    certificate = ("--ssl", "--ssl-cert", str(folder / "server.crt"), "--ssl-key", str(folder / "server.key"))
    place.start(
        "moto",
        [python_tool("moto") / "moto_server", "--host", LOOPBACK, "--port", str(port), *certificate],
        ready=lambda: place.listens(port),
    )
    url = f"https://localhost:{port}"
    with httpx.Client(base_url=url, verify=False, trust_env=False, timeout=30) as client:  # noqa: S501 - to put files there
        client.put(f"/{bucket}").raise_for_status()
        for name, content in files.items():
            client.put(f"/{bucket}/{name}", content=content).raise_for_status()
    return Store(url, {"AWS_ENDPOINT_URL": url, "SSL_CERT_FILE": str(trusted)})
