"""The client of a Docker engine: of the private one, or of the one that the user's machine runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from tests.environment.cluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ERROR_LINES = 15


@dataclass(frozen=True)
class Docker:
    """Runs docker; `enter` is the start of each command line, empty on this machine itself."""

    enter: tuple[str, ...] = ()

    @property
    def environment(self) -> Mapping[str, str]:
        """The private engine has the default address: variables that name the user's engine must not reach it."""
        if not self.enter:
            return os.environ
        return {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}

    def run(self, *arguments: str | Path, stdin: IO[bytes] | None = None) -> str:
        """Return the output of docker; raise ClusterError with the end of what it says when it fails."""
        result = self.start(*arguments, stdin=stdin)
        if result.returncode:
            words = "\n".join(result.stderr.decode(errors="replace").strip().splitlines()[-_ERROR_LINES:])
            raise ClusterError(f"docker {' '.join(map(str, arguments[:3]))} failed: {words}")
        return result.stdout.decode(errors="replace")

    def succeeds(self, *arguments: str | Path) -> bool:
        """Return True if docker ends with exit code 0."""
        return self.start(*arguments).returncode == 0

    def start(self, *arguments: str | Path, stdin: IO[bytes] | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run docker and return its result, whatever it is."""
        return subprocess.run(
            [*self.enter, "docker", *arguments],
            env=self.environment,
            stdin=stdin or subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )


@dataclass(frozen=True)
class Container:
    """A running container, such as a node of kind."""

    docker: Docker
    name: str

    def run(self, *command: str | Path) -> str:
        """Run a command in the container; raise ClusterError with its words when it fails."""
        return self.docker.run("exec", self.name, *command)

    def write(self, path: str, content: bytes) -> None:
        """Write a file in the container, and the directories above it."""
        script = 'mkdir -p "$(dirname "$1")" && cat >"$1"'
        command = [*self.docker.enter, "docker", "exec", "-i", self.name, "sh", "-c", script, "sh", path]
        result = subprocess.run(command, env=self.docker.environment, input=content, capture_output=True, check=False)
        if result.returncode:
            raise ClusterError(f"{path} of {self.name} cannot be written: {result.stderr.decode(errors='replace')}")

    def feed(self, content: IO[bytes], *command: str) -> str:
        """Run a command in the container with a file as its input."""
        return self.docker.run("exec", "-i", self.name, *command, stdin=content)

    @property
    def address(self) -> str:
        """Its address in its only network."""
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return self.docker.run("inspect", f"--format={template}", self.name).strip()


def docker_runs() -> bool:
    """Return True if a Docker engine of this machine answers."""
    return shutil.which("docker") is not None and Docker().succeeds("info")
