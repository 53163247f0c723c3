"""Who decides the number of replicas: every change of hands, with the real controllers, watched version by version."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.namespace import TestNamespace

COUNT = "{.spec.replicas}{'\\n'}"


class Counts:
    """Every count that a Deployment had, in order, as a watch shows them."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def seen(self) -> list[int]:
        counts = [int(line) for line in self._file.read_text().split()]
        return [new for old, new in pairwise([-1, *counts]) if new != old]


@contextmanager
def watched(world: TestNamespace, name: str, folder: Path) -> Iterator[Counts]:
    file = folder / "counts"
    arguments = ["get", "deployment", name, "--watch", "-o", f"jsonpath={COUNT}"]
    with file.open("wb") as output:
        process = subprocess.Popen(
            [world.cluster.kubectl, f"--kubeconfig={world.cluster.kubeconfig}", "-n", world.namespace, *arguments],
            stdout=output,
        )
    counts = Counts(file)
    try:
        world.wait(counts.seen, "first count", name=name)
        yield counts
    finally:
        process.kill()
        process.wait(timeout=10)


def replicas(world: TestNamespace, name: str) -> int:
    return int(world.get("deployment", name)["spec"]["replicas"])


def stands(world: TestNamespace, service: ModelServiceBuilder, count: int) -> None:
    """Apply, and wait until the count is reached and the status agrees."""
    world.apply(service)

    def settled() -> bool:
        found = world.service(service.name)
        return world.is_ready(service.name) and found["status"]["desiredReplicas"] == count

    world.wait(settled, f"{count} replicas", within=60, name=service.name)


def test_every_change_of_hands(world: TestNamespace, tmp_path: Path) -> None:
    """Fixed, autoscaled, another floor, somebody else's, suspended, autoscaled again, fixed."""
    service = model_service().named("hands").with_spec(replicas=2)
    stands(world, service, 2)
    with watched(world, "hands", tmp_path) as counts:
        stands(world, service.autoscaled(max_replicas=6), 2)
        assert counts.seen() == [2]
        stands(world, service.autoscaled(min_replicas=4, max_replicas=6), 4)
        assert counts.seen() == [2, 4]
        stands(world, service.scaled_by_others(), 4)
        world.wait_gone("hpa", "hands")
        world.kubectl("scale", "deployment/hands", "--replicas=5")
        world.wait(lambda: counts.seen()[-1] == 5, "5 replicas", name="hands")
        stands(world, service.scaled_by_others().with_spec(image="registry.example.com/iris:2"), 5)
        assert counts.seen() == [2, 4, 5]
        stands(world, service.autoscaled(max_replicas=6).suspended(), 0)
        assert world.get("hpa", "hands") is None
        stands(world, service.autoscaled(max_replicas=6), 2)
        stands(world, service.with_spec(replicas=3), 3)
        world.wait_gone("hpa", "hands")
        assert counts.seen() == [2, 4, 5, 0, 2, 3]


@pytest.mark.parametrize(
    ("name", "resumed"),
    [
        ("fixed", model_service().with_spec(replicas=3)),
        ("scaled", model_service().with_spec(replicas=3).autoscaled(max_replicas=5)),
        ("others", model_service().with_spec(replicas=3).scaled_by_others()),
    ],
)
def test_suspending_and_resuming(world: TestNamespace, name: str, resumed: ModelServiceBuilder) -> None:
    service = resumed.named(f"sleep-{name}")
    stands(world, service, 3)
    stands(world, service.suspended(), 0)
    assert world.get("service", service.name) is not None
    assert world.condition(service.name)["reason"] == "ScaledToZero"
    stands(world, service, 3)
    assert "modelservice.dev/suspended" not in world.get("deployment", service.name)["metadata"]["annotations"]


def test_from_no_replicas_to_an_autoscaler(world: TestNamespace) -> None:
    """No autoscaler wakes a count of 0: the operator does, once."""
    service = model_service().named("none")
    stands(world, service.with_spec(replicas=0), 0)
    stands(world, service.with_spec(replicas=2).autoscaled(max_replicas=5), 2)


def test_zero_by_hand_under_an_autoscaler_is_respected(world: TestNamespace) -> None:
    service = model_service().named("hand").with_spec(replicas=2).autoscaled(max_replicas=5)
    stands(world, service, 2)
    world.kubectl("scale", "deployment/hand", "--replicas=0")
    world.wait(lambda: world.service("hand")["status"]["desiredReplicas"] == 0, "0 replicas in status", name="hand")
    stands(world, service.with_spec(image="registry.example.com/iris:2"), 0)


def test_an_autoscaler_of_somebody_else_is_left_alone(world: TestNamespace) -> None:
    world.apply(model_service().named("own").with_spec(replicas=2).scaled_by_others())
    world.wait_ready("own")
    world.kubectl("autoscale", "deployment/own", "--min=3", "--max=4", "--name=foreign")
    world.wait(lambda: replicas(world, "own") == 3, "3 replicas by the other autoscaler", name="own")
    world.apply(
        model_service().named("own").with_spec(replicas=2, env=[{"name": "A", "value": "1"}]).scaled_by_others()
    )
    world.wait_ready("own")
    assert replicas(world, "own") == 3
    assert world.get("hpa", "foreign")["spec"]["minReplicas"] == 3
