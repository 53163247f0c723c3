"""A private Docker engine in separate namespaces: Debian's, which is not installed on this machine.

Its root file system is a separate one, so that installing packages here does not disturb it. So is its network, with
addresses from 198.18.0.0/15 and without a default route. One process holds the namespaces; with it ends
everything: the engine, its containers, their mounts and networks.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.environment.cluster import cgroups, namespaces
from tests.environment.cluster.compiled import PAUSE
from tests.environment.cluster.directories import cache_directory
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.go_program import go_program
from tests.environment.cluster.locks import try_lock, waiting_lock
from tests.environment.cluster.network import PLANS
from tests.environment.cluster.process import Processes
from tests.environment.cluster.progress import say
from tests.environment.cluster.system import require_visible
from tests.environment.engine import roots
from tests.environment.engine.docker import Docker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.environment.cluster.namespaces import Namespaces
    from tests.environment.cluster.network import Plan
    from tests.environment.cluster.state import State

HERE = Path(__file__).parent
DOCKERD = "dockerd"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
START_TIMEOUT = 60
DATA_DIRECTORIES = 4
"""Engines that may run at the same time with stored images: one more than there are address plans is of no use."""


@dataclass(frozen=True)
class Engine:
    """A running engine."""

    spaces: Namespaces
    socket: Path

    @property
    def docker(self) -> Docker:
        """Its own client, which sees the engine's files."""
        return Docker(self.spaces.enter)

    @property
    def host(self) -> str:
        """The value of DOCKER_HOST for a client on this machine."""
        return f"unix://{self.socket}"


def missing_support() -> str:
    """Return a sentence about what keeps an engine from running here; empty if nothing does."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "The private Docker engine needs root on Linux."
    if reason := roots.missing_support():
        return reason
    probe = ("unshare", "--mount", "--net", "--pid", "--fork", "--propagation=private", "mount", "-t", "tmpfs")
    result = subprocess.run([*probe, "tmpfs", "/mnt"], capture_output=True, text=True, check=False)
    if result.returncode:
        return f"This machine allows no new namespaces with mounts: {result.stderr.strip()}."
    return ""


def build() -> tuple[Path, Path]:
    """Return the engine's root file system and its OCI runtime, built if the cache does not have them."""
    return roots.ENGINE.directory, go_program(HERE / "runtime", "engine-runtime")


@dataclass(frozen=True)
class Choices:
    """Choices of a caller: addresses, directories that the engine sees, and images of earlier engines."""

    plan: Plan = PLANS[0]
    visible: tuple[Path, ...] = ()
    keeps_images: bool = False


def launch(state: State, processes: Processes, choices: Choices) -> Engine:
    """Start an engine in a state directory, which must be on a real disk; return when it answers."""
    root, runtime = build()
    require_visible(state.folder)
    cgroups.create(cgroups.name_of(state.folder))
    starting = _Start(state, processes, choices, root, runtime)
    if not choices.keeps_images:
        return starting.run(state.node / "docker")
    with waiting_lock(_images_directory() / "lock", when_busy=lambda: say("Another engine starts; waiting for it.")):
        data = _unused_data_directory()
        _forget_running_containers(data)
        engine = starting.run(data)
    _remove_containers(engine.docker)
    return engine


def teardown(state: State) -> None:
    """Remove what the end of the processes leaves on the host: nothing but empty cgroups."""
    cgroups.remove(cgroups.name_of(state.folder))


def existing(state: State) -> Engine | None:
    """Return the running engine of a state directory, or None."""
    spaces = namespaces.existing(state)
    return None if spaces is None else Engine(spaces, state.docker_socket)


