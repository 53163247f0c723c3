"""Deletion in every cascade mode works by owner references and the garbage collector, without a finalizer."""

import pytest

from tests.environment.audit import AuditTrail
from tests.support.builders import model_service
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess

pytestmark = pytest.mark.core

CHILDREN = ("deployment", "service", "hpa")


def owner_uids(ns: NamespaceFixture, name: str) -> set[str]:
    """Return the UIDs of the controllers of all children that exist."""
    found = [ns.get(kind, name) for kind in CHILDREN]
    return {reference["uid"] for body in found if body for reference in body["metadata"].get("ownerReferences", ())}


def test_deletion_works_without_the_operator(ns: NamespaceFixture, operator: OperatorProcess) -> None:
    ns.apply(model_service().named("down").autoscaled(max_replicas=3))
    ns.wait_ready("down")
    assert "finalizers" not in ns.get_model_service("down")["metadata"]
    operator.stop()
    ns.kubectl("delete", "modelservice", "down", "--wait=true", "--timeout=60s")
    for kind in CHILDREN:
        # The garbage collector discovers new custom resources every 30 s, and may not know this one yet.
        ns.wait_deleted(kind, "down", within=120)
    operator.start()


def test_foreground_deletion_recreates_nothing(ns: NamespaceFixture, audit: AuditTrail) -> None:
    ns.apply(model_service().named("front").autoscaled(max_replicas=3))
    ns.wait_ready("front")
    before = audit.writes_of("front")
    ns.kubectl("delete", "modelservice", "front", "--cascade=foreground", "--timeout=60s")
    for kind in CHILDREN:
        assert ns.get(kind, "front") is None
    assert audit.writes_of("front") - before == {}


def test_reused_name_has_only_children_of_its_last_owner(ns: NamespaceFixture) -> None:
    """Each object is deleted before its rollout completes; all children belong to the last one in the end."""
    for number in range(6):
        ns.apply(model_service().named("again").with_spec(replicas=1 + number % 2).autoscaled(max_replicas=3))
        if number < 5:
            ns.kubectl("delete", "modelservice", "again", "--wait=true", "--timeout=60s")
    ns.wait_ready("again", within=90)
    assert owner_uids(ns, "again") == {ns.get_model_service("again")["metadata"]["uid"]}
    assert all(ns.get(kind, "again") for kind in CHILDREN)
