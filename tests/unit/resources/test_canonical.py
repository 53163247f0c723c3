"""Canonical form of children: what the API server drops is dropped, what has a meaning stays."""

from typing import Any

import pytest

from modelservice_operator.resources.canonical import canonical_form


@pytest.mark.parametrize(
    ("node", "name", "expected"),
    [
        ({"args": [], "command": ["a"]}, "containers", {"command": ["a"]}),
        ({"initialDelaySeconds": 0, "periodSeconds": 5}, "readinessProbe", {"periodSeconds": 5}),
        ([{"key": "a", "value": ""}], "tolerations", [{"key": "a"}]),
        ({"nodeSelector": {}, "affinity": {}}, "spec", {"affinity": {}}),
        ({"selector": {"matchLabels": {}}}, "metric", {"selector": {}}),
        ({"emptyDir": {}, "name": "a"}, "volumes", {"emptyDir": {}, "name": "a"}),
        ({"readOnly": False}, "volumeMounts", {}),
    ],
)
def test_dropped_values_are_left_out(node: Any, name: str, expected: Any) -> None:
    assert canonical_form(node, name) == expected


@pytest.mark.parametrize(
    ("field", "holder"),
    [
        *(("automountServiceAccountToken", "spec"), ("enableServiceLinks", "spec"), ("readOnly", "csi")),
        *(("terminationGracePeriodSeconds", "spec"), ("allowPrivilegeEscalation", "securityContext")),
    ],
)
def test_zero_of_a_pointer_stays(field: str, holder: str) -> None:
    assert canonical_form({field: 0}, holder) == {field: 0}
