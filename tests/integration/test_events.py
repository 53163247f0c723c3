"""Events of our own: one for each transition, none at rest, as `kubectl describe` shows them."""

import json
from typing import Any

from tests.environment.audit import AuditTrail
from tests.support.builders import model_service
from tests.support.namespace import TestNamespace


def told(world: TestNamespace, name: str) -> list[tuple[str, str]]:
    """Reason and note of the Events about a ModelService, oldest first."""
    found = world.kubectl("get", "events", "--field-selector", f"involvedObject.name={name}", "-o", "json")
    ours = [event for event in json.loads(found)["items"] if event["involvedObject"]["kind"] == "ModelService"]
    return [(event["reason"], event["message"]) for event in sorted(ours, key=lambda event: str(event["eventTime"]))]


def reasons(world: TestNamespace, name: str) -> list[str]:
    return [reason for reason, _ in told(world, name)]


def wait_reasons(world: TestNamespace, name: str, expected: list[str]) -> None:
    world.wait(lambda: reasons(world, name) == expected, f"Events {expected}", name=name)


def test_a_life_in_events(world: TestNamespace, audit: AuditTrail) -> None:
    life = ["Created", "RolloutComplete"]
    service = model_service().named("lively")
    world.apply(service)
    wait_reasons(world, "lively", life)
    assert told(world, "lively")[0][1] == "Created Deployment and Service."
    world.apply(service)
    world.apply(service.with_spec(image="registry.example.com/iris:2"))
    wait_reasons(world, "lively", life := [*life, "RolloutStarted", "RolloutComplete"])
    world.apply(service.with_spec(nodeSelector={"example.com/disk": "none-has-it"}))
    wait_reasons(world, "lively", life := [*life, "RolloutStarted", "Failed"])
    assert told(world, "lively")[-1][1].startswith("Unschedulable: ")
    world.apply(service)
    wait_reasons(world, "lively", [*life, "RolloutStarted", "RolloutComplete"])
    assert audit.events(world.namespace) == len(told(world, "lively"))


def test_a_correction_names_the_field_and_who_had_changed_it(world: TestNamespace) -> None:
    world.apply(model_service().named("drifting"))
    world.wait_ready("drifting")
    patch: dict[str, Any] = {"spec": {"type": "NodePort"}}
    world.kubectl("patch", "service", "drifting", "--field-manager=somebody-else", "-p", json.dumps(patch))
    wait_reasons(world, "drifting", ["Created", "RolloutComplete", "DriftCorrected"])
    note = told(world, "drifting")[-1][1]
    assert note == "Reverted spec.type of Service, changed by somebody-else."


def test_a_name_that_is_taken_is_an_event(world: TestNamespace) -> None:
    world.kubectl("create", "service", "clusterip", "taken", "--tcp=80")
    world.apply(model_service().named("taken"))
    wait_reasons(world, "taken", ["NameConflict"])
    assert "Service taken already exists and is not managed by this ModelService" in told(world, "taken")[0][1]
