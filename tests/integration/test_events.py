"""Events of ModelServices: one for each transition, none while nothing changes, as `kubectl describe` shows them."""

import json
from typing import Any

from tests.environment.audit import AuditTrail
from tests.support.builders import model_service
from tests.support.namespace import NamespaceFixture


def events_of(ns: NamespaceFixture, name: str) -> list[tuple[str, str]]:
    """Return reason and note of the Events about a ModelService, oldest first."""
    found = ns.kubectl("get", "events", "--field-selector", f"involvedObject.name={name}", "-o", "json")
    events = [event for event in json.loads(found)["items"] if event["involvedObject"]["kind"] == "ModelService"]
    return [(event["reason"], event["message"]) for event in sorted(events, key=lambda event: str(event["eventTime"]))]


def reasons(ns: NamespaceFixture, name: str) -> list[str]:
    return [reason for reason, _ in events_of(ns, name)]


def wait_reasons(ns: NamespaceFixture, name: str, expected: list[str]) -> None:
    ns.wait(lambda: reasons(ns, name) == expected, f"Events {expected}", name=name)


def test_events_across_the_object_lifecycle(ns: NamespaceFixture, audit: AuditTrail) -> None:
    expected = ["Created", "RolloutComplete"]
    service = model_service().named("lifecycle")
    ns.apply(service)
    wait_reasons(ns, "lifecycle", expected)
    assert events_of(ns, "lifecycle")[0][1] == "Created Deployment and Service."
    ns.apply(service)
    ns.apply(service.with_spec(image="registry.example.com/iris:2"))
    wait_reasons(ns, "lifecycle", expected := [*expected, "RolloutStarted", "RolloutComplete"])
    ns.apply(service.with_spec(nodeSelector={"example.com/disk": "none-has-it"}))
    wait_reasons(ns, "lifecycle", expected := [*expected, "RolloutStarted", "Failed"])
    assert events_of(ns, "lifecycle")[-1][1].startswith("Unschedulable: ")
    ns.apply(service)
    wait_reasons(ns, "lifecycle", [*expected, "RolloutStarted", "RolloutComplete"])
    assert audit.events(ns.namespace) == len(events_of(ns, "lifecycle"))


def test_drift_event_names_the_field_and_its_manager(ns: NamespaceFixture) -> None:
    ns.apply(model_service().named("drift"))
    ns.wait_ready("drift")
    patch: dict[str, Any] = {"spec": {"type": "NodePort"}}
    ns.kubectl("patch", "service", "drift", "--field-manager=other-client", "-p", json.dumps(patch))
    wait_reasons(ns, "drift", ["Created", "RolloutComplete", "DriftCorrected"])
    note = events_of(ns, "drift")[-1][1]
    assert note == "Reverted spec.type of Service, changed by other-client."


def test_name_conflict_is_an_event(ns: NamespaceFixture) -> None:
    ns.kubectl("create", "service", "clusterip", "taken", "--tcp=80")
    ns.apply(model_service().named("taken"))
    wait_reasons(ns, "taken", ["NameConflict"])
    assert "Service taken already exists and is not managed by this ModelService" in events_of(ns, "taken")[0][1]
