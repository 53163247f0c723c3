"""A client of /metrics over TLS, and certificates in a directory as the kubelet mounts them."""

import http.client
import ssl
from pathlib import Path
from typing import NamedTuple

from tests.environment.cluster.pki import Authority

HOST = "127.0.0.1"


class Answer(NamedTuple):
    """The response to a scrape."""

    status: int
    text: str
    headers: http.client.HTTPMessage


def without_verification() -> ssl.SSLContext:
    """Return a context of a client that accepts any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def scrape(
    port: int,
    token: str | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    path: str = "/metrics",
    method: str = "GET",
) -> Answer:
    """Send one request on a new connection, without verification unless there is a context."""
    connection = http.client.HTTPSConnection(HOST, port, timeout=60, context=tls or without_verification())
    try:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, response.read().decode(), response.headers)
    finally:
        connection.close()


class MountedSecret:
    """A directory whose files are replaced in one step, by a link (kubelet, volume/util/atomic_writer.go)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._versions = 0
        path.mkdir()

    def write(self, files: dict[str, bytes]) -> None:
        """Replace the files."""
        self._versions += 1
        folder = self.path / f"..{self._versions}"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
            link = self.path / name
            if not link.is_symlink():
                link.symlink_to(Path("..data", name))
        temporary = self.path / "..data_tmp"
        temporary.symlink_to(folder.name)
        temporary.rename(self.path / "..data")

    def issue(self, authority: Authority) -> None:
        """Write a certificate for HOST."""
        pair = authority.issue("modelservice-operator", names=(HOST,))
        self.write({"tls.crt": pair.certificate, "tls.key": pair.key})


def trusting(authority: Authority) -> ssl.SSLContext:
    """Return a context of a client that verifies certificates."""
    return ssl.create_default_context(cadata=authority.pair.certificate.decode())
