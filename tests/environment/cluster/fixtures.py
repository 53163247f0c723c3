"""pytest plugin: clusters that start when the first test asks and end with the session."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.lifecycle import default_tier, start
from tests.environment.cluster.model import Cluster, Tier
from tests.environment.cluster.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_NODE = (
    "These tests need a node that runs containers: run them as root on Linux, start Docker (kind), or set "
    "CLUSTER=existing and KUBECONFIG. `make test-unprivileged` runs everything else."
)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Cluster]:
    """Start a real API server with simulated nodes."""
    with start(Tier.CONTROL_PLANE) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def node_cluster() -> Iterator[Cluster]:
    """Start a cluster that runs containers: the one that CLUSTER names, or the best that this machine can have."""
    tier = default_tier()
    if tier is Tier.CONTROL_PLANE:
        pytest.fail(NO_NODE, pytrace=False)
    with start(tier) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def namespace(control_plane: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give a test module a separate namespace in `control_plane`."""
    yield from _own_namespace(control_plane, request)


@pytest.fixture(scope="module")
def node_namespace(node_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give a test module a separate namespace in `node_cluster`."""
    yield from _own_namespace(node_cluster, request)


def create_namespace(cluster: Cluster, prefix: str) -> str:
    """Create a namespace that enforces Pod Security `restricted`; return its name when pods can be created in it."""
    name = f"{re.sub('[^a-z0-9]+', '-', prefix.lower()).strip('-')[:40]}-{uuid4().hex[:6]}"
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    cluster.run_kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    wait_until(
        lambda: cluster.read("serviceaccounts", "default", namespace=name),
        seconds=60,
        what=f"the default account of {name}",
    )
    return name


def _own_namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    name = create_namespace(cluster, request.module.__name__.rpartition(".")[2].removeprefix("test_"))
    yield name
    try:
        cluster.run_kubectl("delete", "namespace", name, "--wait=false")
    except ClusterError as error:
        pytest.fail(f"The namespace {name} could not be deleted: {error}", pytrace=False)
