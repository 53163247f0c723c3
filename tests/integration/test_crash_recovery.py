"""SIGKILL while the operator creates children: after a restart all exist, and each was created once."""

from collections import Counter

from tests.environment.audit import AuditTrail
from tests.support.builders import model_service
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess

OBJECTS = 20


def wait_for_write(ns: NamespaceFixture, audit: AuditTrail, name: str) -> None:
    """Return after the operator's first write for a ModelService, while others are still pending."""
    ns.wait(lambda: audit.writes_of(name).total() > 0, "write", name=name)


def test_sigkill_while_creating_leaves_no_duplicates(
    ns: NamespaceFixture, operator: OperatorProcess, audit: AuditTrail
) -> None:
    names = [f"crash-{number}" for number in range(OBJECTS)]
    for number, name in enumerate(names):
        ns.apply(model_service().named(name).autoscaled(max_replicas=3))
        if number % 5 == 4:
            wait_for_write(ns, audit, name)
            operator.kill()
            operator.start()
    for name in names:
        ns.wait_ready(name, within=60)
    for kind in ("deployment", "service", "hpa"):
        found = ns.kubectl("get", kind, "-o", "jsonpath={.items[*].metadata.name}").split()
        assert sorted(found) == sorted(names)
    creates = [request for request in audit.requests() if request.is_write and request.call.verb == "create"]
    accepted = Counter(request.call.resource for request in creates if request.status == 201)
    # A create whose client is killed before the answer may be stored and is audited as failed.
    interrupted = Counter(request.call.resource for request in creates if request.status not in {201, 409})
    expected = Counter({"deployments": OBJECTS, "services": OBJECTS, "horizontalpodautoscalers": OBJECTS})
    assert accepted - expected == Counter()
    assert expected - accepted <= interrupted
