"""Fields of children that the API server does not let an update change: it names them itself, for every field.

Each child of generated specs is stored, and each child of a changed spec is applied to it by a dry run. What the API
server rejects, although it would create the new child, must be in the table of the operator, which then deletes and
creates the child. The cluster has both IP families, because a Service can change them only there.
"""

from collections.abc import Callable, Iterator

import pytest

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import BUILT_IN_CHILD_KINDS
from modelservice_operator.resources import DesiredChild, build_children
from modelservice_operator.resources.immutable import IMMUTABLE_FIELDS
from tests.environment.cluster import Cluster, Tier
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.cluster.lifecycle import start
from tests.support.builders import golden, model_service
from tests.support.child_changes import ChildChanges, Outcomes, unowned
from tests.support.dry_run import DryRunClient, open_dry_run_client
from tests.support.installation import ACCOUNT, NAMESPACE, install_without_operator
from tests.support.kubernetes import without_newer_fields
from tests.support.namespace import NamespaceFixture
from tests.support.operator import running_operator
from tests.support.spec_changes import spec_groups

BOTH_FAMILIES = {"kube-apiserver": ["--service-cluster-ip-range=198.19.0.0/17,2001:db8::/112"]}
CHANGES_OF_A_FIELD = 4
"""Changes of each refused field that the operator makes live; their old and new specs are of different kinds."""
LONGEST_NAME, MAX_NAME = 63, 254
"""Characters of the name of a ModelService, and more than any object may have."""
LIVE_FIELDS = [field for fields in IMMUTABLE_FIELDS.values() for field in fields]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A control plane with Services of both IP families."""
    with start(Tier.CONTROL_PLANE, flags=BOTH_FAMILIES) as running:
        install_without_operator(running)
        yield running


@pytest.fixture(scope="module")
def both_families(cluster: Cluster) -> Iterator[DryRunClient]:
    with open_dry_run_client(cluster.kubeconfig) as server:
        yield server


@pytest.fixture(scope="module")
def changes(cluster: Cluster, both_families: DryRunClient) -> ChildChanges:
    """The changes of all groups, sent."""
    sent = ChildChanges(both_families, create_namespace(cluster, "changes"))
    for group in spec_groups():
        sent.send(group)
    return sent


@pytest.fixture(scope="module")
def outcomes(changes: ChildChanges) -> Outcomes:
    return changes.outcomes


@pytest.fixture(scope="module")
def ns(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamespaceFixture]:
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with running_operator(cluster.service_account_kubeconfig(NAMESPACE, ACCOUNT), log) as operator:
        yield NamespaceFixture(cluster, create_namespace(cluster, "live"), lambda: operator.log)


def test_no_update_is_refused_but_those_of_the_table(outcomes: Outcomes, figure: Callable[[str], None]) -> None:
    refused = sum(outcomes.rejected.values())
    figure(
        f"changes of children: {len(outcomes.leaves)} leaves added, changed or removed,"
        f" {outcomes.updated.total()} updates accepted, {refused} rejected as immutable, 0 others"
    )
    figure(f"accepted by kind: {dict(outcomes.updated)}, rejected: {dict(outcomes.rejected)}")
    assert outcomes.refused == []


def test_every_field_of_the_table_is_refused(outcomes: Outcomes) -> None:
    """Other fields are named only together with one of the table."""
    seen = {(kind, field) for kind, field in outcomes.recreated}
    table = {(kind, field) for kind, fields in IMMUTABLE_FIELDS.items() for field in fields}
    assert table - seen == set()
    assert {kind for kind, _ in seen} == set(IMMUTABLE_FIELDS)


def test_no_child_is_recreated_without_need(outcomes: Outcomes) -> None:
    assert outcomes.needless == []


def test_one_apply_settles_each_update(outcomes: Outcomes) -> None:
    assert outcomes.unsettled == []


@pytest.mark.parametrize("field", LIVE_FIELDS)
def test_immutable_field_recreates_the_child(
    outcomes: Outcomes, ns: NamespaceFixture, field: str, figure: Callable[[str], None]
) -> None:
    found = [change for (_, name), all_changes in outcomes.recreated.items() if name == field for change in all_changes]
    step = max(1, len(found) // CHANGES_OF_A_FIELD)
    chosen = found[::step][:CHANGES_OF_A_FIELD]
    service = model_service().named("live")
    for old, new in chosen:
        ns.apply(service.with_spec(service=old.get("service", {})))
        ns.wait_ready("live")
        uid = ns.get("service", "live")["metadata"]["uid"]
        ns.apply(service.with_spec(service=new.get("service", {})))
        ns.wait(lambda: was_replaced(ns, uid), f"new Service for {old} -> {new}", name="live")  # noqa: B023
        ns.wait_ready("live")
        assert ns.condition("live")["reason"] != "Rejected"
        ns.kubectl("delete", "modelservice", "live")
        ns.wait_deleted("service", "live")
    figure(f"{field}: {len(chosen)} of {len(found)} changes live, each with a new Service and Ready")


def test_no_name_is_too_long_for_a_child(
    both_families: DryRunClient, changes: ChildChanges, figure: Callable[[str], None]
) -> None:
    """The API server names the longest name of each kind itself; children of the longest ModelService keep to it."""
    service = without_newer_fields(golden("everything")).named("n" * LONGEST_NAME, namespace=changes.namespace)
    too_long = service.named("n" * (LONGEST_NAME + 1))
    assert not both_families.create_model_service(too_long).is_accepted
    children = build_children(ModelService.parse(both_families.create_model_service(service).body))
    limits = {child.kind.kind: longest_name(both_families, child) for child in children}
    names = {child.kind.kind: len(child.key.name) for child in children}
    figure(f"longest names that the API server accepts: {limits}; those of the operator: {names}")
    assert names.keys() == {kind.kind for kind in BUILT_IN_CHILD_KINDS}
    assert {kind: length for kind, length in names.items() if length > limits[kind]} == {}


def longest_name(server: DryRunClient, child: DesiredChild) -> int:
    """Return the length of the longest name with which the API server creates a child."""
    path, body = child.kind.path(namespace=child.key.namespace), unowned(child)
    accepted = (
        length
        for length in range(MAX_NAME, 0, -1)
        if server.create(path, {**body, "metadata": body["metadata"] | {"name": "n" * length}}).is_accepted
    )
    return next(accepted)


def was_replaced(ns: NamespaceFixture, uid: str) -> bool:
    found = ns.get("service", "live")
    return found is not None and found["metadata"]["uid"] != uid
