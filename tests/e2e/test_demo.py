"""The demo's path as a test: apply, Ready, a real prediction, the autoscaler, scale, delete."""

import time
from collections.abc import Callable

import httpx
import pytest

from tests.environment.audit import AuditTrail
from tests.environment.cluster import Tier
from tests.support.autoscaler import cpu_use
from tests.support.forwarding import forwarded_port
from tests.support.installation import NAMESPACE, ROOT, USER
from tests.support.namespace import TestNamespace

EXAMPLE = ROOT / "examples" / "diabetes" / "modelservice.yaml"
NAME = "diabetes"


def prediction(address: str) -> float:
    answer = httpx.get(f"{address}/prediction/", params={"f": "0.05"}, trust_env=False, timeout=10)
    return float(answer.raise_for_status().json()["prediction"])


def pods(world: TestNamespace, phase: str = "Running") -> list[str]:
    selector = f"--selector=app.kubernetes.io/instance={NAME}"
    field = f"--field-selector=status.phase={phase}"
    return world.kubectl("get", "pods", selector, field, "-o", "name").split()


def ready_replicas(world: TestNamespace) -> int:
    return int(world.service(NAME)["status"]["readyReplicas"])


def test_the_example_predicts_scales_and_goes(world: TestNamespace, figure: Callable[[str], None]) -> None:
    started = time.monotonic()
    world.kubectl("apply", "-f", str(EXAMPLE))
    world.wait_ready(NAME, within=90)
    ready = time.monotonic() - started
    assert len(pods(world)) == 2
    with forwarded_port(world.cluster, f"service/{NAME}", 80, namespace=world.namespace) as address:
        assert prediction(address) == pytest.approx(199.6, abs=0.1)
        figure(f"node: apply -> Ready {ready:.1f} s, -> first prediction {time.monotonic() - started:.1f} s")
        with pytest.raises(httpx.HTTPStatusError, match="422"):
            httpx.get(f"{address}/prediction/?f=thin", trust_env=False).raise_for_status()

    assert "unchanged" in world.kubectl("apply", "-f", str(EXAMPLE))
    autoscaler = world.get("hpa", NAME)["spec"]
    assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (2, 5)
    world.wait(lambda: cpu_use(world.get("hpa", NAME)) is not None, "CPU metric", within=90, name=NAME)

    world.kubectl("scale", f"modelservice/{NAME}", "--replicas=3")
    world.wait(lambda: world.is_ready(NAME) and ready_replicas(world) == 3, "third replica", within=60, name=NAME)

    world.kubectl("delete", "modelservice", NAME)
    for kind in ("deployment", "service", "hpa"):
        world.wait_gone(kind, NAME, within=60)
    world.wait(lambda: pods(world) == [], "end of the pods", within=60, name=NAME)


def test_the_operator_is_a_pod_without_privileges_that_stays_small(
    world: TestNamespace, figure: Callable[[str], None]
) -> None:
    template = world.cluster.get("deployment", "modelservice-operator", "-n", NAMESPACE)["spec"]["template"]["spec"]
    assert template["securityContext"]["runAsNonRoot"] is True
    deployment = "deployment/modelservice-operator"
    script = "import os; print(os.getuid(), open('/proc/1/status').read().split('VmRSS:')[1].split()[0])"
    python = ("--", "/app/venv/bin/python3", "-c", script)
    uid, rss = world.cluster.run_kubectl("exec", "-n", NAMESPACE, deployment, *python).split()
    assert int(uid) >= 10_000
    figure(f"node: the operator's resident memory is {int(rss) / 1024:.1f} MiB")
    absent = "import importlib.util, sys; sys.exit(importlib.util.find_spec('kubernetes') is not None)"
    world.cluster.run_kubectl("exec", "-n", NAMESPACE, deployment, "--", "/app/venv/bin/python3", "-c", absent)
    log = world.operator_log()
    assert "Caches synced" in log
    assert "Traceback" not in log


def test_the_pod_keeps_to_its_role(world: TestNamespace) -> None:
    if world.cluster.tier is not Tier.NODE:
        assert world.cluster.audit_log is None  # another cluster's audit log is not ours to read
        return
    assert AuditTrail(world.cluster, USER, start=0).refused() == []
