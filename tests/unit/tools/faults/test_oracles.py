"""The oracles that judge counts: what they must call wrong, and what they must not."""

from collections import Counter

from tests.environment.audit import STATUS, AuditedRequest
from tests.environment.faults.calls import Call
from tests.environment.faults.oracles import Tally, no_more_writes, same_end, silence
from tests.environment.faults.state import NEWS, milestones

CREATE = "create deployments"


def a_tally(*reports: str, refused: int = 0, **accepted: int) -> Tally:
    counts = Counter({f"{verb} deployments": count for verb, count in accepted.items()})
    return Tally(counts + Counter({STATUS: len(reports)}), Counter({CREATE: refused}), list(reports))


REFERENCE = a_tally("DeploymentPending", "RolloutComplete", create=1, patch=1)


def test_repeated_run_passes() -> None:
    assert no_more_writes(REFERENCE, REFERENCE, faults=0) == []


def test_child_created_twice_fails() -> None:
    found = a_tally(*REFERENCE.reports, create=2, patch=1)
    assert no_more_writes(REFERENCE, found, faults=5) == ["O2: create deployments: 2 accepted instead of 1"]


def test_missing_child_fails() -> None:
    found = a_tally(*REFERENCE.reports, patch=1)
    assert no_more_writes(REFERENCE, found, faults=1) == ["O2: create deployments: 0 accepted instead of 1"]


def test_fault_allows_one_more_update() -> None:
    found = a_tally(*REFERENCE.reports, create=1, patch=2)
    assert no_more_writes(REFERENCE, found, faults=1) == []
    [sentence] = no_more_writes(REFERENCE, found, faults=0)
    assert "deployments was updated 2 times" in sentence


def test_status_write_without_change_fails() -> None:
    found = Tally(REFERENCE.accepted + Counter({STATUS: 1}), Counter(), REFERENCE.reports)
    [sentence] = no_more_writes(REFERENCE, found, faults=1)
    assert "3 status writes were accepted, but the status changed 2 times" in sentence


def test_refusals_are_counted() -> None:
    found = a_tally(*REFERENCE.reports, create=1, patch=1, refused=1)
    assert no_more_writes(REFERENCE, found, faults=1) == []
    assert no_more_writes(REFERENCE, found, faults=0) == [f"O2: {CREATE} was refused 1 times, 0 without faults"]


def test_reads_do_not_break_the_silence() -> None:
    read, write = (AuditedRequest("1", Call(verb, "deployments", "ml", "iris"), 200) for verb in ("get", "patch"))
    assert silence([read], [], seconds=2) == []
    assert silence([read, write], [], seconds=2) == ["O3: patch deployments within 2 s of having converged"]


def test_autoscaler_updates_do_not_end_the_idle_time() -> None:
    write = AuditedRequest("1", Call("update", "modelservices/status", "ml", "iris"), 200)
    assert silence([write], [NEWS], seconds=2) == []
    assert silence([write, write], [NEWS, "Starting"], seconds=2) == [f"O3: {STATUS} within 2 s of having converged"]
    assert milestones([NEWS, "RolloutComplete", NEWS]) == ["RolloutComplete"]


def test_many_differences_are_summarized() -> None:
    sentences = same_end({str(number): 1 for number in range(20)}, {})
    assert sentences[-1] == "O1: and 8 more differences"


def test_slow_rollout_has_the_milestones_of_a_quick_one() -> None:
    slow = ["DeploymentPending", "RolloutInProgress", "RolloutInProgress", "RolloutComplete"]
    assert milestones(slow) == milestones(["RolloutInProgress", "RolloutComplete"]) == ["on the way", "RolloutComplete"]
    assert milestones(["RolloutComplete", "Rejected"]) == ["RolloutComplete", "Rejected"]
