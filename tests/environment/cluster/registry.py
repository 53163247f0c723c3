"""A container registry inside a node that is built here: TLS, and a password for every read."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.environment.cluster.build import programs
from tests.environment.cluster.namespaces import inside
from tests.environment.cluster.network import is_listening
from tests.environment.cluster.pki import Authority
from tests.environment.cluster.process import Processes
from tests.environment.cluster.programs import Program
from tests.environment.cluster.system import unpacked

if TYPE_CHECKING:
    from pathlib import Path

    from tests.environment.cluster.model import Cluster
    from tests.environment.cluster.namespaces import Namespaces

PORT = 5000
USER, PASSWORD = "puller", "not-a-secret"
_BCRYPT = "$2b$05$EN1JdbR6WRWIMVuWv6vXB.Rik769L9H.atpvNRV5G5CgrizRqwsfS"
"""The password as the registry wants it; the real one is not a secret either."""
_HOSTS = "/run/containerd/certs.d"
"""Directory from which the node's containerd reads the settings of a registry (containerd.toml)."""
_START_TIMEOUT = 20.0


@dataclass(frozen=True)
class Registry:
    """A running registry; it ends with its node."""

    address: str
    """Host and port, as images name it."""
    _node: Namespaces
    _ctr: Path

    def push(self, image: str, name: str) -> str:
        """Push an image that the node holds; return its name in the registry. The node keeps no image of that name."""
        reference = f"{self.address}/{name}"
        images = (self._ctr, "--namespace=k8s.io", "images")
        self._node.run(*images, "push", "--user", f"{USER}:{PASSWORD}", "--hosts-dir", _HOSTS, reference, image)
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
    """Start a registry that the cluster's node reaches; return when it answers."""
    state, node = inside(cluster, what="A registry with a password")
    host = urlsplit(cluster.server).hostname or ""
    address = f"{host}:{PORT}"
    folder = state.folder / "registry"
    certificate = configure(folder, address=address, names=(host,))
    node.run("mkdir", "-p", f"{_HOSTS}/{address}")
    node.path(f"{_HOSTS}/{address}/ca.crt").write_bytes(certificate)
    processes = Processes(state.processes, state.logs, dies_with_us=True).entering(node.enter)
    processes.start("registry", command(folder))
    ctr = programs([Program.CTR])[Program.CTR]
    processes.wait(
        lambda: is_listening(node.run("cat", "/proc/net/tcp"), PORT), name="registry", seconds=_START_TIMEOUT
    )
    return Registry(address, node, ctr)


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
