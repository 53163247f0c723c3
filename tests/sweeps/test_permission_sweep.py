"""Each verb of the operator's role is removed, one in each namespace: only what needs it fails, and says so.

One operator serves all namespaces. In each there is a ModelService with the fewest children and one with every kind.
When all of them were changed so that every verb is needed, each missing verb must be in the log and in the status of
the ModelService that needs it, and nowhere else. Then all verbs are granted.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from modelservice_operator.apimachinery.kinds import CHILD_KINDS, HTTP_ROUTE
from modelservice_operator.client.permissions import Permission
from modelservice_operator.resources import build_children
from modelservice_operator.resources.metadata import HASH_ANNOTATION
from tests.environment.cluster import Cluster, Tier, start
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.foreign_crds import HTTP_ROUTES, POD_MONITORS, minimal_crd
from tests.support.installation import ACCOUNT, NAMESPACE, install_without_operator
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator
from tests.support.roles import apply_all, create_account, operator_permissions, role_manifests, without

MODEL_SERVICES = "modelservices"
PERMISSIONS = operator_permissions()
FINALIZERS = Permission("update", "modelservices/finalizers", "modelservice.dev")
"""Never requested: an admission plugin checks it when a child is created."""
FLAGS = {"kube-apiserver": ["--enable-admission-plugins=OwnerReferencesPermissionEnforcement"]}
UNREPORTED = {
    Permission("list", MODEL_SERVICES, "modelservice.dev"): "no ModelService is known",
    Permission("watch", MODEL_SERVICES, "modelservice.dev"): "no ModelService is known",
    Permission("update", "modelservices/status", "modelservice.dev"): "no status can be written",
    Permission("create", "events", "events.k8s.io"): "nothing of the ModelService depends on it",
    Permission("list", "events"): "the cause of an unready pod is reported without its Events",
}
"""Permissions without which no status says that they are missing, and why."""
BLOCKING = {
    *list(UNREPORTED)[:3],
    FINALIZERS,
    *(Permission(verb, "deployments", "apps") for verb in ("list", "watch", "create")),
    *(Permission(verb, "services") for verb in ("list", "watch", "create")),
}
"""Permissions without which the smallest ModelService does not become ready."""
SMALL = model_service().named("small")
FULL = (
    model_service()
    .named("full")
    .with_spec(
        replicas=2,
        autoscaling={"minReplicas": 2, "maxReplicas": 3},
        disruptionBudget={"minAvailable": 1},
        networkPolicy={"enabled": True},
        resources={"requests": {"cpu": "1m"}},
        expose={"ingress": {"host": "iris.example.com"}},
        monitoring={"podMonitor": {"enabled": True}},
        model={"uri": "s3://models/iris", "updatePolicy": "Auto"},
    )
)
RETRIES = re.compile(r" WARNING .*(: Reconcile failed, requeued in| failed \(attempt \d+\): )")
"""Lines that report another attempt of a reconcile, or to read a kind."""
REDUCED = FULL.without_spec(
    *("autoscaling", "disruptionBudget", "networkPolicy", "expose", "monitoring", "model")
).with_spec(service={"type": "Headless"})
UNREADY = model_service().named("unready").with_spec(resources={"requests": {"cpu": "100000"}})
"""Pods that no node has room for: their states are read."""


def full(lacking: Permission) -> ModelServiceBuilder:
    """Return the ModelService with every kind: an HTTPRoute instead of the Ingress where it is about that."""
    if lacking.resource != HTTP_ROUTE.plural:
        return FULL
    return FULL.with_spec(expose={"httpRoute": {"parentRefs": [{"name": "edge"}]}})


def kinds_of(service: ModelServiceBuilder) -> set[str]:
    """Return the kinds of the children of a ModelService."""
    return {child.kind.kind for child in build_children(service.parsed())}


@dataclass(frozen=True)
class Sweep:
    """One operator, and a namespace for each permission that it lacks there."""

    cluster: Cluster
    operator: OperatorProcess
    namespaces: dict[Permission, str]
    account_namespace: str

    def __getitem__(self, lacking: Permission) -> NamespaceFixture:
        return NamespaceFixture(self.cluster, self.namespaces[lacking], lambda: self.operator.log)

    def apply(self, services: dict[Permission, list[ModelServiceBuilder]]) -> None:
        """Apply ModelServices to many namespaces with one command."""
        named = [
            one.named(one.name, namespace=self.namespaces[key]) for key, found in services.items() for one in found
        ]
        apply_all(self.cluster, [service.manifest() for service in named])

    def grant(self, *, all_verbs: bool) -> None:
        """Grant in each namespace all permissions, or all but that of the namespace."""
        roles = (
            role_manifests(name, without(*[] if all_verbs else [lacking]), account_namespace=self.account_namespace)
            for lacking, name in self.namespaces.items()
        )
        apply_all(self.cluster, [manifest for manifests in roles for manifest in manifests])

    def errors(self, lacking: Permission) -> list[str]:
        """Return the lines of levels ERROR and WARNING about a namespace, apart from those about another attempt."""
        name, lines = self.namespaces[lacking], self.operator.log.splitlines()
        about = [line for line in lines if re.search(rf" (ERROR|WARNING) .*\b{name}\b", line)]
        return [line for line in about if not RETRIES.search(line)]


@pytest.fixture(scope="module")
def control_plane() -> Iterator[Cluster]:
    """A separate control plane, which checks owner references as OpenShift does."""
    with start(Tier.CONTROL_PLANE, flags=FLAGS) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def operator_kubeconfig(control_plane: Cluster) -> Path:
    install_without_operator(control_plane)
    return control_plane.service_account_kubeconfig(NAMESPACE, ACCOUNT)


@pytest.fixture(scope="module")
def sweep(
    control_plane: Cluster, operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sweep]:
    """All namespaces, after the ModelServices were applied and those that need a verb were changed."""
    assert operator_kubeconfig.exists()  # the CRD is installed
    crds = ((HTTP_ROUTES, "HTTPRoute"), (POD_MONITORS, "PodMonitor"))
    control_plane.run_kubectl("apply", "-f", "-", stdin="---\n".join(minimal_crd(*crd) for crd in crds))
    control_plane.run_kubectl("wait", "--for=condition=Established", "crd", HTTP_ROUTES, POD_MONITORS)
    namespaces = {permission: f"lacking-{number}-{uuid4().hex[:6]}" for number, permission in enumerate(PERMISSIONS)}
    account_namespace = f"account-{uuid4().hex[:6]}"
    metadata = [{"name": name} for name in (account_namespace, *namespaces.values())]
    apply_all(control_plane, [{"apiVersion": "v1", "kind": "Namespace", "metadata": entry} for entry in metadata])
    create_account(control_plane, account_namespace)
    kubeconfig = control_plane.service_account_kubeconfig(account_namespace, ACCOUNT)
    arguments = [word for name in namespaces.values() for word in ("--namespace", name)]
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    Sweep(control_plane, OperatorProcess(kubeconfig, log), namespaces, account_namespace).grant(all_verbs=False)
    with running_operator(kubeconfig, log, *arguments, "--discovery-seconds", "1") as operator:
        sweep = Sweep(control_plane, operator, namespaces, account_namespace)
        sweep.apply({permission: [SMALL, full(permission)] for permission in PERMISSIONS})
        yield sweep
    control_plane.run_kubectl("delete", "namespace", "--wait=false", account_namespace, *namespaces.values())
    control_plane.run_kubectl("delete", "crd", HTTP_ROUTES, POD_MONITORS)


@pytest.fixture(scope="module")
def changed(sweep: Sweep) -> Sweep:
    """The sweep after every missing verb was needed."""
    for lacking in PERMISSIONS:
        require(lacking, sweep[lacking])
    return sweep


@pytest.fixture(scope="module")
def granted(changed: Sweep) -> Sweep:
    """The sweep after all verbs were granted."""
    changed.grant(all_verbs=True)
    return changed


def require(lacking: Permission, ns: NamespaceFixture) -> None:
    """Make the operator need a permission: to create the children, only those of reading and creating were needed."""
    verb, resource, _ = lacking
    kind = next((kind for kind in CHILD_KINDS if kind.plural == resource), None)
    if resource in {"pods", "replicasets"}:
        ns.apply(UNREADY)
    elif lacking == Permission("list", "events"):
        make_pod_unready(ns)
    elif lacking == Permission("get", MODEL_SERVICES, "modelservice.dev"):
        ns.kubectl("delete", "deployment", "full")
    elif resource == "deployments/scale":
        ns.apply(SMALL.with_spec(replicas=2))
    elif kind is not None and verb in {"get", "patch"}:
        ns.kubectl("annotate", "--overwrite", kind.group_resource, "full", f"{HASH_ANNOTATION}=other")
    elif verb == "delete":
        ns.apply(REDUCED)


def make_pod_unready(ns: NamespaceFixture) -> None:
    """Let the container of a pod fail its readiness probe."""
    pod = ns.kubectl("get", "pods", "-l", "app.kubernetes.io/instance=small", "-o", "name").split()[0]
    container = {"name": "model", "image": "x", "imageID": "x", "restartCount": 0, "ready": False, "started": True}
    status = {
        "conditions": [{"type": kind, "status": "False"} for kind in ("Ready", "ContainersReady")],
        "containerStatuses": [container | {"state": {"running": {}}}],
    }
    ns.kubectl("patch", pod, "--subresource=status", "--type=strategic", "-p", json.dumps({"status": status}))


def affected(lacking: Permission) -> str:
    """Return the name of the ModelService that needs a permission."""
    if lacking.resource in {"pods", "replicasets"}:
        return "unready"
    return "small" if lacking in BLOCKING or lacking.resource == "deployments/scale" else "full"


def is_said(ns: NamespaceFixture, lacking: Permission) -> bool:
    """Return True if the status of the ModelService that needs a permission names verb and resource."""
    status = json.dumps((ns.get_model_service(affected(lacking)) or {}).get("status") or {})
    denied = f'cannot {lacking.verb} resource \\"{lacking.resource}\\"'
    return f"not allowed to {lacking} in namespace {ns.namespace}" in status or denied in status


every_permission = pytest.mark.parametrize("lacking", PERMISSIONS, ids=str)


@pytest.mark.parametrize("lacking", [one for one in PERMISSIONS if one not in BLOCKING], ids=str)
def test_missing_verb_leaves_the_others_ready(sweep: Sweep, lacking: Permission) -> None:
    sweep[lacking].wait_ready("small", within=90)
    if lacking.verb in {"get", "patch", "delete"} or lacking.resource in {"pods", "replicasets", "events"}:
        sweep[lacking].wait(
            lambda: children_of(sweep[lacking], "full") == kinds_of(full(lacking)), "children", name="full", within=90
        )


@pytest.mark.parametrize("lacking", [one for one in PERMISSIONS if one not in UNREPORTED], ids=str)
def test_status_names_the_verb(changed: Sweep, lacking: Permission) -> None:
    ns = changed[lacking]
    ns.wait(lambda: is_said(ns, lacking), f"{lacking} in the status", name=affected(lacking), within=90)


@every_permission
def test_log_names_the_verb_once(changed: Sweep, lacking: Permission) -> None:
    ns = changed[lacking]
    ns.wait(lambda: changed.errors(lacking), f"{lacking} in the log", name=affected(lacking))
    [line] = changed.errors(lacking)
    assert " ERROR " in line
    assert f"{lacking} in namespace {ns.namespace}" in line


@every_permission
def test_granted_verb_needs_no_restart(granted: Sweep, lacking: Permission) -> None:
    ns, is_reduced = granted[lacking], lacking.verb == "delete"
    expected = kinds_of(REDUCED if is_reduced else full(lacking))
    ns.wait(lambda: not is_said(ns, lacking), "another status", name=affected(lacking), within=90)
    ns.wait(lambda: children_of(ns, "full") == expected, "children", name="full", within=90)
    ns.wait(lambda: settled_reason(ns) not in {"Forbidden", "KindUnavailable", None}, "status", name="full")
    if lacking != Permission("list", "events"):
        ns.wait_ready("small", within=90)
    if lacking.verb in {"get", "patch"}:
        assert "other" not in {hash_of(ns, kind.group_resource) for kind in CHILD_KINDS if kind.kind in expected}
    assert len(granted.errors(lacking)) == 1


def test_figures(granted: Sweep, figure: Callable[[str], None]) -> None:
    found = [line for lacking in PERMISSIONS for line in granted.errors(lacking)]
    figure(f"permissions removed one by one: {len(PERMISSIONS)}, lines about them in the log: {len(found)}")
    assert len(found) == len(PERMISSIONS)


def children_of(ns: NamespaceFixture, name: str) -> set[str]:
    """Return the kinds of the children that the status lists."""
    found: dict[str, Any] = ns.get_model_service(name) or {}
    return {entry["kind"] for entry in (found.get("status") or {}).get("resources", ())}


def settled_reason(ns: NamespaceFixture) -> str | None:
    """Return the reason of Ready of the ModelService with all kinds; None while it is of an older generation."""
    found, ready = ns.get_model_service("full"), ns.condition("full")
    is_current = ready.get("observedGeneration") == found["metadata"]["generation"]
    return str(ready["reason"]) if is_current else None


def hash_of(ns: NamespaceFixture, resource: str) -> str:
    annotations: dict[str, str] = ns.get(resource, "full")["metadata"]["annotations"]
    return annotations[HASH_ANNOTATION]
