"""Deletion of a whole namespace: nothing is re-created in it, no error is logged, other namespaces are served."""

from tests.environment.audit import AuditTrail
from tests.environment.cluster import Cluster
from tests.environment.cluster.fixtures import create_namespace
from tests.support.builders import model_service
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess


def test_terminating_namespace_is_ignored(
    control_plane: Cluster, ns: NamespaceFixture, operator: OperatorProcess, audit: AuditTrail
) -> None:
    terminating = NamespaceFixture(control_plane, create_namespace(control_plane, "leaving"), ns.operator_log)
    names = [f"gone-{number}" for number in range(5)]
    for name in names:
        terminating.apply(model_service().named(name).autoscaled(max_replicas=3))
    for name in names:
        terminating.wait_ready(name)
    control_plane.run_kubectl("delete", "namespace", terminating.namespace, "--timeout=60s")
    ns.apply(model_service().named("untouched"))
    ns.wait_ready("untouched")
    creates = {
        write: count for write, count in audit.writes(terminating.namespace).items() if write.startswith("create")
    }
    # At most one rejected attempt for each child that was deleted before its ModelService.
    assert all(count <= 2 * len(names) for count in creates.values())
    assert "is being terminated" not in operator.log
