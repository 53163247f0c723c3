"""An operator with other settings of the loader takes over live objects: no template changes, no pod restarts."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest

from modelservice_operator.apimachinery.kinds import DEPLOYMENT, MODEL_SERVICE, POD, REPLICA_SET, ResourceKind
from modelservice_operator.resources.metadata import LOADER_SETTINGS_ANNOTATION
from modelservice_operator.settings import DEFAULT_LOADER
from tests.environment.audit import AuditedRequest, AuditTrail
from tests.environment.cluster import Cluster
from tests.support.api import ApiClient
from tests.support.builders import model_service
from tests.support.installation import USER
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator

NAMES = tuple(f"live-{number:03d}" for number in range(200))
RESYNC = 2
"""Resync period in seconds: the new operator reconciles every object several times."""
QUIET_SECONDS = 3.0
"""Status writes are deferred for up to a second."""
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


@dataclass(frozen=True)
class Fleet:
    """Live objects with downloaded models."""

    ns: NamespaceFixture
    audit: AuditTrail

    def objects(self, kind: ResourceKind) -> dict[str, Any]:
        """Return the live objects of a kind by name, with their versions: any write changes them."""
        resource = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
        listed = self.ns.cluster.read(resource, namespace=self.ns.namespace) or {}
        return {body["metadata"]["name"]: body for body in listed["items"]}

    def writes(self) -> list[AuditedRequest]:
        """Return the operator's writes in this namespace since the trail was opened, with those of Events."""
        return [one for one in self.audit.requests() if one.call.is_write and one.call.namespace == self.ns.namespace]

    def create(self) -> None:
        """Create the objects; wait until all are ready, and nothing is left to write."""
        asyncio.run(self._create())
        self.ns.wait(self._are_ready, "ready objects", within=200, name=NAMES[0])
        self.ns.wait(self._is_quiet, "operator that writes nothing", name=NAMES[0])

    async def _create(self) -> None:
        path = MODEL_SERVICE.path(namespace=self.ns.namespace)
        async with ApiClient(self.ns.cluster.kubeconfig) as api:
            await asyncio.gather(*(api.request("POST", path, downloading(name)) for name in NAMES))

    def _are_ready(self) -> bool:
        return all(is_ready(body) for body in self.objects(MODEL_SERVICE).values())

    def _is_quiet(self) -> bool:
        # Events are sent slowly, and what is left of them ends with the operator.
        return time.time() - max(request.received for request in self.writes() if request.is_write) > QUIET_SECONDS


def downloading(name: str) -> dict[str, Any]:
    body = model_service().named(name).with_spec(model={"uri": f"s3://models/{name}"}).manifest()
    return body | {"metadata": {"name": name}}


def is_ready(service: Mapping[str, Any]) -> bool:
    conditions = (service.get("status") or {}).get("conditions") or ()
    return any((entry["type"], entry["status"]) == ("Ready", "True") for entry in conditions)


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
