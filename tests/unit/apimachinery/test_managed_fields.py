"""managedFields: the hand-over from POST to apply, and whose a field is."""

from typing import Any

import pytest

from modelservice_operator.apimachinery.managed_fields import (
    claim_spec,
    has_co_owners,
    last_manager_of_field,
    release_fields,
    upgrade_managed_fields,
)
from modelservice_operator.settings import FIELD_MANAGER

OURS = {
    "manager": "modelservice-operator",
    "operation": "Update",
    "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}},
}
SCALED = OURS | {"subresource": "scale"}
OTHER = {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}}


def test_update_entry_becomes_an_apply_entry_without_replicas() -> None:
    [first, second, third] = upgrade_managed_fields([OURS, SCALED, OTHER])
    assert first == OURS | {"operation": "Apply", "fieldsV1": {"f:spec": {"f:template": {}}}}
    assert [second, third] == [SCALED, OTHER]


def test_existing_apply_entry_replaces_the_update_entry() -> None:
    applied = OURS | {"operation": "Apply"}
    assert upgrade_managed_fields([applied, OURS]) == [applied]


def written_by(manager: str, fields: dict[str, Any], **entry: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "time": "2026-01-02T03:00:00Z", "fieldsV1": fields} | entry


IMAGE: dict[str, Any] = {
    "f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"model"}': {".": {}, "f:image": {}}}}}}
}
PORT: dict[str, Any] = {"f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {"f:port": {}}}}}
LABELS: dict[str, Any] = {"f:metadata": {"f:labels": {"f:team": {}}}}


@pytest.mark.parametrize(
    ("path", "entries", "manager"),
    [
        (".spec.template.spec.containers[model].image", [written_by("kubectl-edit", IMAGE)], "kubectl-edit"),
        (".spec.template.spec.containers[model].image", [written_by("modelservice-operator", IMAGE)], None),
        (".spec.template.spec.containers[model].image", [written_by("x", IMAGE, subresource="status")], None),
        (".spec.template.spec.containers[model].image.x", [], None),
        (".metadata.labels.app", [written_by("kubectl-label", LABELS)], None),
        (".metadata.labels.team", [written_by("kubectl-label", LABELS)], "kubectl-label"),
        (".spec.selector.app", [written_by("kubectl", {"f:spec": {"f:selector": {}}})], "kubectl"),
        (".spec.ports[http].port", [written_by("kubectl", PORT)], None),
        (
            ".spec.paused",
            [
                written_by("late", {"f:spec": {"f:paused": {}}}, time="2026-01-02T03:00:09Z"),
                written_by("early", {"f:spec": {"f:paused": {}}}),
                {"manager": "nothing"},
            ],
            "late",
        ),
    ],
)
def test_last_manager_of_field_is_the_latest_writer(
    path: str, entries: list[dict[str, Any]], manager: str | None
) -> None:
    assert last_manager_of_field(path, entries) == manager


def applied_by(manager: str, fields: dict[str, Any], **entry: Any) -> dict[str, Any]:
    return written_by(manager, fields, operation="Apply", **entry)


def owned(manager: str, **spec: Any) -> dict[str, Any]:
    return applied_by(manager, {"f:spec": {f"f:{name}": fields for name, fields in spec.items()}})


OPERATOR = "modelservice-operator"
ENV: dict[str, Any] = {'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}}
EXTENDED_ENV: dict[str, Any] = {'k:{"name":"A"}': {".": {}, "f:name": {}, "f:valueFrom": {}}}
UDP: dict[str, Any] = {'k:{"containerPort":80,"protocol":"UDP"}': {".": {}, "f:containerPort": {}}}
TCP: dict[str, Any] = {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}}


@pytest.mark.parametrize(
    ("own", "other", "desired", "left"),
    [
        ({"f:args": {}}, {"f:args": {}, "f:paused": {}}, {}, {"f:paused": {}}),
        ({"f:args": {}}, {"f:args": {}}, {"args": ["b"]}, {"f:args": {}}),
        ({"f:a": {"f:x": {}}}, {"f:a": {".": {}, "f:x": {}, "f:y": {}}}, {}, {"f:a": {"f:y": {}}}),
        ({"f:a": {"f:x": {}}}, {"f:a": {".": {}, "f:x": {}}}, {}, {}),
        ({"f:a": {"f:x": {}}}, {"f:a": {".": {}, "f:x": {}}}, {"a": {}}, {"f:a": {".": {}}}),
        ({"f:a": {"f:x": {}}}, {"f:a": {"f:x": {}}}, {"a": {"z": 1}}, {}),
        ({"f:env": ENV}, {"f:env": EXTENDED_ENV}, {"env": [{"name": "B"}]}, {}),
        ({"f:env": ENV}, {"f:env": EXTENDED_ENV}, {}, {}),
        ({"f:env": ENV}, {"f:env": ENV}, {"env": [{"name": "A", "value": "1"}]}, {"f:env": ENV}),
        ({"f:ports": TCP | UDP}, {"f:ports": TCP | UDP}, {"ports": [{"containerPort": 80}]}, {"f:ports": TCP}),
        ({"f:set": {'v:"a"': {}, 'v:"b"': {}}}, {"f:set": {'v:"a"': {}}}, {"set": ["b"]}, {}),
        ({"f:a": {"f:x": {}}}, {"f:a": {}}, {}, {}),
        ({"f:a": {}}, {"f:a": {"f:x": {}}}, {}, {}),
        ({"f:a": {}}, {"f:b": {}}, {}, {"f:b": {}}),
    ],
)
def test_release_leaves_others_what_the_operator_never_owned(
    own: dict[str, Any], other: dict[str, Any], desired: dict[str, Any], left: dict[str, Any]
) -> None:
    entries = [applied_by(OPERATOR, own), applied_by("argocd", other)]
    expected = [entries[0], *([entries[1] | {"fieldsV1": left}] if left else [])]
    assert release_fields(entries, desired) == expected


def test_release_keeps_entries_without_fields_of_the_operator() -> None:
    status = written_by("kube-controller-manager", {"f:spec": {"f:a": {}}}, subresource="status")
    entries = [owned(OPERATOR, a={}), status, {"manager": "nothing"}]
    assert release_fields(entries, {}) == entries
    assert release_fields([owned("argocd", a={})], {}) == [owned("argocd", a={})]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([owned(OPERATOR, a={})], False),
        ([owned(OPERATOR, a={}), owned("argocd", a={})], True),
        ([owned(OPERATOR, a={}), owned("argocd", b={})], False),
        ([owned(OPERATOR, env=ENV), owned("argocd", env={'k:{"name":"A"}': {".": {}}})], False),
        ([owned(OPERATOR, a={}), owned("argocd", a={}) | {"subresource": "status"}], False),
        ([owned("kubectl", a={}), owned("argocd", a={})], False),
    ],
)
def test_co_owner_shares_a_field_with_the_operator(entries: list[dict[str, Any]], expected: bool) -> None:  # noqa: FBT001
    assert has_co_owners(entries) is expected


