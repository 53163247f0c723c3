"""Every golden ModelService loses its owner in every way: all children and pods keep their UIDs."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelservice_operator.apimachinery.kinds import OPTIONAL_CHILD_KINDS
from modelservice_operator.resources import build_children
from tests.environment.audit import STATUS, AuditTrail
from tests.environment.cluster import Cluster
from tests.support.backups import Backup, export_model_services, restore, without_managed_fields
from tests.support.builders import ModelServiceBuilder, golden, golden_files
from tests.support.foreign_crds import HTTP_ROUTES, POD_MONITORS, minimal_crd
from tests.support.installation import USER
from tests.support.namespace import PLURAL, NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator

pytestmark = pytest.mark.timeout(300)
NAMES = tuple(path.stem for path in golden_files())
FOREIGN = (HTTP_ROUTES, POD_MONITORS)
QUIET_SECONDS = 5.0


@pytest.fixture(scope="module")
def foreign_kinds(control_plane: Cluster) -> Iterator[None]:
    """HTTPRoute and PodMonitor, before the operator starts."""
    crds = "---\n".join((minimal_crd(HTTP_ROUTES, "HTTPRoute"), minimal_crd(POD_MONITORS, "PodMonitor")))
    control_plane.run_kubectl("apply", "-f", "-", stdin=crds)
    for name in FOREIGN:
        control_plane.run_kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")
    yield
    control_plane.run_kubectl("delete", "crd", *FOREIGN)


@pytest.fixture(scope="module")
def operator(
    operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory, foreign_kinds: None
) -> Iterator[OperatorProcess]:
    """The operator of this module, which knows the foreign kinds."""
    del foreign_kinds
    with running_operator(operator_kubeconfig, tmp_path_factory.mktemp("operator") / "operator.log") as operator:
        yield operator


def is_complete(deployment: dict[str, Any]) -> bool:
    """Return True if all pods of a Deployment exist, or cannot be created: their classes do not exist."""
    status, spec, generation = deployment.get("status", {}), deployment["spec"], deployment["metadata"]["generation"]
    failures = [it for it in status.get("conditions", ()) if (it["type"], it["status"]) == ("ReplicaFailure", "True")]
    is_observed = status.get("observedGeneration") == generation
    return is_observed and (bool(failures) or status.get("replicas", 0) == spec["replicas"])


class Fleet:
    """All golden ModelServices in one namespace."""

    def __init__(self, ns: NamespaceFixture, operator: OperatorProcess) -> None:
        self.ns, self.operator, self.backup = ns, operator, Backup(ns, more=FOREIGN)
        self.services = [self._named(name) for name in NAMES]

    def _named(self, name: str) -> ModelServiceBuilder:
        return golden(name).named(name, namespace=self.ns.namespace)

    def create_accounts(self) -> None:
        """Create the ServiceAccounts: without them there are no pods."""
        names = {service.body()["spec"].get("serviceAccountName") for service in self.services} - {None}
        for name in names:
            self.ns.kubectl("create", "serviceaccount", name)

    def apply(self) -> None:
        items = [service.manifest() for service in self.services]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        self.ns.kubectl("apply", "-f", "-", stdin=text)

    def wait_settled(self) -> None:
        """Wait until every child exists, belongs to the living ModelService, and has its pods."""
        self.ns.wait(self._is_settled, "children of all ModelServices", within=120, name=NAMES[0])

    def _is_settled(self) -> bool:
        found = json.loads(self.ns.kubectl("get", PLURAL, "-o", "json"))["items"]
        uids = {it["metadata"]["name"]: it["metadata"]["uid"] for it in found}
        children = {self._identity(body): body for body in self._children()}
        return len(uids) == len(NAMES) and all(
            self._is_owned(children.get((child.kind.kind, child.key.name)), uids[service.name])
            for service in self.services
            for child in build_children(service.parsed())
        )

    def _children(self) -> list[dict[str, Any]]:
        kinds = {child.kind for service in self.services for child in build_children(service.parsed())}
        resources = ",".join(f"{kind.plural}.{kind.group}" if kind.group else kind.plural for kind in kinds)
        items: list[dict[str, Any]] = json.loads(self.ns.kubectl("get", resources, "-o", "json"))["items"]
        return items

    @staticmethod
    def _identity(body: dict[str, Any]) -> tuple[str, str]:
        return body["kind"], body["metadata"]["name"]

    @staticmethod
    def _is_owned(body: dict[str, Any] | None, uid: str) -> bool:
        if body is None or [ref["uid"] for ref in body["metadata"].get("ownerReferences", ())] != [uid]:
            return False
        return body["kind"] != "Deployment" or is_complete(body)

    def delete(self, cascade: str) -> None:
        self.ns.kubectl("delete", PLURAL, "--all", f"--cascade={cascade}", "--timeout=90s")


def wait_for_garbage_collector(ns: NamespaceFixture) -> None:
    """Wait until it knows the optional kinds, which it discovers every 30 s: it orphans no object of another kind."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "absent", "uid": "00000000-0000-0000-0000-000000000000"}
    for kind in OPTIONAL_CHILD_KINDS:
        metadata = {"name": "ownerless", "ownerReferences": [owner]}
        body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": {}}
        ns.kubectl("create", "-f", "-", stdin=json.dumps(body))
        ns.wait_deleted(f"{kind.plural}.{kind.group}", "ownerless", within=90)


