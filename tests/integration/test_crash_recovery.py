"""SIGKILL while the operator creates: after a restart everything is complete, and nothing was made twice."""

from collections import Counter

from tests.environment.audit import AuditTrail
from tests.support.builders import model_service
from tests.support.namespace import TestNamespace
from tests.support.operator import OperatorProcess

OBJECTS = 20


def wait_for_a_write(world: TestNamespace, audit: AuditTrail, name: str) -> None:
    """Return in the middle of things: after the first write that is seen from now on."""
    before = audit.writes(world.namespace).total()
    world.wait(lambda: audit.writes(world.namespace).total() > before, "write", name=name)


def test_killed_while_creating(world: TestNamespace, operator: OperatorProcess, audit: AuditTrail) -> None:
    names = [f"crash-{number}" for number in range(OBJECTS)]
    for round_, name in enumerate(names):
        world.apply(model_service().named(name).autoscaled(max_replicas=3))
        if round_ % 5 == 4:
            wait_for_a_write(world, audit, name)
            operator.kill()
            operator.start()
    for name in names:
        world.wait_ready(name, within=60)
    for kind in ("deployment", "service", "hpa"):
        found = world.kubectl("get", kind, "-o", "jsonpath={.items[*].metadata.name}").split()
        assert sorted(found) == sorted(names)
    accepted = Counter(
        request.call.resource
        for request in audit.requests()
        if request.is_write and request.call.verb == "create" and request.status == 201
    )
    assert accepted == {"deployments": OBJECTS, "services": OBJECTS, "horizontalpodautoscalers": OBJECTS}
