"""Each GitOps example is applied as its tool does it, and judged by kstatus, with which Flux waits."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.environment.cluster import Cluster, Tier, start
from tests.environment.cluster.wait import wait_until
from tests.environment.gitops.installs import NAMES, render
from tests.environment.gitops.judges import kstatus_of
from tests.environment.packaging.rendering import NAMESPACE

pytestmark = [pytest.mark.control_plane, pytest.mark.timeout(600)]
SECONDS = 120


@pytest.fixture(scope="module")
def plane() -> Iterator[Cluster]:
    """A control plane on which the examples are installed one after the other."""
    with start(Tier.CONTROL_PLANE) as cluster:
        yield cluster


def live(cluster: Cluster, bodies: str) -> list[dict[str, Any]]:
    """Return the objects of a stream as the API server has them."""
    found: list[dict[str, Any]] = json.loads(cluster.run_kubectl("get", "-f", "-", "-o", "json", stdin=bodies))["items"]
    return found


def versions_of(bodies: list[dict[str, Any]]) -> list[Any]:
    """Return what each write of the spec changes: controllers write the status of some kinds later."""
    return [body["metadata"].get("generation", body["metadata"]["resourceVersion"]) for body in bodies]


@pytest.mark.parametrize("name", NAMES)
def test_example_becomes_current_and_stays(plane: Cluster, name: str, figure: Callable[[str], None]) -> None:
    rendered = render(name)
    bodies = yaml.safe_dump_all(rendered.bodies)
    if not any(body["kind"] == "Namespace" for body in rendered.bodies):  # CreateNamespace=true, createNamespace: true
        plane.run_kubectl("create", "namespace", NAMESPACE)
    options = ("--server-side", "--field-manager", rendered.field_manager, "-f", "-")
    plane.run_kubectl("apply", *options, stdin=bodies)

    def is_current() -> bool:
        return {status for status, _ in kstatus_of(live(plane, bodies))} == {"Current"}

    try:
        wait_until(is_current, seconds=SECONDS, what="every object of the example to be current")
        versions = versions_of(live(plane, bodies))
        assert plane.run_kubectl("diff", *options, stdin=bodies) == ""
        plane.run_kubectl("apply", *options, stdin=bodies)
        assert versions_of(live(plane, bodies)) == versions
        figure(f"GitOps install {name}: {len(versions)} objects are current, and a second sync writes nothing")
    finally:
        plane.run_kubectl("delete", "-f", "-", f"--timeout={SECONDS}s", stdin=bodies)
        plane.run_kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", f"--timeout={SECONDS}s")
