"""Events of ModelServices: one for each transition, none while nothing changes, as `kubectl describe` shows them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from modelservice_operator.events.recorder import build_event
from modelservice_operator.events.transitions import EventReason, events_for
from tests.environment.audit import AuditTrail
from tests.environment.cluster import ClusterError
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


def wait_outcomes(ns: NamespaceFixture, name: str, expected: list[str]) -> None:
    """Wait for Events without RolloutStarted, which the first status of a generation lacks if it has its outcome."""
    ns.wait(
        lambda: [reason for reason in reasons(ns, name) if reason != "RolloutStarted"] == expected,
        f"Events {expected}",
        name=name,
    )


def test_events_across_the_object_lifecycle(ns: NamespaceFixture, audit: AuditTrail) -> None:
    service, outcomes = model_service().named("lifecycle"), ["Created", "RolloutComplete"]
    ns.apply(service)
    wait_reasons(ns, "lifecycle", outcomes)
    assert events_of(ns, "lifecycle")[0][1] == "Created Deployment and Service."
    ns.apply(service)
    for changed, outcome in (
        (service.with_spec(image="registry.example.com/iris:2"), "RolloutComplete"),
        (service.with_spec(nodeSelector={"example.com/disk": "none-has-it"}), "Failed"),
        (service, "RolloutComplete"),
    ):
        before = reasons(ns, "lifecycle")
        ns.apply(changed)
        wait_outcomes(ns, "lifecycle", outcomes := [*outcomes, outcome])
        assert reasons(ns, "lifecycle")[len(before) :] in (["RolloutStarted", outcome], [outcome])
        if outcome == "Failed":
            assert events_of(ns, "lifecycle")[-1][1].startswith("Unschedulable: ")
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


def test_note_of_the_longest_message_is_accepted(ns: NamespaceFixture) -> None:
    """The API server counts bytes, and rejects an Event whose note has more than 1,024."""
    ready = {"type": "Ready", "status": "False", "reason": "Rejected", "message": "é" * 1024}
    [event] = [one for one in events_for({}, {"conditions": [ready]}) if one.reason is EventReason.FAILED]
    body = build_event({"name": "notes", "namespace": ns.namespace, "uid": "1"}, event, datetime.now(UTC))
    assert len(body["note"].encode()) > 1000
    ns.kubectl("create", "-f", "-", stdin=json.dumps(body))
    body |= {"note": "x" * 1025, "metadata": body["metadata"] | {"name": "notes.2"}}
    with pytest.raises(ClusterError, match="1024"):
        ns.kubectl("create", "-f", "-", stdin=json.dumps(body))
