"""A missing permission disables only what needs it, in its namespace; it is used as soon as it is granted."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from modelservice_operator.client.permissions import Permission
from tests.environment.audit import AuditTrail
from tests.environment.cluster import Cluster
from tests.environment.cluster.fixtures import create_namespace
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.installation import ACCOUNT
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator
from tests.support.roles import create_account, grant, without

CRON_JOBS = Permission("list", "cronjobs", "batch")
WATCH_CRON_JOBS = Permission("watch", "cronjobs", "batch")
PODS = Permission("list", "pods")
NAMES = ("full", "none", "no-list", "no-watch", "no-pods")


@dataclass(frozen=True)
class Tenants:
    """One operator that serves several namespaces with different roles."""

    cluster: Cluster
    operator: OperatorProcess
    namespaces: dict[str, str]

    def __getitem__(self, name: str) -> NamespaceFixture:
        return NamespaceFixture(self.cluster, self.namespaces[name], lambda: self.operator.log)

    def grant(self, name: str, *removed: Permission) -> None:
        """Grant all permissions but some."""
        namespace = self.namespaces[name]
        grant(self.cluster, namespace, without(*removed), account_namespace=self.namespaces["full"])

    def errors(self, name: str) -> list[str]:
        """Return the lines of level ERROR about a namespace."""
        lines = self.operator.log.splitlines()
        return [line for line in lines if " ERROR " in line and re.search(rf"\b{self.namespaces[name]}\b", line)]


@pytest.fixture(scope="module")
def tenants(
    control_plane: Cluster, operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tenants]:
    assert operator_kubeconfig.exists()  # the CRD is installed
    namespaces = {name: create_namespace(control_plane, name) for name in NAMES}
    create_account(control_plane, namespaces["full"])
    kubeconfig = control_plane.service_account_kubeconfig(namespaces["full"], ACCOUNT)
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    arguments = [word for namespace in namespaces.values() for word in ("--namespace", namespace)]
    operator = OperatorProcess(kubeconfig, log, (*arguments, "--discovery-seconds", "1"))
    tenants = Tenants(control_plane, operator, namespaces)
    for name, removed in {"full": (), "no-list": (CRON_JOBS,), "no-watch": (WATCH_CRON_JOBS,)}.items():
        tenants.grant(name, *removed)
    tenants.grant("no-pods", PODS)
    with running_operator(operator.kubeconfig, log, *operator.arguments) as running:
        operator.process = running.process
        yield tenants
    control_plane.run_kubectl("delete", "namespace", "--wait=false", *namespaces.values())


def followed() -> ModelServiceBuilder:
    """Return the only kind of ModelService that needs a CronJob."""
    return model_service().named("followed").with_spec(model={"uri": "s3://models/iris", "updatePolicy": "Auto"})


def test_namespace_without_a_role_does_not_delay_others(tenants: Tenants) -> None:
    tenants["none"].apply(model_service())
    tenants["full"].apply(model_service())
    tenants["full"].wait_ready()
    assert tenants["none"].get("deployment", "iris") is None


@pytest.mark.parametrize(("name", "verb"), [("no-list", "list"), ("no-watch", "watch")])
def test_missing_verb_concerns_only_what_needs_it(tenants: Tenants, name: str, verb: str) -> None:
    ns = tenants[name]
    ns.apply(model_service())
    ns.wait_ready()
    ns.apply(followed())
    ns.wait(lambda: ns.condition("followed").get("reason") == "KindUnavailable", "complaint", name="followed")
    assert f"not allowed to {verb} cronjobs.batch in namespace {ns.namespace}" in ns.condition("followed")["message"]
    assert ns.get("deployment", "followed") is not None, "the other children exist"
    [line] = tenants.errors(name)
    assert f"{verb} cronjobs.batch" in line


def test_status_is_stable_while_a_verb_is_missing(tenants: Tenants) -> None:
    """The kind that can be listed and not watched is retried each second here; nothing is written."""
    ns = tenants["no-watch"]
    ns.wait(lambda: ns.condition("followed").get("reason") == "KindUnavailable", "complaint", name="followed")

    def three_attempts() -> AuditTrail:
        trail = AuditTrail(tenants.cluster, f"system:serviceaccount:{tenants.namespaces['full']}:{ACCOUNT}")
        ns.wait(lambda: trail.refused().count("watch cronjobs") >= 3, "three attempts")
        return trail

    for name in ("iris", "followed"):
        ns.wait(lambda: ns.get_model_service(name)["status"].get("readyReplicas") == 1, "a ready pod", name=name)  # noqa: B023
    three_attempts()  # by then the last status is written
    trail = three_attempts()
    assert trail.writes(ns.namespace) == {}
    assert len(tenants.errors("no-watch")) == 1


def test_unreadable_pods_are_reported_while_unready(tenants: Tenants) -> None:
    """Ready comes from the Deployment; only the cause of an unready one needs pods."""
    ns = tenants["no-pods"]
    ns.apply(model_service())
    ns.wait_ready()
    ns.apply(model_service().named("huge").with_spec(resources={"requests": {"cpu": "100000"}}))
    ns.wait(lambda: ns.condition("huge").get("reason") == "KindUnavailable", "complaint", name="huge")
    assert f"not allowed to list pods in namespace {ns.namespace}" in ns.condition("huge")["message"]


@pytest.mark.parametrize("name", ["none", "no-list", "no-watch", "no-pods"])
def test_granted_permission_is_used_without_a_restart(tenants: Tenants, name: str) -> None:
    ns = tenants[name]
    tenants.grant(name)
    ns.wait_ready()
    ns.apply(followed())
    ns.wait(lambda: ns.get("cronjob", "followed"), "CronJob", name="followed")


def test_lost_permission_leaves_the_children(tenants: Tenants) -> None:
    ns = tenants["full"]
    ns.apply(followed())
    ns.wait(lambda: ns.get("cronjob", "followed"), "CronJob", name="followed")
    uid = ns.get("cronjob", "followed")["metadata"]["uid"]
    tenants.grant("full", CRON_JOBS, WATCH_CRON_JOBS)
    ns.kubectl("delete", "deployment", "iris")
    ns.wait_ready()
    assert ns.get("cronjob", "followed")["metadata"]["uid"] == uid
