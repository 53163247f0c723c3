"""Bringing images to the nodes of a cluster without a registry."""

from __future__ import annotations

import subprocess
from functools import partial
from typing import TYPE_CHECKING

from tests.environment.cluster import kind, namespaces
from tests.environment.cluster.build import programs
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.model import Tier
from tests.environment.cluster.oci import image_names
from tests.environment.cluster.programs import Program
from tests.environment.cluster.state import State
from tests.environment.cluster.wait import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.environment.cluster.model import Cluster
    from tests.environment.cluster.namespaces import Namespaces

# containerd marks so what it has shown to the kubelet.
KNOWN_TO_KUBELET = "io.cri-containerd.image=managed"
IMAGE_LIST_TIMEOUT = 30


def load(cluster: Cluster, archive: Path) -> None:
    """Make an archive's image available to pods."""
    match cluster.tier:
        case Tier.CONTROL_PLANE:
            return  # simulated nodes run nothing
        case Tier.NODE:
            import_archive(_node_of(cluster), programs([Program.CTR])[Program.CTR], archive)
        case Tier.KIND:
            kind.load(_state_of(cluster), archive)
        case Tier.EXISTING:
            raise ClusterError(
                f"Push {archive.name} to a registry that the cluster reads; only the cluster can load it."
            )


def import_archive(node: Namespaces, ctr: Path, archive: Path) -> None:
    """Import an OCI archive into the node's containerd; return when the kubelet knows the image too."""
    command: tuple[str | Path, ...] = (*node.enter, ctr, "--namespace=k8s.io", "images")
    with archive.open("rb") as content:
        result = subprocess.run(
            [*command, "import", "--local", "-"], stdin=content, capture_output=True, text=True, check=False
        )
    if result.returncode:
        raise ClusterError(f"{archive} cannot be imported: {result.stderr.strip()}")
    for name in image_names(archive):
        listing = (*command, "list", f"name=={name}")
        wait_until(partial(_is_known, listing), seconds=IMAGE_LIST_TIMEOUT, what=f"the kubelet to know {name}")


def _is_known(listing: tuple[str | Path, ...]) -> bool:
    return KNOWN_TO_KUBELET in namespaces.checked(*listing)


def _node_of(cluster: Cluster) -> Namespaces:
    found = namespaces.existing(_state_of(cluster))
    if found is None:
        raise ClusterError(f"The node of {cluster.state} is no longer running.")
    return found


def _state_of(cluster: Cluster) -> State:
    if cluster.state is None:
        raise ClusterError(f"The {cluster.tier} cluster has no state directory.")
    return State(cluster.state)
