"""Ownership is decided by UID; an object without a controller is adopted by its marks, or on the word of a user."""

from itertools import product
from typing import Any

import pytest

from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.apimachinery.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, SERVICE, ResourceKind
from modelservice_operator.apply.ownership import (
    Ownership,
    adopted_references,
    check_ownership,
    is_owned_by,
    ownership_of,
)
from modelservice_operator.errors import NameConflictError, PredecessorTerminatingError
from modelservice_operator.resources import DesiredChild, build_children
from modelservice_operator.resources.metadata import ADOPT_BY_ANNOTATION, OWNER_ANNOTATION, labels
from tests.support.builders import model_service

AUTOSCALED = model_service().autoscaled(max_replicas=3).parsed()
IRIS = model_service().parsed()
UID = IRIS.metadata.uid
DELETED: dict[str, Any] = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
MARKS: dict[str, Any] = {"labels": labels(IRIS), "annotations": {OWNER_ANNOTATION: "an-earlier-uid"}}
WORD: dict[str, Any] = {"annotations": {ADOPT_BY_ANNOTATION: "iris"}}
API_VERSION = "modelservice.dev/v1alpha1"


def reference(uid: str, *, kind: str = "ModelService", name: str = "iris", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "name": name, "uid": uid, "controller": True} | fields


def owned_by(uid: str, *, kind: str = "ModelService", name: str = "iris", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"ownerReferences": [reference(uid, kind=kind, name=name)], **metadata}}


def child(kind: ResourceKind, service: ModelService = AUTOSCALED) -> DesiredChild:
    return next(child for child in build_children(service) if child.kind is kind)


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        (owned_by(UID), Ownership.OWNED),
        (owned_by(UID, **DELETED), Ownership.TERMINATING),
        (owned_by("another-uid"), Ownership.TERMINATING),
        (owned_by("another-uid", **MARKS), Ownership.TERMINATING),
        (owned_by("another-uid", **MARKS, **DELETED), Ownership.TERMINATING),
        (owned_by("another-uid", name="other"), Ownership.NOT_OWNED),
        (owned_by("another-uid", name="other", **MARKS), Ownership.NOT_OWNED),
        (owned_by("another-uid", kind="Rollout"), Ownership.NOT_OWNED),
        (owned_by("another-uid", kind="Rollout", **MARKS), Ownership.NOT_OWNED),
        (owned_by("another-uid", kind="Rollout", **WORD), Ownership.NOT_OWNED),
        ({"metadata": {}}, Ownership.NOT_OWNED),
        ({"metadata": DELETED}, Ownership.TERMINATING),
        ({"metadata": MARKS}, Ownership.ORPHANED),
        ({"metadata": MARKS | DELETED}, Ownership.TERMINATING),
        ({"metadata": WORD}, Ownership.OFFERED),
        ({"metadata": {"annotations": {ADOPT_BY_ANNOTATION: "other"}}}, Ownership.NOT_OWNED),
        ({"metadata": {"annotations": {OWNER_ANNOTATION: UID}}}, Ownership.OWNED),
        ({"metadata": {"annotations": {OWNER_ANNOTATION: "another-uid"}}}, Ownership.NOT_OWNED),
        (owned_by("x", kind="Rollout", annotations={OWNER_ANNOTATION: UID}), Ownership.NOT_OWNED),
    ],
)
def test_ownership_of(live: dict[str, Any], expected: Ownership) -> None:
    assert ownership_of(live, IRIS) is expected


def test_model_service_of_another_api_group_is_no_predecessor() -> None:
    other = reference("x", apiVersion="llm.example.com/v1alpha1")
    assert ownership_of({"metadata": {"ownerReferences": [other], **MARKS}}, IRIS) is Ownership.NOT_OWNED


@pytest.mark.parametrize("missing", ["app.kubernetes.io/managed-by", "app.kubernetes.io/instance", OWNER_ANNOTATION])
def test_orphan_needs_every_mark(missing: str) -> None:
    metadata = {part: {name: value for name, value in MARKS[part].items() if name != missing} for part in MARKS}
    assert ownership_of({"metadata": metadata}, IRIS) is Ownership.NOT_OWNED


def test_orphan_of_another_name_is_not_owned() -> None:
    """A Service can have the name that another ModelService needs."""
    metadata = MARKS | {"labels": labels(model_service().named("other").parsed())}
    assert ownership_of({"metadata": metadata}, IRIS) is Ownership.NOT_OWNED


def test_orphan_with_another_owner_needs_the_word() -> None:
    """Owners that are not controllers decide about the deletion of the object as well."""
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "theirs", "uid": "x"}
    live = {"metadata": MARKS | {"ownerReferences": [other]}}
    assert ownership_of(live, IRIS) is Ownership.NOT_OWNED
    offered = {"metadata": WORD | {"ownerReferences": [other]}}
    assert ownership_of(offered, IRIS) is Ownership.OFFERED
    own = child(SERVICE).body["metadata"]["ownerReferences"]
    assert adopted_references(child(SERVICE), offered, IRIS) == [other, *own]
    assert adopted_references(child(SERVICE), owned_by("an-earlier-uid"), IRIS) == own


