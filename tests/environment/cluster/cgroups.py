"""The cgroup under which pods and containers live, separate from every other one on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.wait import wait_until

ROOT = Path("/sys/fs/cgroup")
V2_CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids", "hugetlb")
# A cgroup of version 1 has no processors and no memory nodes until they are set.
CPUSET_FILES = ("cpuset.cpus", "cpuset.mems")


@dataclass(frozen=True)
class Hierarchies:
    """The mounted cgroup trees: one of version 2, or one per group of controllers of version 1."""

    version: int
    roots: tuple[Path, ...]
    # A tree of version 2 that is mounted in addition to those of version 1: runc uses it without being configured to.
    beside: tuple[Path, ...] = ()


def detect(mounts: str) -> Hierarchies:
    """Read the text of /proc/mounts; raise ClusterError where no cgroups are mounted."""
    entries = [line.split()[1:3] for line in mounts.splitlines()]
    trees = [(Path(where), kind) for where, kind in entries if Path(where).is_relative_to(ROOT)]
    if (ROOT, "cgroup2") in trees:
        return Hierarchies(2, (ROOT,))
    roots = tuple(where for where, kind in trees if kind == "cgroup")
    if not roots:
        raise ClusterError(f"No cgroups are mounted at {ROOT}; the node cannot limit its pods.")
    return Hierarchies(1, roots, tuple(where for where, kind in trees if kind == "cgroup2"))


def hierarchies() -> Hierarchies:
    """Return the cgroup trees of this machine."""
    return detect(Path("/proc/mounts").read_text())


def name_of(folder: Path) -> str:
    """Return the name of the cgroup for what runs for a state directory."""
    return f"modelservice-{sha256(str(folder).encode()).hexdigest()[:10]}"


def create(name: str) -> None:
    """Create the cgroup `name` at the top of every tree."""
    trees = hierarchies()
    for root in trees.roots:
        if trees.version == 2:
            _enable_controllers(root)
        group = root / name
        group.mkdir(exist_ok=True)
        for file in CPUSET_FILES if trees.version == 1 else ():
            if (root / file).exists():
                (group / file).write_text((root / file).read_text())


def remove(name: str) -> None:
    """Remove the cgroup and all below it, in which no process may run."""
    trees = hierarchies()
    for root in (*trees.roots, *trees.beside):
        if (root / name).exists():
            wait_until(partial(_removed, root / name), seconds=20, what=f"the cgroup {root / name} to be empty")


def _enable_controllers(root: Path) -> None:
    available = (root / "cgroup.controllers").read_text().split()
    for controller in V2_CONTROLLERS:
        if controller in available:
            try:
                (root / "cgroup.subtree_control").write_text(f"+{controller}")
            except OSError as error:
                raise ClusterError(f"The cgroup controller {controller} cannot be switched on: {error}") from error


def _removed(top: Path) -> bool:
    """Remove what is empty, leaves first; the kernel may need a moment to see that a process is gone."""
    for folder, _, _ in os.walk(top, topdown=False):
        try:
            Path(folder).rmdir()
        except OSError:
            return False
    return True
