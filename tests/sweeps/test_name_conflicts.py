"""Every kind of child: objects that are in the way, and restored ones that come after their owner."""

from collections.abc import Callable

import pytest

from modelservice_operator.apimachinery.kinds import (
    BUILT_IN_CHILD_KINDS,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    SERVICE,
)
from modelservice_operator.resources.metadata import ADOPT_BY_ANNOTATION
from tests.environment.audit import AuditTrail
from tests.support.adoption import (
    all_uids,
    assert_conflicts_end,
    backup,
    create_like_child,
    delete_everything,
    fullest,
    owner_uid,
    run_advice,
    taken_name,
    uids,
    wait_conflict,
    wait_owned,
)
from tests.support.backups import restorable, restore
from tests.support.builders import model_service
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess


@pytest.mark.parametrize("runs", [True, False], ids=["operator-runs", "operator-starts-later"])
def test_children_restored_after_their_owner(ns: NamespaceFixture, operator: OperatorProcess, *, runs: bool) -> None:
    """A running operator has created them before: nothing is restored over them."""
    name = f"late-{runs}".lower()
    ns.apply(model_service().named(name).autoscaled(max_replicas=3).with_spec(model={"uri": "s3://models/iris"}))
    ns.wait(lambda: all_uids(ns, name).keys() >= {f"Service {name}", f"Deployment {name}"}, "children", name=name)
    ns.wait(lambda: uids(ns, "pods", name), "pods", name=name)
    service, objects = restorable(ns.get_model_service(name)), backup(ns, name).export()
    delete_everything(ns, name)
    if not runs:
        operator.stop()
    restore(ns, [service])
    restore(ns, objects)
    before = all_uids(ns, name)
    if not runs:
        operator.start()
    uid = ns.get_model_service(name)["metadata"]["uid"]
    owned = (DEPLOYMENT, SERVICE, HORIZONTAL_POD_AUTOSCALER)
    ns.wait(lambda: {owner_uid(ns, kind, name) for kind in owned} == {uid}, "owned children", name=name)
    ns.wait(lambda: ns.condition(name).get("observedGeneration") == 1, "status", name=name)
    assert ns.condition(name, "Stalled") == {}
    if not runs:
        assert all_uids(ns, name) == before


ADVISED_KINDS = tuple(kind for kind in BUILT_IN_CHILD_KINDS if kind is not HORIZONTAL_POD_AUTOSCALER)


def test_advised_command_adopts_the_object(ns: NamespaceFixture) -> None:
    """An object without any mark of the operator. Its pods, if it has any, keep running."""
    for kind in ADVISED_KINDS:
        name = taken_name("advised", kind)
        create_like_child(ns, kind, fullest(name))
        ns.apply(fullest(name))
    ns.wait(lambda: len(uids(ns, "pods", taken_name("advised", DEPLOYMENT))) > 0, "pods")
    for kind in ADVISED_KINDS:
        name = taken_name("advised", kind)
        message = wait_conflict(ns, name)
        before, pods = ns.get(kind.plural, name)["metadata"]["uid"], uids(ns, "pods", name)
        run_advice(ns, message)
        wait_owned(ns, name, (kind,))
        assert ns.get(kind.plural, name)["metadata"]["uid"] == before
        if kind is DEPLOYMENT:
            assert pods.items() <= uids(ns, "pods", name).items()


def test_word_does_not_take_from_another_controller(ns: NamespaceFixture) -> None:
    ns.kubectl("create", "configmap", "theirs")
    uid = ns.get("configmap", "theirs")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "theirs", "uid": uid, "controller": True}
    for kind in BUILT_IN_CHILD_KINDS:
        name = taken_name("theirs", kind)
        word = {"annotations": {ADOPT_BY_ANNOTATION: name}}
        create_like_child(ns, kind, fullest(name), ownerReferences=[owner], **word)
        ns.apply(fullest(name))
    for kind in BUILT_IN_CHILD_KINDS:
        wait_conflict(ns, taken_name("theirs", kind))
        assert owner_uid(ns, kind, taken_name("theirs", kind)) == uid


@pytest.mark.parametrize("end", ["finished", "offered"])
def test_conflict_ends_with_its_cause(
    ns: NamespaceFixture, audit: AuditTrail, figure: Callable[[str], None], end: str
) -> None:
    """A deletion that hung ends, or the owner of the object offers it."""
    figure(assert_conflicts_end(ns, audit, end))
