"""Root file systems of Debian, made by mmdebstrap from the package mirror: of the engine, and of kind's nodes.

The machine's own packages are neither used nor changed. Each root is built once per list of packages, with the
versions that the mirror had at that time; `packages` in its directory lists them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.environment.cluster.directories import cache_directory
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.install import installed
from tests.environment.cluster.system import unpacked_package

if TYPE_CHECKING:
    from collections.abc import Sequence

SUITE = "bookworm"
UNUSED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/lintian/*")
_LOG_LINES = 15


@dataclass(frozen=True)
class Root:
    """A root file system with some packages and what they depend on."""

    name: str
    packages: tuple[str, ...]

    @property
    def archive(self) -> Path:
        """The root as tar archive."""
        return self._home() / "root.tar"

    @property
    def directory(self) -> Path:
        """The root as directory."""
        return self._home() / "root"

    @property
    def versions(self) -> str:
        """The packages with their versions, one in each line."""
        return (self._home() / "packages").read_text()

    def _home(self) -> Path:
        key = hashlib.sha256("\0".join((SUITE, *UNUSED, *self.packages)).encode()).hexdigest()
        return installed("roots", self.name, key, self._build)

    def _build(self, home: Path) -> None:
        # An interrupted build leaves a part.
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        with TemporaryDirectory(dir=home.parent) as temporary:
            archive = home / "root.tar"
            _bootstrap(self.packages, archive, Path(temporary), home.parent / f"{self.name}.log")
        (home / "root").mkdir()
        _run(
            "tar",
            "--extract",
            "--numeric-owner",
            "--preserve-permissions",
            f"--file={archive}",
            f"--directory={home / 'root'}",
        )
        status = home / "root" / "var" / "lib" / "dpkg" / "status"
        (home / "packages").write_text("".join(sorted(_versions(status.read_text()))))


ENGINE = Root("engine", ("docker.io", "iptables", "iproute2", "kmod", "pigz", "procps"))
"""Docker and its client, containerd and runc."""
NODE = Root(
    "node",
    (
        *("systemd", "dbus", "conntrack", "iptables", "nftables", "iproute2", "ethtool", "util-linux", "mount", "kmod"),
        *("libseccomp2", "pigz", "e2fsprogs", "bash", "ca-certificates", "curl", "jq", "procps"),
    ),
)
"""Packages of kind's base image. systemd of a later Debian refuses cgroups of version 1."""


def _bootstrap(packages: Sequence[str], archive: Path, temporary: Path, log: Path) -> None:
    """Run mmdebstrap, with its mounts in a separate mount namespace."""
    programs = unpacked_package("mmdebstrap") / "usr" / "bin"
    command: list[str | Path] = [
        *("unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--propagation=private"),
        *(programs / "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(packages)}"),
        *(f"--dpkgopt=path-exclude={path}" for path in UNUSED),
        *("--aptopt=Acquire::Languages none", SUITE, archive),
    ]
    # mmdebstrap finds its helper program by PATH.
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "TMPDIR": str(temporary)}
    with log.open("wb") as output:
        result = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if result.returncode:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
        raise ClusterError(f"mmdebstrap cannot fetch {', '.join(packages)}; {log} ends with:\n{last}")


def _versions(status: str) -> list[str]:
    """Read /var/lib/dpkg/status (deb822(5))."""
    found = []
    for paragraph in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if "Package" in fields:
            found.append(f"{fields['Package']} {fields.get('Version', '')}\n")
    return found


def _run(*command: str) -> None:
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ClusterError(f"{' '.join(command[:2])} failed: {result.stderr.strip()}")


def missing_support() -> str:
    """Return a sentence about what keeps this machine from making a root; empty if nothing does."""
    lacking = [program for program in ("apt-get", "dpkg-deb", "perl") if shutil.which(program) is None]
    if lacking and not cache_directory().joinpath("roots").exists():
        return f"Debian's packages need {', '.join(lacking)}, which this machine does not have."
    return ""
