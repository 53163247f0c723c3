"""Ages are measured by the monotonic clock of the operator: other machines' clocks may be hours off."""

from typing import Any

from modelservice_operator.controller.ages import Ages
from modelservice_operator.status import requeue_after
from tests.support.snapshots import IRIS, computed_status, deployment_status, reported, snapshot

SCALED = IRIS.autoscaled(max_replicas=5)
FAILED = [{"type": "AbleToScale", "status": "True"}, {"type": "ScalingActive", "status": "False", "reason": "NoIdea"}]


def observed(uid: str, *, created: str = "2026-01-02T03:00:00Z") -> Any:
    """Return a snapshot with an autoscaler without metrics."""
    autoscaler = {
        "metadata": {"uid": uid, "creationTimestamp": created},
        "spec": {},
        "status": {"conditions": FAILED},
    }
    return snapshot(service=SCALED, rollout=deployment_status(), autoscaler=autoscaler)


def reason(found: Any) -> str:
    return (reported(found, "AutoscalerReady") or ("", "", ""))[1]


def test_grace_of_an_autoscaler_ignores_the_clock_of_the_server() -> None:
    for created in ("1999-01-01T00:00:00Z", "2026-01-02T03:00:00Z", "2044-01-01T00:00:00Z"):
        ages = Ages()
        assert reason(ages.measure(observed("a", created=created), {}, now=1000.0)) == "AutoscalerStarting"
        young = ages.measure(observed("a", created=created), {}, now=1059.0)
        assert requeue_after(young, computed_status(young)) == 1.0
        assert reason(ages.measure(observed("a", created=created), {}, now=1060.0)) == "AutoscalerFailed"


def test_recreated_autoscaler_is_new() -> None:
    ages = Ages()
    ages.measure(observed("a"), {}, now=0.0)
    old = ages.measure(observed("a"), {}, now=100.0)
    assert reason(ages.measure(observed("b"), computed_status(old), now=101.0)) == "AutoscalerStarting"


def test_restart_does_not_begin_another_grace() -> None:
    """The status shows that the autoscaler was reported on, so it is not new to a new process."""
    reported_before = computed_status(observed("a"))
    assert reason(Ages().measure(observed("a"), reported_before, now=5.0)) == "AutoscalerFailed"
    starting = computed_status(Ages().measure(observed("a"), {}, now=5.0))
    assert reason(Ages().measure(observed("a"), starting, now=5.0)) == "AutoscalerStarting"


def test_forgotten_objects_are_not_stored() -> None:
    ages = Ages()
    ages.measure(observed("a"), {}, now=0.0)
    assert ages.measure(snapshot(), {}, now=1.0).ages == {}
