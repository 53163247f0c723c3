"""An operator with other settings of the loader takes over live objects: no template changes, no pod restarts."""

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest

from modelservice_operator.apimachinery.kinds import DEPLOYMENT, MODEL_SERVICE, POD, REPLICA_SET, ResourceKind
from modelservice_operator.resources.metadata import LOADER_SETTINGS_ANNOTATION
from modelservice_operator.settings import DEFAULT_LOADER
from tests.environment.audit import AuditTrail
from tests.environment.cluster import Cluster
from tests.support.builders import model_service
from tests.support.fleet import NAMES, Fleet
from tests.support.installation import USER
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator

RESYNC = 2
"""Resync period in seconds: the new operator reconciles every object several times."""
OLD_LOADER = (DEFAULT_LOADER.image, str(DEFAULT_LOADER.timeout_seconds), None)
NEW_LOADER = ("loader:next", "1200", "10.30.0.0/16")
NEW_SETTINGS = (
    *("--loader-image", "loader:next", "--loader-seconds", "1200", "--allow-cidr", "10.30.0.0/16"),
    *("--loader-proxy", "http://proxy.example.com:3128", "--loader-ca-bundle", "company-ca/ca-bundle.crt"),
)


class Start(Protocol):
    """Runs an operator with more arguments for the length of a `with` block."""

    def __call__(self, *arguments: str) -> AbstractContextManager[OperatorProcess]: ...


def loader_of(deployment: Mapping[str, Any]) -> tuple[str, str | None, str | None]:
    """Return the image, the time limit and the allowed ranges of the loader."""
    [container] = deployment["spec"]["template"]["spec"]["initContainers"]
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    return container["image"], environment["MODEL_TIMEOUT_SECONDS"], environment["MODEL_ALLOWED_CIDRS"]


@pytest.fixture(scope="module")
def start(operator_kubeconfig: Path, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Start:
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    return partial(running_operator, operator_kubeconfig, log, "--namespace", namespace)


@pytest.fixture(scope="module")
def fleet(control_plane: Cluster, namespace: str, start: Start) -> Fleet:
    """The objects, after an operator with the default settings has nothing left to do."""
    with start() as first:
        fleet = Fleet(NamespaceFixture(control_plane, namespace, lambda: first.log), AuditTrail(control_plane, USER))
        fleet.create()
    return fleet


@pytest.fixture(scope="module")
def before(fleet: Fleet) -> dict[ResourceKind, dict[str, Any]]:
    """All objects before the upgrade."""
    return {kind: fleet.objects(kind) for kind in (MODEL_SERVICE, DEPLOYMENT, REPLICA_SET, POD)}


@pytest.fixture(scope="module")
def upgraded(fleet: Fleet, before: dict[ResourceKind, dict[str, Any]], start: Start) -> Iterator[Fleet]:
    """The same objects under an operator with other settings, after two resyncs."""
    assert {kind: len(objects) for kind, objects in before.items()} == dict.fromkeys(before, len(NAMES))
    with start("--resync-seconds", str(RESYNC), *NEW_SETTINGS) as second:
        ns = NamespaceFixture(fleet.ns.cluster, fleet.ns.namespace, lambda: second.log)
        audit = AuditTrail(ns.cluster, USER)
        time.sleep(2 * 1.1 * RESYNC)
        yield Fleet(ns, audit)


def test_upgrade_writes_nothing(upgraded: Fleet) -> None:
    """No status either: a restart of the operator does not count as progress of a rollout."""
    assert [str(request.call) for request in upgraded.writes()] == []


def test_upgrade_changes_no_object_and_restarts_no_pod(
    upgraded: Fleet, before: dict[ResourceKind, dict[str, Any]]
) -> None:
    assert {loader_of(body) for body in before[DEPLOYMENT].values()} == {OLD_LOADER}
    for kind, objects in before.items():
        assert upgraded.objects(kind) == objects


def test_new_object_has_the_new_settings(upgraded: Fleet) -> None:
    upgraded.ns.apply(model_service().named("new").with_spec(model={"uri": "s3://models/new"}))
    upgraded.ns.wait_ready("new")
    assert loader_of(upgraded.ns.get("deployments", "new")) == NEW_LOADER


def test_change_of_the_template_takes_the_new_settings_over(upgraded: Fleet) -> None:
    name, other = NAMES[:2]
    upgraded.ns.kubectl(
        *("patch", "modelservice", name, "--type=merge", "-p", '{"spec": {"env": [{"name": "A", "value": "1"}]}}')
    )
    upgraded.ns.wait_ready(name)
    deployments = upgraded.objects(DEPLOYMENT)
    assert loader_of(deployments[name]) == NEW_LOADER
    assert loader_of(deployments[other]) == OLD_LOADER


def test_change_outside_of_the_template_retains_the_old_settings(upgraded: Fleet) -> None:
    name = NAMES[2]
    upgraded.ns.kubectl("scale", "modelservice", name, "--replicas=2")
    upgraded.ns.wait_field("deployments", name, "replicas", 2)
    upgraded.ns.wait_ready(name)
    assert loader_of(upgraded.ns.get("deployments", name)) == OLD_LOADER


def test_restart_by_kubectl_retains_the_old_settings(upgraded: Fleet) -> None:
    name = NAMES[3]
    upgraded.ns.kubectl("rollout", "restart", f"deployment/{name}")
    upgraded.ns.kubectl("rollout", "status", f"deployment/{name}", "--timeout=90s")
    assert loader_of(upgraded.ns.get("deployments", name)) == OLD_LOADER


def test_removed_annotation_takes_the_new_settings_over(upgraded: Fleet) -> None:
    """The way to roll objects on purpose, without a change of their specs."""
    name = NAMES[4]
    upgraded.ns.kubectl("annotate", "deployment", name, f"{LOADER_SETTINGS_ANNOTATION}-")
    upgraded.ns.wait(
        lambda: loader_of(upgraded.ns.get("deployments", name)) == NEW_LOADER, "loader with new settings", name=name
    )
