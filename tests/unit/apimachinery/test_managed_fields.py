"""managedFields: the hand-over from POST to apply, and whose a field is."""

from typing import Any

import pytest

from modelservice_operator.apimachinery.managed_fields import last_manager_of_field, upgrade_managed_fields

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
