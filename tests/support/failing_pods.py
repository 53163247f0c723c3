"""Pods of one ModelService that all have a problem, each with a different text: the most work for a diagnosis."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from modelservice_operator.controller.transforms import transform_pod
from tests.support.pods import PodBuilder, new_pod

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Characters of random parts of names (apimachinery, util/rand)."""


def pod_suffix(number: int) -> str:
    """Return the random part of the name of a pod; each number has its own."""
    digits = []
    for _ in range(5):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def _unscheduled(pod: PodBuilder, _number: int) -> PodBuilder:
    return pod.unschedulable("0/5 nodes are available: 5 Insufficient cpu. preemption: 0/5 nodes are available.")


def _unscheduled_each_in_its_way(pod: PodBuilder, number: int) -> PodBuilder:
    return pod.unschedulable(f"0/{number} nodes are available: {number} Insufficient cpu for {pod.name}.")


def _not_pulled(pod: PodBuilder, number: int) -> PodBuilder:
    message = (
        f'Back-off pulling image "registry.local/iris:{number}": not found, request id: 44{number}, pod {pod.name}'
    )
    return pod.waiting("ImagePullBackOff", message)


def _crashed(pod: PodBuilder, number: int) -> PodBuilder:
    line = f"2026-01-02T03:04:05Z worker {number} of {pod.name}: ValueError: no such layer in the file {number}\n"
    return pod.crashed(message=line * (2048 // len(line)), finishedAt=f"2026-01-02T03:{number % 60:02}:00Z")


def _not_loaded(pod: PodBuilder, number: int) -> PodBuilder:
    message = f'{{"reason": "ModelNotFound", "message": "s3://models/{number} {"does not exist " * 60}"}}'
    return pod.crashed(name="model-loader", init=True, message=message)


def _unready(pod: PodBuilder, _number: int) -> PodBuilder:
    return pod.running(started=True)


def _evicted(pod: PodBuilder, number: int) -> PodBuilder:
    return pod.in_phase("Failed", reason="Evicted", message=f"The node was low on memory: {pod.name} used {number}Ki.")


PROBLEMS: dict[str, Callable[[PodBuilder, int], PodBuilder]] = {
    "unscheduled": _unscheduled,
    "unscheduled, different texts": _unscheduled_each_in_its_way,
    "image not pulled": _not_pulled,
    "crashed, log of 2 KiB": _crashed,
    "model not loaded": _not_loaded,
    "unready": _unready,
    "evicted": _evicted,
}
"""Problems of a pod, by name; each returns the pod with this number."""


def failing_pods(problem: str, count: int) -> list[dict[str, Any]]:
    """Return `count` pods as they are cached, all with the same problem."""
    return [transform_pod(pod.body()) for pod in _build(PROBLEMS[problem], range(count))]


def _build(problem: Callable[[PodBuilder, int], PodBuilder], numbers: Iterable[int]) -> Iterable[PodBuilder]:
    for number in numbers:
        pod = problem(new_pod().named(pod_suffix(number)), number)
        yield replace(pod, metadata=pod.metadata | {"uid": f"00000000-0000-0000-0000-{number:012}"})