MARKED = [{}, MARKS, WORD, {"annotations": {OWNER_ANNOTATION: UID}}]
REFERENCES: list[list[dict[str, Any]]] = [
    *([], [reference(UID)], [reference("an-earlier-uid")], [reference("x", kind="Rollout")]),
    *([reference("x", name="other")], [reference("x", controller=False, kind="ConfigMap")]),
    [reference("x", apiVersion="llm.example.com/v1")],
]


@pytest.mark.parametrize(("metadata", "references"), list(product(MARKED, REFERENCES)))
def test_controller_of_another_owner_is_never_replaced(
    metadata: dict[str, Any], references: list[dict[str, Any]]
) -> None:
    """Every combination of marks and references: no adoption leaves two controllers, or drops a living owner."""
    live = {"metadata": metadata | {"ownerReferences": references}}
    ownership = ownership_of(live, IRIS)
    foreign = [ref for ref in references if ref not in (reference(UID), reference("an-earlier-uid"))]
    if ownership in {Ownership.ORPHANED, Ownership.OFFERED}:
        adopted = adopted_references(child(SERVICE), live, IRIS)
        assert [ref["uid"] for ref in adopted if ref.get("controller")] == [UID]
        assert [ref for ref in foreign if ref not in adopted] == []
    elif any(ref["controller"] for ref in foreign):
        assert ownership is Ownership.NOT_OWNED
    assert not is_owned_by({"metadata": live["metadata"] | DELETED}, IRIS)


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        (
            {"kind": "Deployment", "name": "iris"},
            "set autoscaling.managedBy to External to let it manage the replicas.",
        ),
        ({"kind": "Deployment", "name": "tulip"}, "give the ModelService another name."),
        ({"kind": "StatefulSet", "name": "iris"}, "give the ModelService another name."),
        ({}, "give the ModelService another name."),
    ],
)
def test_autoscaler_of_the_deployment_may_stay(target: dict[str, Any], advice: str) -> None:
    live = {"metadata": {"name": "iris"}, "spec": {"scaleTargetRef": target}}
    with pytest.raises(NameConflictError) as caught:
        check_ownership(child(HORIZONTAL_POD_AUTOSCALER), live, IRIS)
    assert str(caught.value).endswith(advice)


def advice_for(kind: ResourceKind, live: dict[str, Any]) -> str:
    named = live | {"metadata": {"name": "iris", "namespace": "ml"} | live["metadata"]}
    with pytest.raises(NameConflictError) as caught:
        check_ownership(child(kind), named, IRIS)
    return str(caught.value).partition("; it was not modified. ")[2]


SELECTOR = child(DEPLOYMENT).body["spec"]["selector"]
OTHER_SELECTOR = {"spec": {"selector": {"matchLabels": {"app": "iris"}}}}
ADOPT_SERVICE = (
    "To have it adopted, run kubectl annotate -n ml service/iris modelservice.dev/adopt-by=iris. Otherwise set"
    " service.name to another name."
)
ADOPT_DEPLOYMENT = (
    "To have it adopted, run kubectl annotate -n ml deployment/iris modelservice.dev/adopt-by=iris. Otherwise give the"
    " ModelService another name."
)
REPLACE_DEPLOYMENT = (
    "Its selector differs and cannot be changed: give the ModelService another name, or replace it without stopping its"
    " pods: run kubectl delete -n ml deployment/iris --cascade=orphan, and delete its ReplicaSets when the ModelService"
    " is Ready."
)
BELONGS = "It belongs to Rollout iris: give the ModelService another name."


@pytest.mark.parametrize(
    ("kind", "live", "advice"),
    [
        (SERVICE, {"metadata": {}}, ADOPT_SERVICE),
        (DEPLOYMENT, {"metadata": {}, "spec": {"selector": SELECTOR}}, ADOPT_DEPLOYMENT),
        (DEPLOYMENT, {"metadata": {}} | OTHER_SELECTOR, REPLACE_DEPLOYMENT),
        (DEPLOYMENT, {"metadata": WORD} | OTHER_SELECTOR, REPLACE_DEPLOYMENT),
        (DEPLOYMENT, {"metadata": MARKS} | OTHER_SELECTOR, REPLACE_DEPLOYMENT),
        (DEPLOYMENT, owned_by("x", kind="Rollout") | OTHER_SELECTOR, BELONGS),
    ],
)
def test_advice_ends_no_pods(kind: ResourceKind, live: dict[str, Any], advice: str) -> None:
    assert advice_for(kind, live) == advice


@pytest.mark.parametrize("metadata", [MARKS, WORD])
def test_fitting_selector_can_be_adopted(metadata: dict[str, Any]) -> None:
    live = {"metadata": {"name": "iris"} | metadata, "spec": {"selector": SELECTOR}}
    check_ownership(child(DEPLOYMENT), live, IRIS)


def test_object_that_is_being_deleted_is_awaited() -> None:
    with pytest.raises(PredecessorTerminatingError, match=r"Service iris is being deleted; waiting until it is gone\."):
        check_ownership(child(SERVICE), {"metadata": DELETED | {"name": "iris"}}, IRIS)
