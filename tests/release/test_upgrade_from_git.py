"""An operator of an older commit of this repository is upgraded with its live objects: no pod template changes.

The commit is the oldest one that builds the same pod templates (tests/golden/template_hashes.yaml): where a template
changed before a release, an upgrade across that commit restarts pods.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelservice_operator.apimachinery.kinds import DEPLOYMENT, MODEL_SERVICE, POD, REPLICA_SET, ResourceKind
from tests.environment.audit import STATUS, AuditTrail
from tests.environment.cluster import Cluster, Tier, start
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.cluster.wait import wait_until
from tests.support.builders import golden_files, model_service
from tests.support.installation import ACCOUNT, NAMESPACE, ROOT, USER
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess
from tests.support.versions import (
    MissingHistoryError,
    OperatorVersion,
    archived_version,
    commits_since,
    unchanged_templates_commit,
)

pytestmark = [pytest.mark.control_plane, pytest.mark.timeout(900)]

RESYNC = 2
LEADS = "Became leader"
SECONDS = 180.0
PLAIN = tuple(f"plain-{number:02d}" for number in range(20))
FORCE = ("apply", "--server-side", "--force-conflicts")


@dataclass
class Upgrade:
    """Two versions on one control plane, and the objects that the older one has created."""

    ns: NamespaceFixture
    old: OperatorProcess
    new: OperatorProcess
    names: frozenset[str]

    def objects(self, kind: ResourceKind) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (self.ns.cluster.read(kind.group_resource, namespace=self.ns.namespace) or {})[
            "items"
        ]
        return items

    def rollouts(self) -> dict[str, Any]:
        """Return what a restart of a pod would change."""
        return {
            "templates": {body["metadata"]["name"]: body["spec"]["template"] for body in self.objects(DEPLOYMENT)},
            "revisions": {body["metadata"]["name"]: body["metadata"]["uid"] for body in self.objects(REPLICA_SET)},
            "pods": {body["metadata"]["name"]: body["metadata"]["uid"] for body in self.objects(POD)},
        }

    def is_complete(self) -> bool:
        """Return True if each object has a Deployment with a ReplicaSet. Some pods need what the cluster lacks."""
        deployments = {body["metadata"]["uid"]: body["metadata"]["name"] for body in self.objects(DEPLOYMENT)}
        owners = {body["metadata"]["ownerReferences"][0]["uid"] for body in self.objects(REPLICA_SET)}
        return self.names <= {name for uid, name in deployments.items() if uid in owners}

    def hand_over(self, leader: OperatorProcess, successor: OperatorProcess) -> None:
        """End one version, and let the other one lead and reconcile every object twice."""
        before = successor.log.count(LEADS)
        leader.stop()
        successor.start()
        wait_until(lambda: successor.log.count(LEADS) > before, seconds=90, what="the other version to lead")
        time.sleep(2 * 1.1 * RESYNC)


@pytest.fixture(scope="module")
def commit() -> str:
    try:
        return unchanged_templates_commit()
    except MissingHistoryError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def older(commit: str, tmp_path_factory: pytest.TempPathFactory) -> OperatorVersion:
    """The older version, with its CRD, manifests and golden ModelServices."""
    return archived_version(tmp_path_factory.mktemp("older") / "repository", commit)


@pytest.fixture(scope="module")
def plane() -> Iterator[Cluster]:
    """A control plane that has never seen another version."""
    with start(Tier.CONTROL_PLANE) as cluster:
        yield cluster


def install_all_but_deployment(cluster: Cluster, repository: Path) -> None:
    """Apply the CRD and the manifests of a version; the operator is a process."""
    cluster.run_kubectl(*FORCE, "-k", str(repository / "crds"))
    rendered = cluster.run_kubectl("kustomize", str(repository / "manifests"))
    bodies = [body for body in yaml.safe_load_all(rendered) if body["kind"] != "Deployment"]
    cluster.run_kubectl(*FORCE, "-f", "-", stdin=yaml.safe_dump_all(bodies))
    crd = "crd/modelservices.modelservice.dev"
    cluster.run_kubectl("wait", "--for=condition=Established", crd, "--timeout=60s")


@pytest.fixture(scope="module")
def upgrade(plane: Cluster, older: OperatorVersion, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgrade]:
    """The objects of the older version, and both versions stopped."""
    repository, folder = older.directory.parent, tmp_path_factory.mktemp("operators")
    install_all_but_deployment(plane, repository)
    kubeconfig = plane.service_account_kubeconfig(NAMESPACE, ACCOUNT)
    arguments = ("--lease-namespace", NAMESPACE, "--resync-seconds", str(RESYNC))
    old = OperatorProcess(kubeconfig, folder / "old.log", arguments, command=older.command, log_format=None)
    new = OperatorProcess(kubeconfig, folder / "new.log", (*arguments, "--loader-image", "loader:next"))
    ns = NamespaceFixture(plane, create_namespace(plane, "upgrade"), lambda: old.log + new.log)
    bodies = [next(yaml.safe_load_all(path.read_text())) for path in golden_files(repository / "tests/golden")]
    bodies += [model_service().named(name).with_spec(model={"uri": f"s3://models/{name}"}).manifest() for name in PLAIN]
    for body in bodies:
        body["metadata"] = {"name": body["metadata"]["name"], "namespace": ns.namespace}
    try:
        old.start()
        ns.kubectl("create", "-f", "-", stdin=yaml.safe_dump_all(bodies))
        names = frozenset(body["metadata"]["name"] for body in bodies)
        upgrade = Upgrade(ns, old, new, names)
        ns.wait(upgrade.is_complete, "children of the older version", within=SECONDS, name=PLAIN[0])
        for name in PLAIN:
            ns.wait_ready(name, within=SECONDS)
        time.sleep(2 * 1.1 * RESYNC)  # what is written late is written
        yield upgrade
    finally:
        for operator in (old, new):
            if operator.is_running:
                operator.stop()
    assert [old.tracebacks, new.tracebacks] == [[], []]


def test_upgrade_from_an_older_commit_restarts_no_pod(
    upgrade: Upgrade, commit: str, figure: Callable[[str], None]
) -> None:
    """The CRD first, then the operator, with another loader image; then back, and forward again."""
    before, generations = (
        upgrade.rollouts(),
        [body["metadata"]["generation"] for body in upgrade.objects(MODEL_SERVICE)],
    )
    install_all_but_deployment(upgrade.ns.cluster, ROOT)
    assert [body["metadata"]["generation"] for body in upgrade.objects(MODEL_SERVICE)] == generations
    audit = AuditTrail(upgrade.ns.cluster, USER)
    upgrade.hand_over(upgrade.old, upgrade.new)
    writes = [
        one
        for one in audit.requests()
        if one.call.is_write and one.call.namespace == upgrade.ns.namespace and str(one.call) != STATUS
    ]
    figure(
        f"upgrade from {commit[:7]} ({commits_since(commit)} commits ago): {len(writes)} writes to the children of"
        f" {len(upgrade.names)} objects, no pod template changed"
    )
    assert upgrade.rollouts() == before
    upgrade.hand_over(upgrade.new, upgrade.old)
    assert upgrade.rollouts() == before
    upgrade.hand_over(upgrade.old, upgrade.new)
    assert upgrade.rollouts() == before
    upgrade.ns.wait_ready(PLAIN[0])