def test_last_manager_of_the_replicas_is_a_scaler() -> None:
    scaler = written_by("kube-controller-manager", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    assert last_manager_of_field(".spec.replicas", [scaler]) == "kube-controller-manager"


def spec_entry(manager: str, spec: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return an entry of managedFields."""
    return {"manager": manager, "operation": "Update", "apiVersion": "apps/v1", "fieldsV1": {"f:spec": spec}} | fields


def test_claimed_spec_leaves_replicas_and_template_metadata() -> None:
    pods: dict[str, Any] = {"f:metadata": {"f:annotations": {}}, "f:spec": {"f:containers": {"k:a": {}}}}
    restored = spec_entry("velero", {"f:replicas": {}, "f:selector": {}, "f:template": pods})
    other = spec_entry("kubectl", {"f:template": {"f:spec": {"f:containers": {"k:b": {}}}}})
    scaled = spec_entry("scaler", {"f:replicas": {}}, subresource="scale")
    old = spec_entry("old", {"f:paused": {}}, apiVersion="apps/v1beta1")
    *rest, own = claim_spec([restored, other, scaled, old], "apps/v1")
    assert rest == [restored, other, scaled, old]
    assert (own["manager"], own["operation"]) == (FIELD_MANAGER, "Apply")
    containers: dict[str, Any] = {"f:containers": {"k:a": {}, "k:b": {}}}
    assert own["fieldsV1"] == {"f:spec": {"f:selector": {}, "f:template": {"f:spec": containers}}}


@pytest.mark.parametrize("operation", ["Update", "Apply"])
def test_fields_of_the_client_that_restored_it_are_claimed(operation: str) -> None:
    """The defaults, which only that client owns, would be left of a probe whose handler is removed."""
    own = spec_entry(FIELD_MANAGER, {"f:probe": {"f:path": {}}}, operation=operation)
    restored = spec_entry("velero", {"f:replicas": {}, "f:probe": {"f:path": {}, "f:period": {}}})
    added = spec_entry("kubectl", {"f:paused": {}})
    *_, claimed = claim_spec([own, restored, added], "apps/v1")
    assert claimed["fieldsV1"] == {"f:spec": {"f:probe": {"f:path": {}, "f:period": {}}}}
    assert (claimed["manager"], claimed["operation"]) == (FIELD_MANAGER, "Apply")


def test_additions_of_others_are_not_claimed() -> None:
    entries = [spec_entry(FIELD_MANAGER, {"f:selector": {}}), spec_entry("kubectl", {"f:paused": {}})]
    assert claim_spec(entries, "apps/v1") == entries


def test_nothing_is_claimed_without_a_spec() -> None:
    entries: list[dict[str, Any]] = [{"manager": "kubectl", "fieldsV1": {"f:metadata": {}}}]
    assert claim_spec(entries, "v1") == entries
