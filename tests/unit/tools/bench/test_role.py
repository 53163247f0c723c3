"""The peers of the benchmark may do what the operator needs."""

from bench.bench_cluster import role_rules

from modelservice_operator.apimachinery.kinds import CHILD_KINDS, DIAGNOSTIC_KINDS, LEASE, MODEL_SERVICE


def test_role_has_the_groups_of_all_kinds() -> None:
    allowed = {group for rule in role_rules() for group in rule["apiGroups"]}
    needed = {kind.group for kind in (MODEL_SERVICE, LEASE, *CHILD_KINDS, *DIAGNOSTIC_KINDS)}
    assert needed | {"events.k8s.io", "apiextensions.k8s.io"} <= allowed
