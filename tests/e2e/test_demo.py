"""The steps of the demo: apply, Ready, a real prediction, the autoscaler, scale, delete."""

import time
from collections.abc import Callable

import httpx
import pytest

from tests.environment.audit import AuditTrail
from tests.environment.cluster import Tier
from tests.support.autoscaler import cpu_utilization
from tests.support.forwarding import port_forward
from tests.support.installation import NAMESPACE, ROOT, USER
from tests.support.namespace import NamespaceFixture

EXAMPLE = ROOT / "examples" / "diabetes" / "modelservice.yaml"
NAME = "diabetes"


def prediction(address: str) -> float:
    answer = httpx.get(f"{address}/prediction/", params={"f": "0.05"}, trust_env=False, timeout=30)
    return float(answer.raise_for_status().json()["prediction"])


def pods(ns: NamespaceFixture, phase: str = "Running") -> list[str]:
    selector = f"--selector=app.kubernetes.io/instance={NAME}"
    field = f"--field-selector=status.phase={phase}"
    return ns.kubectl("get", "pods", selector, field, "-o", "name").split()


def ready_replicas(ns: NamespaceFixture) -> int:
    return int(ns.get_model_service(NAME)["status"]["readyReplicas"])


def test_example_predicts_scales_and_is_deleted(ns: NamespaceFixture, figure: Callable[[str], None]) -> None:
    started = time.monotonic()
    ns.kubectl("apply", "-f", str(EXAMPLE))
    ns.wait_ready(NAME, within=120)
    ready = time.monotonic() - started
    assert len(pods(ns)) == 2
    with port_forward(ns.cluster, f"service/{NAME}", 80, namespace=ns.namespace) as address:
        assert prediction(address) == pytest.approx(199.6, abs=0.1)
        figure(f"node: apply -> Ready {ready:.1f} s, -> first prediction {time.monotonic() - started:.1f} s")
        with pytest.raises(httpx.HTTPStatusError, match="422"):
            httpx.get(f"{address}/prediction/?f=thin", trust_env=False).raise_for_status()

    assert "unchanged" in ns.kubectl("apply", "-f", str(EXAMPLE))
    autoscaler = ns.get("hpa", NAME)["spec"]
    assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (2, 5)
    ns.wait(lambda: cpu_utilization(ns.get("hpa", NAME)) is not None, "CPU metric", within=120, name=NAME)

    ns.kubectl("scale", f"modelservice/{NAME}", "--replicas=3")
    ns.wait(lambda: ns.is_ready(NAME) and ready_replicas(ns) >= 3, "third replica", within=120, name=NAME)

    ns.kubectl("delete", "modelservice", NAME)
    for kind in ("deployment", "service", "hpa"):
        ns.wait_deleted(kind, NAME, within=120)
    ns.wait(lambda: pods(ns) == [], "end of the pods", within=120, name=NAME)


def test_operator_pod_is_unprivileged_and_small(ns: NamespaceFixture, figure: Callable[[str], None]) -> None:
    template = ns.cluster.get("deployment", "modelservice-operator", "-n", NAMESPACE)["spec"]["template"]["spec"]
    assert template["securityContext"]["runAsNonRoot"] is True
    deployment = "deployment/modelservice-operator"
    script = "import os; print(os.getuid(), open('/proc/1/status').read().split('VmRSS:')[1].split()[0])"
    python = ("--", "/app/venv/bin/python3", "-c", script)
    uid, rss = ns.cluster.run_kubectl("exec", "-n", NAMESPACE, deployment, *python).split()
    assert int(uid) >= 10_000
    figure(f"node: the operator's resident memory is {int(rss) / 1024:.1f} MiB")
    absent = "import importlib.util, sys; sys.exit(importlib.util.find_spec('kubernetes') is not None)"
    ns.cluster.run_kubectl("exec", "-n", NAMESPACE, deployment, "--", "/app/venv/bin/python3", "-c", absent)
    log = ns.operator_log()
    assert "Caches synced" in log
    assert "Traceback" not in log


def test_operator_pod_needs_no_other_permissions(ns: NamespaceFixture) -> None:
    if ns.cluster.tier is not Tier.NODE:
        assert ns.cluster.audit_log is None  # the audit log of another cluster is not readable
        return
    assert AuditTrail(ns.cluster, USER, start=0).refused() == []
