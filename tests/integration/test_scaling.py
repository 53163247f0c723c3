"""Ownership of the number of replicas: every transition, with the real controllers, for every object version."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.namespace import NamespaceFixture

COUNT = "{.spec.replicas}{'\\n'}"


class ReplicaHistory:
    """Every number of replicas that a Deployment had, in order, from a watch."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def seen(self) -> list[int]:
        """Return the numbers so far; a watch tells a change later than an object that is read."""
        counts = [int(line) for line in self._file.read_text().split()]
        return [new for old, new in pairwise([-1, *counts]) if new != old]


@contextmanager
def watch_replicas(ns: NamespaceFixture, name: str, directory: Path) -> Iterator[ReplicaHistory]:
    file = directory / "counts"
    arguments = ["get", "deployment", name, "--watch", "-o", f"jsonpath={COUNT}"]
    with file.open("wb") as output:
        process = subprocess.Popen(
            [ns.cluster.kubectl, f"--kubeconfig={ns.cluster.kubeconfig}", "-n", ns.namespace, *arguments],
            stdout=output,
        )
    counts = ReplicaHistory(file)
    try:
        ns.wait(counts.seen, "first count", name=name)
        yield counts
    finally:
        process.kill()
        process.wait(timeout=10)


def wait_counts(ns: NamespaceFixture, counts: ReplicaHistory, *expected: int) -> None:
    ns.wait(lambda: len(counts.seen()) >= len(expected), f"replicas {expected}", name="ownership")
    assert counts.seen() == [*expected]


def replicas(ns: NamespaceFixture, name: str) -> int:
    return int(ns.get("deployment", name)["spec"]["replicas"])


def apply_and_wait(ns: NamespaceFixture, service: ModelServiceBuilder, count: int) -> None:
    """Apply the service and wait until it is ready with the number of replicas."""
    ns.apply(service)

    def has_replicas() -> bool:
        found = ns.get_model_service(service.name)
        return ns.is_ready(service.name) and found["status"].get("desiredReplicas") == count

    ns.wait(has_replicas, f"{count} replicas", within=60, name=service.name)


@pytest.mark.core
def test_replica_ownership_transitions(ns: NamespaceFixture, tmp_path: Path) -> None:
    """Fixed, autoscaled, another minimum, external, suspended, autoscaled again, fixed."""
    service = model_service().named("ownership").with_spec(replicas=2)
    apply_and_wait(ns, service, 2)
    with watch_replicas(ns, "ownership", tmp_path) as counts:
        apply_and_wait(ns, service.autoscaled(max_replicas=6), 2)
        wait_counts(ns, counts, 2)
        apply_and_wait(ns, service.autoscaled(min_replicas=4, max_replicas=6), 4)
        wait_counts(ns, counts, 2, 4)
        apply_and_wait(ns, service.externally_scaled(), 4)
        ns.wait_deleted("hpa", "ownership")
        ns.kubectl("scale", "deployment/ownership", "--replicas=5")
        ns.wait(lambda: counts.seen()[-1] == 5, "5 replicas", name="ownership")
        apply_and_wait(ns, service.externally_scaled().with_spec(image="registry.example.com/iris:2"), 5)
        wait_counts(ns, counts, 2, 4, 5)
        apply_and_wait(ns, service.autoscaled(max_replicas=6).suspended(), 0)
        assert ns.get("hpa", "ownership") is None
        apply_and_wait(ns, service.autoscaled(max_replicas=6), 2)
        apply_and_wait(ns, service.with_spec(replicas=3), 3)
        ns.wait_deleted("hpa", "ownership")
        wait_counts(ns, counts, 2, 4, 5, 0, 2, 3)


@pytest.mark.parametrize(
    ("name", "resumed"),
    [
        ("fixed", model_service().with_spec(replicas=3)),
        ("scaled", model_service().with_spec(replicas=3).autoscaled(max_replicas=5)),
        ("others", model_service().with_spec(replicas=3).externally_scaled()),
    ],
)
def test_suspend_and_resume_restore_replicas(ns: NamespaceFixture, name: str, resumed: ModelServiceBuilder) -> None:
    service = resumed.named(f"suspended-{name}")
    apply_and_wait(ns, service, 3)
    apply_and_wait(ns, service.suspended(), 0)
    assert ns.get("service", service.name) is not None
    assert ns.condition(service.name)["reason"] == "ScaledToZero"
    apply_and_wait(ns, service, 3)
    assert "modelservice.dev/suspended" not in ns.get("deployment", service.name)["metadata"]["annotations"]


def test_enabling_autoscaling_at_zero_replicas_scales_up(ns: NamespaceFixture) -> None:
    """A HorizontalPodAutoscaler does not scale up from 0; the operator does so once."""
    service = model_service().named("none")
    apply_and_wait(ns, service.with_spec(replicas=0), 0)
    apply_and_wait(ns, service.with_spec(replicas=2).autoscaled(max_replicas=5), 2)


def test_manual_scale_to_zero_is_kept(ns: NamespaceFixture) -> None:
    """It is not ready, because the spec requires replicas, and no autoscaler scales up from 0."""
    service = model_service().named("manual-zero").with_spec(replicas=2).autoscaled(max_replicas=5)
    apply_and_wait(ns, service, 2)
    ns.kubectl("scale", "deployment/manual-zero", "--replicas=0")
    ns.wait(
        lambda: ns.get_model_service("manual-zero")["status"]["desiredReplicas"] == 0,
        "0 replicas in status",
        name="manual-zero",
    )
    ns.apply(service.with_spec(image="registry.example.com/iris:2"))

    def is_reported() -> bool:
        ready = ns.condition("manual-zero")
        return (ready["reason"], ready["observedGeneration"]) == ("ScaledToZero", 2)

    ns.wait(is_reported, "ScaledToZero", name="manual-zero")
    assert replicas(ns, "manual-zero") == 0


def test_external_autoscaler_is_not_modified(ns: NamespaceFixture) -> None:
    ns.apply(model_service().named("external").with_spec(replicas=2).externally_scaled())
    ns.wait_ready("external")
    ns.kubectl("autoscale", "deployment/external", "--min=3", "--max=4", "--name=foreign")
    ns.wait(lambda: replicas(ns, "external") == 3, "3 replicas by the other autoscaler", name="external")
    ns.apply(
        model_service().named("external").with_spec(replicas=2, env=[{"name": "A", "value": "1"}]).externally_scaled()
    )
    ns.wait_ready("external")
    assert replicas(ns, "external") == 3
    assert ns.get("hpa", "foreign")["spec"]["minReplicas"] == 3