@dataclass(frozen=True)
class _Start:
    """The start of one engine."""

    state: State
    processes: Processes
    choices: Choices
    root: Path
    runtime: Path

    def run(self, data: Path) -> Engine:
        """Start dockerd with a directory for images and containers; return when it answers."""
        spaces = namespaces.create(self.state, self.processes, PAUSE.program)
        data.mkdir(exist_ok=True)
        place = self.state.node / "engine-root"
        place.mkdir()
        seen = (self.state.folder, data, self.runtime.parent, *self.choices.visible)
        spaces.run("sh", HERE / "enter-root.sh", self.root, place, *seen)
        # The first of the name on PATH: Docker and BuildKit start it as `runc`.
        spaces.run("ln", "-s", self.runtime, "/usr/local/sbin/runc")
        configuration = self.state.node / "daemon.json"
        configuration.write_text(json.dumps(daemon_configuration(self.state, self.choices.plan, data), indent=1))
        command = ("flock", "--nonblock", "--no-fork", data / "lock", DOCKERD, f"--config-file={configuration}")
        inside = self.processes.entering(spaces.enter)
        inside.start(DOCKERD, command, environment={"PATH": PATH})
        engine = Engine(spaces, self.state.docker_socket)
        inside.wait(lambda: engine.docker.succeeds("version"), name=DOCKERD, seconds=START_TIMEOUT)
        return engine


def daemon_configuration(state: State, plan: Plan, data: Path) -> Mapping[str, Any]:
    """Return dockerd's configuration: networks of the plan, and no look-up of names outside."""
    _, *others = ip_network(plan.containers).subnets(new_prefix=24)
    gateway = gateway_of(plan)
    return {
        "hosts": ["unix:///run/docker.sock", f"unix://{state.docker_socket}"],
        "data-root": str(data / "data"),
        "storage-driver": "overlay2",
        "cgroup-parent": f"/{cgroups.name_of(state.folder)}",
        "bip": f"{gateway}/24",
        # `kind` creates its network in the first of these.
        "default-address-pools": [{"base": str(network), "size": 24} for network in others],
        "ipv6": False,
        "ip6tables": False,
        # Nothing else reaches a resolver; the kind tier starts one there that knows no name.
        "dns": [gateway],
        # Without CAP_SYS_RESOURCE no process may become less likely to be killed.
        "oom-score-adjust": 0,
    }


def gateway_of(plan: Plan) -> str:
    """Return the engine's address in the network of containers that name none."""
    return str(ip_network(plan.containers)[1])


def _images_directory() -> Path:
    folder = cache_directory() / "engine"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _unused_data_directory() -> Path:
    """Return the first directory that no engine uses; dockerd holds the lock of the one that it uses."""
    for number in range(DATA_DIRECTORIES):
        folder = _images_directory() / str(number)
        folder.mkdir(exist_ok=True)
        held = try_lock(folder / "lock")
        if held is not None:
            with held:
                return folder
    raise ClusterError(f"{DATA_DIRECTORIES} engines run on this machine already: end one of them.")


def _forget_running_containers(data: Path) -> None:
    """Keep the engine from starting containers again that an engine left when it was killed."""
    for path in data.glob("data/containers/*/hostconfig.json"):
        try:
            configuration = json.loads(path.read_text())
        except ValueError:  # it was killed while it wrote the file
            shutil.rmtree(path.parent)
            continue
        path.write_text(json.dumps(configuration | {"RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}}))


def _remove_containers(docker: Docker) -> None:
    """Remove the containers, volumes and networks of an engine that was killed."""
    containers = docker.run("ps", "--all", "--quiet").split()
    if containers:
        docker.run("rm", "--force", "--volumes", *containers)
    docker.run("volume", "prune", "--force")
    docker.run("network", "prune", "--force")


@contextmanager
def start(*, visible: Sequence[Path] = ()) -> Iterator[Engine]:
    """Run an engine without images for the length of a `with` block; it ends with this process, too."""
    # The tier's module uses this one.
    from tests.environment.cluster import lifecycle  # noqa: PLC0415

    if reason := missing_support():
        raise ClusterError(reason)
    with lifecycle.engine_state() as state:
        processes = Processes(state.processes, state.logs, dies_with_us=True)
        yield launch(state, processes, Choices(visible=tuple(visible)))
