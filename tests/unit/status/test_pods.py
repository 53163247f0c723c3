"""Pods say why they are not ready: one cause, the one that keeps most from running, in the same words each time."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelservice_operator.observed import of_newest_revision
from modelservice_operator.status.pods import pods_verdict
from modelservice_operator.status.reasons import Reason

Body = dict[str, Any]


def a_pod(*containers: Body, ready: bool = False, scheduled: Body | None = None, **metadata: Any) -> Body:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}, *([scheduled] if scheduled else [])]
    return {"metadata": {"name": "p"} | metadata, "status": {"conditions": conditions, "containerStatuses": containers}}


def waiting(why: str, words: str | None = None, **last: Any) -> Body:
    state = {"waiting": {"reason": why} | ({"message": words} if words else {})}
    return {"name": "model", "state": state} | ({"lastState": {"terminated": last}} if last else {})


UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available: 1 Insufficient cpu.",
}


@pytest.mark.parametrize(
    ("pod", "reason", "words"),
    [
        (a_pod(scheduled=UNSCHEDULABLE), Reason.UNSCHEDULABLE, "no node can take it. 0/1 nodes are available"),
        (
            a_pod(waiting("ErrImagePull", "not found")),
            Reason.IMAGE_PULL,
            "the image of container model cannot be pulled: not found",
        ),
        (
            a_pod(waiting("ImagePullBackOff", "Back-off pulling image x")),
            Reason.IMAGE_PULL,
            "the image of container model cannot be pulled.",
        ),
        (
            a_pod(waiting("CreateContainerConfigError", 'secret "key" not found')),
            Reason.CONTAINER_CONFIG,
            'container model cannot be started: secret "key" not found',
        ),
        (
            a_pod(waiting("CrashLoopBackOff", reason="OOMKilled", exitCode=137)),
            Reason.OOM_KILLED,
            "Raise spec.resources.limits.memory.",
        ),
        (
            a_pod(waiting("CrashLoopBackOff", "back-off 20s", reason="Error", exitCode=1, message="no such file\n")),
            Reason.CRASH_LOOP,
            "container model exited with code 1. Its last words: no such file",
        ),
        (
            a_pod({"name": "model", "state": {"terminated": {"exitCode": 2}}}),
            Reason.CRASH_LOOP,
            "exited with code 2 and said nothing on its way out. Look at its logs.",
        ),
        (a_pod(waiting("CrashLoopBackOff")), Reason.CRASH_LOOP, "container model ends again and again."),
    ],
)
def test_a_cause_has_a_reason_and_a_sentence(pod: Body, reason: Reason, words: str) -> None:
    verdict = pods_verdict([pod])
    assert verdict is not None
    assert verdict.reason is reason
    assert verdict.message.startswith("The only pod: ")
    assert words in verdict.message


def test_of_several_causes_the_one_that_keeps_most_from_running_speaks_with_its_count() -> None:
    crash = a_pod(waiting("CrashLoopBackOff", reason="Error", exitCode=1))
    verdict = pods_verdict([crash, a_pod(scheduled=UNSCHEDULABLE), a_pod(ready=True), a_pod(scheduled=UNSCHEDULABLE)])
    assert verdict is not None
    assert verdict.reason is Reason.UNSCHEDULABLE
    assert verdict.message.startswith("2 of 4 pods: ")


def test_pods_that_only_start_or_are_ready_again_say_nothing() -> None:
    recovered = waiting("PodInitializing", reason="Error", exitCode=1)
    gate = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
    starting = {"name": "model", "state": {"waiting": {"reason": "ContainerCreating"}}}
    assert pods_verdict([a_pod(recovered, ready=True), a_pod(scheduled=gate), a_pod(starting), a_pod()]) is None
    assert pods_verdict([]) is None


def test_only_pods_of_the_newest_revision_that_stay_are_asked() -> None:
    def labelled(value: str, **metadata: Any) -> Body:
        return a_pod(labels={"pod-template-hash": value}, **metadata)

    def a_replica_set(value: str, revision: str) -> Body:
        annotations = {"deployment.kubernetes.io/revision": revision}
        return {"metadata": {"labels": {"pod-template-hash": value}, "annotations": annotations}}

    old, new, leaving = labelled("a"), labelled("b"), labelled("b", deletionTimestamp="now")
    sets = [a_replica_set("a", "9"), a_replica_set("b", "10"), a_replica_set("c", "")]
    assert of_newest_revision([old, new, leaving], sets) == (new,)
    assert of_newest_revision([old, new, leaving], []) == (old, new)


_STATE = st.fixed_dictionaries(
    {},
    optional={
        name: st.fixed_dictionaries(
            {},
            optional={
                "reason": st.sampled_from(["ErrImagePull", "OOMKilled", "CrashLoopBackOff", "Odd", ""]),
                "message": st.none() | st.text(max_size=8),
                "exitCode": st.integers(0, 255),
            },
        )
        for name in ("waiting", "terminated", "running")
    },
)
_CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": st.just("model")}, optional={"state": _STATE, "lastState": _STATE}), max_size=3
)


@given(st.lists(_CONTAINERS, max_size=4), st.randoms())
def test_whatever_pods_say_the_judgement_is_total_and_their_order_is_nothing_to_it(
    containers: list[list[Body]],
    random: Any,
) -> None:
    pods = [a_pod(*each) for each in containers]
    verdict = pods_verdict(pods)
    random.shuffle(pods)
    assert pods_verdict(pods) == verdict
