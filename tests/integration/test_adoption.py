"""Children without an owner are adopted while their pods run; a name conflict ends when its cause does."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from modelservice_operator.apimachinery.kinds import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    SERVICE,
)
from modelservice_operator.apply.drift_limiter import MAX_CORRECTIONS
from modelservice_operator.resources.metadata import ADOPT_BY_ANNOTATION, OWNER_ANNOTATION
from tests.environment.audit import AuditTrail
from tests.support.adoption import (
    all_uids,
    assert_conflicts_end,
    backup,
    delete_everything,
    fullest,
    owner_uid,
    run_advice,
    uids,
    wait_conflict,
    wait_owned,
)
from tests.support.backups import RESTORE_LABEL, restorable, restore, without_managed_fields
from tests.support.builders import model_service, restricted_deployment
from tests.support.namespace import PLURAL, NamespaceFixture


@contextmanager
def never_stalled(ns: NamespaceFixture, name: str) -> Iterator[None]:
    """Assert that no Event of a conflict was sent in a `with` block: the status is too short-lived to be read."""
    yield
    events = json.loads(ns.kubectl("get", "events", "--field-selector", f"involvedObject.name={name}", "-o", "json"))
    assert [it["reason"] for it in events["items"] if it["reason"] in {"NameConflict", "Failed"}] == []


@pytest.mark.core
def test_orphaned_children_are_adopted(ns: NamespaceFixture) -> None:
    """`kubectl delete --cascade=orphan`, and the object is applied again: three times, each child keeps its UID."""
    service = fullest("orphans")
    ns.apply(service)
    ns.wait_ready("orphans")
    before = all_uids(ns, "orphans")
    with never_stalled(ns, "orphans"):
        for _ in range(3):
            ns.kubectl("delete", PLURAL, "orphans", "--cascade=orphan", "--timeout=60s")
            assert owner_uid(ns, DEPLOYMENT, "orphans") is None
            ns.apply(service)
            wait_owned(ns, "orphans")
            assert all_uids(ns, "orphans") == before
    ns.kubectl("delete", PLURAL, "orphans", "--cascade=foreground", "--timeout=60s")
    assert all_uids(ns, "orphans") == {}


def test_adopted_children_follow_another_spec(ns: NamespaceFixture) -> None:
    """A GitOps tool that does not prune deleted the object from its inventory, and applies another revision of it."""
    ns.apply(model_service().named("returned").autoscaled(max_replicas=3).with_spec(service={"name": "front"}))
    ns.wait_ready("returned")
    before = uids(ns, "pods,deployments", "returned")
    ns.kubectl("delete", PLURAL, "returned", "--cascade=orphan", "--timeout=60s")
    manifest = json.dumps(model_service().named("returned", namespace=ns.namespace).manifest())
    ns.kubectl("apply", "--server-side", "--field-manager=argocd-controller", "-f", "-", stdin=manifest)
    wait_owned(ns, "returned", (DEPLOYMENT, SERVICE))
    assert uids(ns, "pods,deployments", "returned") == before
    # Orphans that the new spec does not ask for are deleted, as if the object had never been away.
    ns.wait_deleted(HORIZONTAL_POD_AUTOSCALER.plural, "returned")
    ns.wait_deleted(SERVICE.plural, "front")


def test_restored_children_are_adopted(ns: NamespaceFixture) -> None:
    """Velero restores pods, ReplicaSets and Deployments before the objects of a custom resource."""
    ns.apply(fullest("restored"))
    ns.wait_ready("restored")
    service, objects = restorable(ns.get_model_service("restored")), backup(ns, "restored").export()
    delete_everything(ns, "restored")
    with never_stalled(ns, "restored"):
        restore(ns, objects)
        before = all_uids(ns, "restored")
        assert len(before) == len(objects)
        restore(ns, [service])
        wait_owned(ns, "restored")
        assert all_uids(ns, "restored") == before
    assert ns.get("deployment", "restored")["metadata"]["labels"][RESTORE_LABEL] == "restore-1"
    # The client that restored them is a manager of all their fields, which must not keep any of them.
    ns.apply(model_service().named("restored"))
    ns.wait(lambda: "loadBalancerSourceRanges" not in ns.get("service", "restored")["spec"], "change", name="restored")
    wait_owned(ns, "restored", (DEPLOYMENT, SERVICE))


SECRET = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "theirs", "key": "token", "optional": True}}}


@pytest.mark.parametrize("way", ["orphaned", "restored", "restored-without-managers"])
def test_adopted_pods_have_only_what_the_spec_asks_for(ns: NamespaceFixture, way: str) -> None:
    """Another author writes the next ModelService: it must not get the Secret of the last one."""
    name = f"lost-{way}"
    service = model_service().named(name)
    ns.apply(service.with_spec(env=[SECRET], args=["--debug"]))
    ns.wait_ready(name)
    objects = backup(ns, name).export()
    if way == "orphaned":
        ns.kubectl("delete", PLURAL, name, "--cascade=orphan", "--timeout=60s")
    else:
        delete_everything(ns, name)
        restore(ns, objects if way == "restored" else without_managed_fields(objects))
    before = backup(ns, name).uids("deployments")
    ns.apply(service.with_spec(env=[{"name": "OTHER", "value": "1"}]))
    wait_owned(ns, name, (DEPLOYMENT, SERVICE))
    [container] = ns.get("deployment", name)["spec"]["template"]["spec"]["containers"]
    assert "TOKEN" not in [variable["name"] for variable in container["env"]]
    assert "args" not in container
    assert backup(ns, name).uids("deployments") == before


def test_deployment_with_another_selector_is_replaced(ns: NamespaceFixture) -> None:
    """The advised command keeps the pods, and new ones start in addition."""
    deployment = restricted_deployment("handmade", "registry.example.com/iris:1", replicas=2)
    ns.kubectl("create", "-f", "-", stdin=json.dumps(deployment))
    ns.wait(lambda: len(ns.kubectl("get", "pods", "-l", "app=handmade", "-o", "name").split()) == 2, "pods")
    pods = ns.kubectl("get", "pods", "-l", "app=handmade", "-o", "jsonpath={.items[*].metadata.uid}")
    ns.apply(model_service().named("handmade"))
    message = wait_conflict(ns, "handmade")
    ns.kubectl("annotate", "deployment", "handmade", f"{ADOPT_BY_ANNOTATION}=handmade")
    run_advice(ns, message)
    ns.wait_ready("handmade")
    assert ns.kubectl("get", "pods", "-l", "app=handmade", "-o", "jsonpath={.items[*].metadata.uid}") == pods


def test_reverted_adoptions_are_limited(ns: NamespaceFixture, audit: AuditTrail) -> None:
    ns.apply(model_service().named("disputed"))
    ns.wait_ready("disputed")
    uid = ns.get_model_service("disputed")["metadata"]["uid"]
    metadata = {"ownerReferences": None, "annotations": {OWNER_ANNOTATION: "an-earlier-uid"}}
    before = audit.accepted_writes_of("disputed")
    for _ in range(MAX_CORRECTIONS + 1):
        ns.wait(lambda: owner_uid(ns, SERVICE, "disputed") == uid, "adopted Service", name="disputed")
        ns.kubectl("patch", "service", "disputed", "--type=merge", "-p", json.dumps({"metadata": metadata}))
    ns.wait(lambda: ns.condition("disputed").get("reason") == "DriftDetected", "complaint", name="disputed")
    assert "metadata.ownerReferences of Service disputed is being reverted" in ns.condition("disputed")["message"]
    assert (audit.accepted_writes_of("disputed") - before)["patch services"] == MAX_CORRECTIONS


def test_conflict_ends_with_the_object_in_the_way(
    ns: NamespaceFixture, audit: AuditTrail, figure: Callable[[str], None]
) -> None:
    figure(assert_conflicts_end(ns, audit, "deleted"))
