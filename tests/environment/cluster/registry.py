"""A container registry that the nodes of a test cluster reach: TLS, and a password for every read."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.environment.cluster.network import is_listening
from tests.environment.cluster.pki import Authority
from tests.environment.cluster.servers import server_place
from tests.environment.cluster.system import unpacked

if TYPE_CHECKING:
    from pathlib import Path

    from tests.environment.cluster.model import Cluster
    from tests.environment.cluster.servers import ServerPlace

PORT = 5000
USER, PASSWORD = "puller", "not-a-secret"
_BCRYPT = "$2b$05$EN1JdbR6WRWIMVuWv6vXB.Rik769L9H.atpvNRV5G5CgrizRqwsfS"
"""The password as the registry wants it; the real one is not a secret either."""
_START_TIMEOUT = 20.0


@dataclass(frozen=True)
class Registry:
    """A running registry; it ends with its cluster."""

    address: str
    """Host and port, as images name it."""
    _place: ServerPlace

    def push(self, image: str, name: str) -> str:
        """Push an image that the node holds; return its name in the registry. The node keeps no image of that name."""
        reference = f"{self.address}/{name}"
        images = (self._place.ctr, "--namespace=k8s.io", "images")
        login = ("--user", f"{USER}:{PASSWORD}", "--hosts-dir", self._place.registries)
        self._place.nodes[0].run(*images, "push", *login, reference, image)
        return reference

    def login(self, name: str) -> dict[str, Any]:
        """Return the Secret for imagePullSecrets, without a namespace."""
        auth = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        config = json.dumps({"auths": {self.address: {"auth": auth}}})
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": config},
        }


def start(cluster: Cluster) -> Registry:
    """Start a registry that the cluster's nodes reach; return when it answers."""
    place = server_place(cluster, what="A registry with a password")
    address = f"{place.address}:{PORT}"
    folder = place.state.folder / "registry"
    certificate = configure(folder, address=address, names=(place.address,))
    for node in place.nodes:
        node.write(f"{place.registries}/{address}/ca.crt", certificate)
    processes = place.processes
    processes.start("registry", command(folder))
    processes.wait(lambda: is_listening(place.sockets(), PORT), name="registry", seconds=_START_TIMEOUT)
    return Registry(address, place)


def command(folder: Path) -> list[str | Path]:
    """Return the command line of a registry that is configured in `folder`."""
    return [unpacked("docker-registry", "/usr/bin/docker-registry"), "serve", folder / "config.json"]


def configure(folder: Path, *, address: str, names: tuple[str, ...]) -> bytes:
    """Write what a registry at `address` needs into a new directory; return the authority that certifies `names`."""
    folder.mkdir()
    authority = Authority.create("registry of the tests")
    authority.issue("registry", names=names).write(folder, "server")
    (folder / "htpasswd").write_text(f"{USER}:{_BCRYPT}\n")
    configuration = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {
            "addr": address,
            "tls": {"certificate": str(folder / "server.crt"), "key": str(folder / "server.key")},
        },
        "auth": {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}},
    }
    # JSON is YAML too.
    (folder / "config.json").write_text(json.dumps(configuration))
    return authority.pair.certificate
