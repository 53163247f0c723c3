"""Values that differ from run to run are masked, and no others."""

from typing import Any

from modelservice_operator.settings import FIELD_MANAGER
from tests.environment.faults.masking import differences, masked


def a_deployment(run: str, **spec: Any) -> dict[str, Any]:
    entry = {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": {"f:spec": {}}, "time": f"time of {run}"}
    return {
        "kind": "Deployment",
        "metadata": {
            "name": f"name-{run}",
            "uid": f"uid-{run}",
            "resourceVersion": run,
            "creationTimestamp": f"then-{run}",
            "managedFields": [entry, {"manager": "somebody", "operation": "Update"}],
        },
        "spec": {"selector": f"app=name-{run}", "replicas": 1} | spec,
        "status": {"replicas": 1, "conditions": [f"said in {run}"]},
    }


def stand_in(run: str, **spec: Any) -> dict[str, Any]:
    return masked(a_deployment(run, **spec), {f"name-{run}": "<name>"})


def test_two_runs_are_equal() -> None:
    assert stand_in("1") == stand_in("2")


def test_another_spec_is_another_object() -> None:
    assert differences(stand_in("1"), stand_in("2", replicas=2)) == [".spec.replicas is 2 instead of 1"]


def test_field_managers_are_compared() -> None:
    other = a_deployment("2")
    other["metadata"]["managedFields"][0]["operation"] = "Update"
    [sentence] = differences(stand_in("1"), masked(other, {"name-2": "<name>"}))
    assert sentence.startswith(".metadata.ours[0].operation")


def test_differences_name_their_place() -> None:
    assert differences({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}) == [".a[1].b is 3 instead of 2"]
    assert differences({"a": [1]}, {"a": []}) == [".a is [] instead of [1]"]
    assert differences({"a": 1}, {}) == [".a is null instead of 1"]
