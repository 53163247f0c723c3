"""Requirements of the node on the operating system: rights, kernel features, Debian packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.environment.cluster.directories import cache_directory
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterable

# Command -> the Debian package that brings it.
TO_RUN = {"ip": "iproute2", "nft": "nftables", "unshare": "util-linux", "nsenter": "util-linux", "mount": "mount"}
TO_BUILD = {"gcc": "gcc", "pkg-config": "pkg-config"}
# Libraries are found by asking pkg-config or gcc: a package's name would tell only on Debian.
LIBRARIES = {"libseccomp": "libseccomp-dev"}
KERNEL_FILE_SYSTEMS = ("overlay", "tmpfs", "proc")
# The node's own, empty file systems lie over these: nothing that it needs may be there.
HIDDEN_IN_NODE = (Path("/run"), Path("/var/run"), Path("/var/lib"), Path("/var/log"))
APT_LOCK_TIMEOUT = 120


def require_node_support() -> None:
    """Raise ClusterError with a sentence for the first thing that keeps a node from running here."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise ClusterError(
            "The node tier needs root on Linux. Without it use CLUSTER=kind (Docker), CLUSTER=existing (KUBECONFIG) "
            "or the control-plane tier, which any user can run."
        )
    known = Path("/proc/filesystems").read_text().split()
    for name in KERNEL_FILE_SYSTEMS:
        if name not in known and not _module_loads(name):
            raise ClusterError(f"This kernel does not know the file system {name}, which the node needs.")


def require_visible(folder: Path) -> None:
    """Raise ClusterError for a directory that processes of the node could not see, or that cannot hold layers."""
    real = folder.resolve()
    for hidden in HIDDEN_IN_NODE:
        if real.is_relative_to(hidden):
            raise ClusterError(
                f"{folder} is below {hidden}, which the node replaces by its own: take another directory."
            )
    kind = subprocess.run(
        ["stat", "--file-system", "--format=%T", real], capture_output=True, text=True, check=False
    ).stdout.strip()
    if kind == "overlayfs":
        raise ClusterError(
            f"{folder} is on overlayfs, on which container layers cannot be stacked: take a directory on a real disk."
        )


def install_to_run() -> None:
    """Make the commands available that the node uses."""
    _install({package for command, package in TO_RUN.items() if _lacks(command)})


def install_to_build() -> None:
    """Make the compiler and the headers available that runc and the pause program need."""
    missing = {package for command, package in TO_BUILD.items() if _lacks(command)}
    missing |= {package for library, package in LIBRARIES.items() if not _has_library(library)}
    if not _lacks("gcc") and not _has_static_libc():
        missing.add("libc6-dev")
    _install(missing)


def unpacked(package: str, program: str) -> Path:
    """Return a program of a Debian package that is not installed: installing would start it as a service, too."""
    return unpacked_package(package) / program.lstrip("/")


def unpacked_package(package: str) -> Path:
    """Return a directory with the files of a Debian package that is not installed; no script of it runs."""
    folder = cache_directory() / "debian" / "unpacked" / package
    if folder.exists():
        return folder
    if _lacks("apt-get") or _lacks("dpkg-deb"):
        raise ClusterError(f"The tests need Debian's package {package}, and this is not Debian.")
    say(f"Fetching Debian's {package}.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    log_file = cache_directory() / "apt.log"
    with tempfile.TemporaryDirectory(dir=folder.parent) as place, log_file.open("wb") as log:
        download = partial(_succeeds, log.fileno(), "apt-get", "download", package, folder=Path(place))
        if not (download() or (_update(log.fileno()) and download())):
            raise ClusterError(f"apt-get could not download {package}; its output is in {log_file}.")
        [archive] = Path(place).glob("*.deb")
        extracted = Path(place) / "files"
        if not _succeeds(log.fileno(), "dpkg-deb", "--extract", str(archive), str(extracted)):
            raise ClusterError(f"{archive.name} cannot be unpacked.")
        # The result of an interrupted run is never used as a complete one. Another run may have been faster.
        if not folder.exists():
            extracted.rename(folder)
    return folder


def _install(packages: Iterable[str]) -> None:
    names = sorted(packages)
    if not names:
        return
    listed = " ".join(names)
    if os.geteuid() != 0 or _lacks("apt-get"):
        raise ClusterError(f"The node needs what Debian's packages {listed} bring: install them (apt-get install).")
    say(f"Installing {listed} with apt-get.")
    log = cache_directory() / "apt.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        # The lists may be current already; only a failing install says that they are not.
        if not (_apt(output.fileno(), *names) or (_update(output.fileno()) and _apt(output.fileno(), *names))):
            raise ClusterError(f"apt-get could not install {listed}; its output is in {log}.")


def _apt(output: int, *names: str) -> bool:
    options = ("--yes", "--no-install-recommends", f"--option=DPkg::Lock::Timeout={APT_LOCK_TIMEOUT}")
    return _succeeds(output, "apt-get", "install", *options, *names)


def _update(output: int) -> bool:
    return _succeeds(output, "apt-get", "update")


def _succeeds(output: int, *command: str, folder: Path | None = None) -> bool:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    result = subprocess.run(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return result.returncode == 0


def _lacks(command: str) -> bool:
    return shutil.which(command) is None


def _has_library(name: str) -> bool:
    if _lacks("pkg-config"):
        return False
    return subprocess.run(["pkg-config", "--exists", name], check=False).returncode == 0


def _has_static_libc() -> bool:
    answer = subprocess.run(["gcc", "-print-file-name=libc.a"], capture_output=True, text=True, check=False)
    return Path(answer.stdout.strip()).is_absolute()


def _module_loads(name: str) -> bool:
    if _lacks("modprobe"):
        return False
    return subprocess.run(["modprobe", name], capture_output=True, check=False).returncode == 0
