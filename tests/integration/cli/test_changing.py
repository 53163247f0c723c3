"""Commands that change something, against a real API server with a running operator."""

import json
import time
from typing import Any

import pytest

from modelservice_cli.errors import ExitCode
from tests.support.builders import model_service
from tests.support.cli import Run, runner
from tests.support.namespace import NamespaceFixture


@pytest.fixture
def run(ns: NamespaceFixture, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(capsys, kubeconfig=ns.cluster.kubeconfig, namespace=ns.namespace)


def create(ns: NamespaceFixture, name: str, **spec: Any) -> None:
    ns.apply(model_service().named(name).with_spec(**spec))
    ns.wait_ready(name)


def wait_reason(ns: NamespaceFixture, name: str, reason: str) -> None:
    ns.wait(lambda: ns.condition(name).get("reason") == reason, reason, name=name)


def test_scale_sets_the_replicas(ns: NamespaceFixture, run: Run) -> None:
    create(ns, "scaled")
    found = run("scale", "scaled", "--replicas=3")
    assert (found.code, found.out) == (0, "modelservice.modelservice.dev/scaled scaled from 1 to 3\n")
    ns.wait_field("deployment", "scaled", "replicas", 3)
    assert found.err == ""


def test_scale_under_an_autoscaler_is_explained(ns: NamespaceFixture, run: Run) -> None:
    ns.apply(model_service().named("auto").autoscaled(min_replicas=1, max_replicas=5))
    ns.wait_ready("auto")
    assert "between minReplicas and maxReplicas" in run("scale", "auto", "--replicas=3").err
    found = run("scale", "auto", "--replicas=0")
    assert found.code == ExitCode.NEGATIVE
    assert "replicas must be at least 1 with autoscaling" in found.err


def test_suspend_and_resume(ns: NamespaceFixture, run: Run) -> None:
    create(ns, "paused", replicas=2)
    assert run("suspend", "paused").out == "modelservice.modelservice.dev/paused suspended\n"
    wait_reason(ns, "paused", "ScaledToZero")
    assert run("suspend", "paused").out == "modelservice.modelservice.dev/paused is suspended already\n"
    assert "is suspended and has no pods" in run("restart", "paused").err
    assert run("resume", "paused").out == "modelservice.modelservice.dev/paused resumed\n"
    ns.wait_field("deployment", "paused", "replicas", 2)
    assert run("resume", "paused").out == "modelservice.modelservice.dev/paused is not suspended\n"


def test_restart_replaces_the_pods(ns: NamespaceFixture, run: Run) -> None:
    create(ns, "restarted")
    before = ns.get("deployment", "restarted")["metadata"]["generation"]
    assert run("restart", "restarted").out == "deployment.apps/restarted restarted\n"
    assert run("wait", "restarted").code == 0
    deployment = ns.get("deployment", "restarted")
    assert deployment["metadata"]["generation"] == before + 1
    assert "kubectl.kubernetes.io/restartedAt" in deployment["spec"]["template"]["metadata"]["annotations"]


def test_apply_resumes_a_paused_rollout(ns: NamespaceFixture, run: Run) -> None:
    create(ns, "held")
    ns.kubectl("rollout", "pause", "deployment/held")
    ns.apply(model_service().named("held").with_spec(env=[{"name": "A", "value": "b"}]))
    wait_reason(ns, "held", "RolloutPaused")
    assert f"kubectl rollout resume -n {ns.namespace} deployment/held" in run("why", "held").out
    found = run("why", "held", "--apply")
    assert found.code == 0
    assert f'Patched Deployment {ns.namespace}/held: {{"spec": {{"paused": null}}}}' in found.out
    assert run("wait", "held").code == 0


def test_apply_undoes_a_manual_scaling_to_zero(ns: NamespaceFixture, run: Run) -> None:
    ns.apply(model_service().named("zero").autoscaled(min_replicas=2, max_replicas=5))
    ns.wait_ready("zero")
    ns.kubectl("scale", "deployment/zero", "--replicas=0")
    wait_reason(ns, "zero", "ScaledToZero")
    document = json.loads(run("why", "zero", "--apply", "-o", "json").out)
    assert document["applied"] == {"kind": "Deployment", "name": "zero", "patch": {"spec": {"replicas": 2}}}
    assert run("wait", "zero").code == 0


def test_apply_leaves_a_service_of_git_alone(ns: NamespaceFixture, run: Run) -> None:
    create(ns, "git")
    ns.kubectl("label", "msvc", "git", "argocd.argoproj.io/instance=apps")
    assert "Argo CD applies this ModelService" in run("scale", "git", "--replicas=2").err


def test_wait_ends_when_the_service_is_stalled(ns: NamespaceFixture, run: Run) -> None:
    ns.kubectl("create", "service", "clusterip", "taken", "--tcp=80")
    ns.apply(model_service().named("taken"))
    wait_reason(ns, "taken", "NameConflict")
    started = time.monotonic()
    found = run("wait", "taken", "--timeout=60s")
    assert found.code == ExitCode.NEGATIVE
    assert found.err.startswith(
        "modelservice: ModelService taken is stalled: NameConflict: Service taken already exists"
    )
    assert time.monotonic() - started < 30
    why = run("why", "taken").out
    assert f"kubectl annotate -n {ns.namespace} service/taken modelservice.dev/adopt-by=taken" in why


def test_wait_reports_the_cause_after_the_timeout(ns: NamespaceFixture, run: Run) -> None:
    ns.apply(model_service().named("stuck").with_spec(nodeSelector={"example.com/none": "b"}))
    wait_reason(ns, "stuck", "Unschedulable")
    found = run("wait", "stuck", "--timeout=1s")
    assert found.code == ExitCode.NEGATIVE
    assert found.err.startswith("modelservice: ModelService stuck: Ready is not True after 1s: Unschedulable: ")
    missing = run("wait", "stuck", "--for=ModelTracked", "--timeout=0").err
    assert missing == (
        "modelservice: ModelService stuck: ModelTracked is not True after 0s: the status has no such condition.\n"
    )


def test_wait_for_the_deletion(ns: NamespaceFixture, run: Run) -> None:
    create(ns, "leaving")
    assert run("wait", "leaving", "--for=delete", "--timeout=0").code == ExitCode.NEGATIVE
    ns.kubectl("delete", "msvc", "leaving", "--wait=false")
    found = run("wait", "leaving", "--for=delete")
    assert (found.code, found.out) == (0, "modelservice.modelservice.dev/leaving deleted\n")
