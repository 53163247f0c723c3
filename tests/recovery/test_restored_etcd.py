"""etcd is restored from a backup while the operator runs: it converges without a restart, and no pod is replaced.

The versions of all objects begin again below those that the operator has seen; objects have returned, disappeared and
changed without an event.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.environment.audit import STATUS, AuditTrail
from tests.environment.cluster import Cluster, Tier, start
from tests.environment.cluster.fixtures import create_namespace
from tests.support.builders import model_service
from tests.support.etcd_backup import EtcdBackup
from tests.support.installation import ACCOUNT, NAMESPACE, USER, install_without_operator
from tests.support.namespace import PLURAL, NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="command lines are read from /proc"),
]

OTHER_IMAGES = tuple(f"registry.example.com/iris:{number}" for number in (2, 3))
ANNOTATIONS = 30
"""Writes after the backup, so that the versions that the operator has seen are far above the restored ones."""


@pytest.fixture(scope="module")
def control_plane() -> Iterator[Cluster]:
    """A separate control plane, whose etcd is replaced."""
    with start(Tier.CONTROL_PLANE) as cluster:
        install_without_operator(cluster)
        yield cluster


@pytest.fixture(scope="module")
def operator(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    kubeconfig = control_plane.service_account_kubeconfig(NAMESPACE, ACCOUNT)
    with running_operator(kubeconfig, tmp_path_factory.mktemp("operator") / "operator.log") as operator:
        yield operator


@pytest.fixture(scope="module")
def ns(control_plane: Cluster, operator: OperatorProcess) -> NamespaceFixture:
    return NamespaceFixture(control_plane, create_namespace(control_plane, "restored"), lambda: operator.log)


def uids(ns: NamespaceFixture, kind: str) -> dict[str, str]:
    """Return the UIDs of the objects of a kind by name."""
    items = json.loads(ns.kubectl("get", kind, "-o", "json"))["items"]
    return {item["metadata"]["name"]: item["metadata"]["uid"] for item in items}


def image_of(ns: NamespaceFixture, name: str) -> str:
    [container] = ns.get("deployment", name)["spec"]["template"]["spec"]["containers"]
    return str(container["image"])


def change_everything(ns: NamespaceFixture) -> None:
    """Change one object, delete another, create a third, and write often."""
    ns.apply(model_service().named("changed").with_spec(image=OTHER_IMAGES[0]))
    ns.wait(lambda: image_of(ns, "changed") == OTHER_IMAGES[0] and ns.is_ready("changed"), "rollout", name="changed")
    ns.kubectl("delete", PLURAL, "returning", "--cascade=foreground", "--timeout=60s")
    ns.apply(model_service().named("later").autoscaled(max_replicas=3))
    ns.wait_ready("later")
    for number in range(ANNOTATIONS):
        ns.kubectl("annotate", "--overwrite", "deployment", "kept", f"example.com/number={number}")


def test_operator_converges_on_a_restored_etcd(
    control_plane: Cluster,
    ns: NamespaceFixture,
    operator: OperatorProcess,
    tmp_path: Path,
    figure: Callable[[str], None],
) -> None:
    process, original = operator.process, model_service()
    for name in ("kept", "changed", "returning"):
        ns.apply(original.named(name).autoscaled(max_replicas=3))
    for name in ("kept", "changed", "returning"):
        ns.wait_ready(name)
    before = {kind: uids(ns, kind) for kind in (PLURAL, "deployments", "services", "replicasets", "pods")}
    backup = EtcdBackup.take(control_plane, tmp_path / "etcd")
    change_everything(ns)
    seen = version_of(ns, "deployment", "kept")
    backup.restore()
    trail = AuditTrail(control_plane, USER)
    assert version_of(ns, "deployment", "kept") < seen, "etcd is older than what the operator has seen"
    # New work first: it shows that the operator reads the restored server.
    ns.apply(original.named("after"))
    ns.wait_ready("after", within=180)
    for name in ("kept", "changed", "returning"):
        ns.wait_ready(name, within=180)
        assert image_of(ns, name) == original.spec["image"]
        assert trail_of_children(trail, name) == {}, f"the children of {name} are those of the backup"
    assert ns.get_model_service("later") is None
    assert [name for name in uids(ns, "deployments") if name == "later"] == []
    for kind, known in before.items():
        assert known.items() <= uids(ns, kind).items(), f"{kind} were replaced"
    # The cache follows versions that are lower than those that it had.
    ns.apply(original.named("changed").with_spec(image=OTHER_IMAGES[1]).autoscaled(max_replicas=3))
    ns.wait(lambda: image_of(ns, "changed") == OTHER_IMAGES[1] and ns.is_ready("changed"), "rollout", name="changed")
    ns.kubectl("delete", "service", "kept")
    ns.wait(lambda: ns.get("service", "kept"), "new Service", name="kept")
    ns.wait_ready("kept")
    assert operator.process is process
    assert operator.is_running
    figure("etcd restored from a backup: converged without a restart, no pod was replaced")


def version_of(ns: NamespaceFixture, kind: str, name: str) -> int:
    return int(ns.get(kind, name)["metadata"]["resourceVersion"])


def trail_of_children(trail: AuditTrail, name: str) -> dict[str, Any]:
    writes = trail.writes_of(name)
    del writes[STATUS]
    return dict(writes)
