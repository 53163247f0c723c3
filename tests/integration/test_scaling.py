"""Who decides the number of replicas: every change of hands, with the real controllers, watched version by version."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.namespace import NamespaceFixture

COUNT = "{.spec.replicas}{'\\n'}"


class Counts:
    """Every count that a Deployment had, in order, as a watch shows them."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def seen(self) -> list[int]:
        counts = [int(line) for line in self._file.read_text().split()]
        return [new for old, new in pairwise([-1, *counts]) if new != old]


@contextmanager
def watched(ns: NamespaceFixture, name: str, folder: Path) -> Iterator[Counts]:
    file = folder / "counts"
    arguments = ["get", "deployment", name, "--watch", "-o", f"jsonpath={COUNT}"]
    with file.open("wb") as output:
        process = subprocess.Popen(
            [ns.cluster.kubectl, f"--kubeconfig={ns.cluster.kubeconfig}", "-n", ns.namespace, *arguments],
            stdout=output,
        )
    counts = Counts(file)
    try:
        ns.wait(counts.seen, "first count", name=name)
        yield counts
    finally:
        process.kill()
        process.wait(timeout=10)


def replicas(ns: NamespaceFixture, name: str) -> int:
    return int(ns.get("deployment", name)["spec"]["replicas"])


def stands(ns: NamespaceFixture, service: ModelServiceBuilder, count: int) -> None:
    """Apply, and wait until the count is reached and the status agrees."""
    ns.apply(service)

    def settled() -> bool:
        found = ns.get_model_service(service.name)
        return ns.is_ready(service.name) and found["status"].get("desiredReplicas") == count

    ns.wait(settled, f"{count} replicas", within=60, name=service.name)


def test_replica_ownership_transitions(ns: NamespaceFixture, tmp_path: Path) -> None:
    """Fixed, autoscaled, another floor, somebody else's, suspended, autoscaled again, fixed."""
    service = model_service().named("hands").with_spec(replicas=2)
    stands(ns, service, 2)
    with watched(ns, "hands", tmp_path) as counts:
        stands(ns, service.autoscaled(max_replicas=6), 2)
        assert counts.seen() == [2]
        stands(ns, service.autoscaled(min_replicas=4, max_replicas=6), 4)
        assert counts.seen() == [2, 4]
        stands(ns, service.externally_scaled(), 4)
        ns.wait_deleted("hpa", "hands")
        ns.kubectl("scale", "deployment/hands", "--replicas=5")
        ns.wait(lambda: counts.seen()[-1] == 5, "5 replicas", name="hands")
        stands(ns, service.externally_scaled().with_spec(image="registry.example.com/iris:2"), 5)
        assert counts.seen() == [2, 4, 5]
        stands(ns, service.autoscaled(max_replicas=6).suspended(), 0)
        assert ns.get("hpa", "hands") is None
        stands(ns, service.autoscaled(max_replicas=6), 2)
        stands(ns, service.with_spec(replicas=3), 3)
        ns.wait_deleted("hpa", "hands")
        assert counts.seen() == [2, 4, 5, 0, 2, 3]


@pytest.mark.parametrize(
    ("name", "resumed"),
    [
        ("fixed", model_service().with_spec(replicas=3)),
        ("scaled", model_service().with_spec(replicas=3).autoscaled(max_replicas=5)),
        ("others", model_service().with_spec(replicas=3).externally_scaled()),
    ],
)
def test_suspend_and_resume_restore_replicas(ns: NamespaceFixture, name: str, resumed: ModelServiceBuilder) -> None:
    service = resumed.named(f"sleep-{name}")
    stands(ns, service, 3)
    stands(ns, service.suspended(), 0)
    assert ns.get("service", service.name) is not None
    assert ns.condition(service.name)["reason"] == "ScaledToZero"
    stands(ns, service, 3)
    assert "modelservice.dev/suspended" not in ns.get("deployment", service.name)["metadata"]["annotations"]


def test_enabling_autoscaling_at_zero_replicas_scales_up(ns: NamespaceFixture) -> None:
    """No autoscaler wakes a count of 0: the operator does, once."""
    service = model_service().named("none")
    stands(ns, service.with_spec(replicas=0), 0)
    stands(ns, service.with_spec(replicas=2).autoscaled(max_replicas=5), 2)


def test_manual_scale_to_zero_is_kept(ns: NamespaceFixture) -> None:
    service = model_service().named("hand").with_spec(replicas=2).autoscaled(max_replicas=5)
    stands(ns, service, 2)
    ns.kubectl("scale", "deployment/hand", "--replicas=0")
    ns.wait(lambda: ns.get_model_service("hand")["status"]["desiredReplicas"] == 0, "0 replicas in status", name="hand")
    stands(ns, service.with_spec(image="registry.example.com/iris:2"), 0)


def test_external_autoscaler_is_not_modified(ns: NamespaceFixture) -> None:
    ns.apply(model_service().named("own").with_spec(replicas=2).externally_scaled())
    ns.wait_ready("own")
    ns.kubectl("autoscale", "deployment/own", "--min=3", "--max=4", "--name=foreign")
    ns.wait(lambda: replicas(ns, "own") == 3, "3 replicas by the other autoscaler", name="own")
    ns.apply(model_service().named("own").with_spec(replicas=2, env=[{"name": "A", "value": "1"}]).externally_scaled())
    ns.wait_ready("own")
    assert replicas(ns, "own") == 3
    assert ns.get("hpa", "foreign")["spec"]["minReplicas"] == 3