def orphan(fleet: Fleet) -> None:
    fleet.delete("orphan")


def restore_children(fleet: Fleet) -> None:
    objects = fleet.backup.export()
    fleet.delete("foreground")
    fleet.ns.wait(lambda: not fleet.backup.uids(), "deletion of everything", within=120)
    restore(fleet.ns, objects)


def restore_without_managed_fields(fleet: Fleet) -> None:
    objects = fleet.backup.export()
    fleet.delete("foreground")
    fleet.ns.wait(lambda: not fleet.backup.uids(), "deletion of everything", within=120)
    restore(fleet.ns, without_managed_fields(objects))


def restore_after_the_owners(fleet: Fleet) -> None:
    """The operator starts when everything is there."""
    objects, services = fleet.backup.export(), export_model_services(fleet.ns)
    fleet.delete("foreground")
    fleet.ns.wait(lambda: not fleet.backup.uids(), "deletion of everything", within=120)
    fleet.operator.stop()
    restore(fleet.ns, services)
    restore(fleet.ns, objects)


LOSSES = (orphan, restore_children, restore_without_managed_fields, restore_after_the_owners)


def test_children_are_adopted_after_every_loss(
    ns: NamespaceFixture, operator: OperatorProcess, control_plane: Cluster, figure: Callable[[str], None]
) -> None:
    fleet, kept = Fleet(ns, operator), 0
    fleet.create_accounts()
    fleet.apply()
    fleet.wait_settled()
    wait_for_garbage_collector(ns)
    for lose in LOSSES:
        lose(fleet)
        before = fleet.backup.uids()
        if not operator.is_running:
            operator.start()
        fleet.apply()
        fleet.wait_settled()
        assert fleet.backup.uids() == before, lose.__name__
        kept += len(before)
        assert_quiet(fleet, AuditTrail(control_plane, USER), lose.__name__)
    figure(
        f"adoption: {kept} objects of {len(NAMES)} ModelServices kept their UIDs in {len(LOSSES)} ways of losing them"
    )


def assert_quiet(fleet: Fleet, audit: AuditTrail, loss: str) -> None:
    """Assert that nothing but statuses is written."""
    fleet.ns.wait(lambda: status_is_current(fleet), "statuses", within=120, name=NAMES[0])
    before = children_writes(fleet, audit)
    time.sleep(QUIET_SECONDS)
    assert children_writes(fleet, audit) == before, loss


def children_writes(fleet: Fleet, audit: AuditTrail) -> dict[str, int]:
    writes = audit.writes(fleet.ns.namespace)
    writes.pop(STATUS, None)
    return dict(writes)


def status_is_current(fleet: Fleet) -> bool:
    found = json.loads(fleet.ns.kubectl("get", PLURAL, "-o", "json"))["items"]
    return all(
        it.get("status", {}).get("observedGeneration") == it["metadata"]["generation"]
        and all(entry["reason"] not in {"NameConflict", "DriftDetected"} for entry in it["status"]["conditions"])
        for it in found
    )
