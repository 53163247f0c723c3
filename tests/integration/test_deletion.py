"""Deletion in all its forms: by owner references and the garbage collector, with no finalizer of ours."""

from tests.environment.audit import AuditTrail
from tests.support.builders import model_service
from tests.support.namespace import TestNamespace
from tests.support.operator import OperatorProcess

CHILDREN = ("deployment", "service", "hpa")


def owners(world: TestNamespace, name: str) -> set[str]:
    """Return the UIDs of the controllers of all children that exist."""
    found = [world.get(kind, name) for kind in CHILDREN]
    return {reference["uid"] for body in found if body for reference in body["metadata"].get("ownerReferences", ())}


def test_while_the_operator_is_down(world: TestNamespace, operator: OperatorProcess) -> None:
    world.apply(model_service().named("down").autoscaled(max_replicas=3))
    world.wait_ready("down")
    assert "finalizers" not in world.service("down")["metadata"]
    operator.stop()
    world.kubectl("delete", "modelservice", "down", "--wait=true", "--timeout=20s")
    for kind in CHILDREN:
        # The garbage collector looks for new custom resources every 30 s, and this one may be news to it.
        world.wait_gone(kind, "down", within=120)
    operator.start()


def test_in_the_foreground_nothing_is_made_again(world: TestNamespace, audit: AuditTrail) -> None:
    world.apply(model_service().named("front").autoscaled(max_replicas=3))
    world.wait_ready("front")
    before = audit.writes_of("front")
    world.kubectl("delete", "modelservice", "front", "--cascade=foreground", "--timeout=60s")
    for kind in CHILDREN:
        assert world.get(kind, "front") is None
    assert audit.writes_of("front") - before == {}


def test_orphans_are_left_alone_also_by_a_successor(world: TestNamespace) -> None:
    service = model_service().named("orphans")
    world.apply(service)
    world.wait_ready("orphans")
    world.kubectl("delete", "modelservice", "orphans", "--cascade=orphan", "--timeout=60s")
    before = world.get("deployment", "orphans")["metadata"]
    assert "ownerReferences" not in before
    world.apply(service)
    world.wait(lambda: world.condition("orphans").get("reason") == "NameConflict", "name conflict", name="orphans")
    assert "left it behind (--cascade=orphan)" in world.condition("orphans")["message"]
    assert world.get("deployment", "orphans")["metadata"]["uid"] == before["uid"]
    world.kubectl("delete", "deployment,service", "orphans")
    world.wait_ready("orphans", within=90)


def test_the_same_name_again_and_again(world: TestNamespace) -> None:
    """Each incarnation is deleted before it is done; the last one's children are its own, all of them."""
    for round_ in range(6):
        world.apply(model_service().named("again").with_spec(replicas=1 + round_ % 2).autoscaled(max_replicas=3))
        if round_ < 5:
            world.kubectl("delete", "modelservice", "again", "--wait=true", "--timeout=20s")
    world.wait_ready("again", within=90)
    assert owners(world, "again") == {world.service("again")["metadata"]["uid"]}
    assert all(world.get(kind, "again") for kind in CHILDREN)
