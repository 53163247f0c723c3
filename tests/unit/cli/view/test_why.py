"""The next command or patch for the messages that the operator reported on a real node (tests/e2e/gallery.py)."""

from dataclasses import replace
from typing import Any

import pytest

from modelservice_cli.view.fixes import _RULES as RULES
from modelservice_cli.view.fixes import NEEDED_FACTS, Facts, Fix
from modelservice_cli.view.why import Explanation, explain
from modelservice_operator.status.reasons import LOADER_REASONS, Reason
from tests.e2e.gallery import CASES
from tests.environment.runbook import recorded
from tests.support.families import IRIS, NOW, deployment, family, service_body, with_condition
from tests.support.pods import new_pod

SAID = recorded()
OWN_REASONS = {"NotObserved", "Deleting"}
"""Reasons of the command line itself: the operator has not written a condition for them."""
NODE = {"metadata": {"name": "node-1"}, "status": {"allocatable": {"cpu": "2", "memory": "4Gi"}}}
FACTS = Facts(
    nodes=(NODE,),
    quotas=({"metadata": {"name": "pods"}, "status": {"hard": {"pods": "0"}, "used": {"pods": "0"}}},),
    limit_ranges=({"spec": {"limits": [{"type": "Container", "max": {"cpu": "200m", "memory": "256Mi"}}]}},),
)

FIRST_COMMANDS = {
    "architecture": "kubectl modelservice logs architecture -n ml --previous",
    "claim": "kubectl describe -n ml pvc/gallery",
    "command": "kubectl modelservice logs command -n ml --previous",
    "config": "kubectl create configmap settings -n ml --from-file=PATH",
    "cpu": "kubectl patch -n ml msvc/cpu --type=merge -p"
    """ '{"spec": {"resources": {"requests": {"cpu": "AMOUNT"}}}}'""",
    "crash": "kubectl modelservice logs crash -n ml --previous",
    "credentials": "kubectl create secret generic model-store -n ml --from-file=PATH",
    "gate": "kubectl get workloads -n ml",
    "limit-range": 'kubectl patch -n ml msvc/limit-range --type=merge -p \'{"spec": {"resources": {"requests": {"cpu":'
    ' "200m", "memory": "256Mi"}, "limits": {"cpu": "200m", "memory": "256Mi"}}}}\'',
    "memory": "kubectl patch -n ml msvc/memory --type=merge -p"
    """ '{"spec": {"resources": {"limits": {"memory": "128Mi"}}}}'""",
    "metrics": "kubectl modelservice events metrics -n ml",
    "missing-claim": "kubectl get pvc -n ml",
    "no-image": """kubectl patch -n ml msvc/no-image --type=merge -p '{"spec": {"image": "IMAGE"}}'""",
    "path": "kubectl modelservice predict path -n ml --path=/nothing-here --unready",
    "policy": "kubectl modelservice events policy -n ml",
    "port": "kubectl modelservice logs port -n ml",
    "private": "kubectl create secret docker-registry registry-login -n ml --docker-server=registry.example.com"
    " --docker-username=USER --docker-password=PASSWORD",
    "quota": "kubectl describe -n ml resourcequota pods",
    "read-only": 'kubectl patch -n ml msvc/read-only --type=merge -p \'{"spec": {"mounts": [{"name": "data",'
    ' "mountPath": "/app/cache", "emptyDir": {}}]}}\'',
    "root": "kubectl modelservice logs root -n ml --previous",
    "secret": "kubectl create secret generic token -n ml --from-literal=value=VALUE",
    "shared-memory": 'kubectl patch -n ml msvc/shared-memory --type=merge -p \'{"spec": {"mounts": [{"name": "shm",'
    ' "mountPath": "/dev/shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}}]}}\'',
    "slow": "kubectl modelservice wait slow -n ml",
    "user": "kubectl modelservice logs user -n ml --previous",
}
SAFE = {"memory", "read-only", "shared-memory"}
"""Cases whose first fix is applied by --apply: nothing serves, and the cause names what to change."""


def explained(service: dict[str, Any], *, facts: Facts = FACTS, **fields: Any) -> Explanation:
    found = explain(family(service, **fields), facts, NOW, program="kubectl modelservice")
    assert found is not None
    return found


def first_fix(service: dict[str, Any], *, facts: Facts = FACTS, **fields: Any) -> Fix:
    return explained(service, facts=facts, **fields).fixes[0]


def gallery_service(name: str) -> dict[str, Any]:
    """Return the ModelService of a case with the condition that the operator reported."""
    case = next(case for case in CASES if case.name == name)
    said = SAID[name]
    status = "Unknown" if said.reason == "AutoscalerStarting" else "False"
    return with_condition(
        said.condition, status, said.reason, said.message, service=replace(case.failing.named(name), namespace="ml")
    )


def test_every_case_of_the_gallery_has_a_first_command() -> None:
    assert set(FIRST_COMMANDS) == set(SAID)


@pytest.mark.parametrize("name", sorted(FIRST_COMMANDS))
def test_gallery_case_has_the_next_command(name: str) -> None:
    found = explained(gallery_service(name))
    assert found.problem.message == SAID[name].message
    fix = found.fixes[0]
    assert fix.commands[0] == FIRST_COMMANDS[name]
    assert (fix.change is not None) == (name in SAFE)
    assert bool(fix.caution) != (name in SAFE)
    assert fix.text.endswith(".")


def test_every_rule_is_about_a_known_reason() -> None:
    assert set(RULES) - OWN_REASONS <= {str(reason) for reason in Reason}
    assert set(NEEDED_FACTS) <= set(RULES)
    assert {str(reason) for reason in LOADER_REASONS} <= set(RULES)


@pytest.mark.parametrize("reason", sorted(map(str, Reason)))
def test_every_reason_has_a_next_command(reason: str) -> None:
    fix = first_fix(with_condition("Ready", "False", reason, "A message."))
    assert fix.commands
    assert fix.change is None, "without objects that show the cause, nothing is changed"


@pytest.mark.parametrize("reason", ["CrashLoop", "OOMKilled", "ImagePull", "NameConflict", "RolloutPaused"])
def test_command_in_a_log_line_is_never_suggested(reason: str) -> None:
    hostile = (
        "kubectl delete namespace prod; To have it adopted, run kubectl annotate -n ml service/x"
        " modelservice.dev/adopt-by=y"
    )
    message = (
        f'The only pod: container model exited with code 1. Log line: "{hostile}. The server writes to /etc/x/y."'
        " The program failed. Logs: kubectl logs -n ml deployment/iris."
    )
    found = explained(with_condition("Ready", "False", reason, message))
    commands = [command for fix in found.fixes for command in fix.commands]
    assert not any("delete" in command or "adopt" in command or "/etc/x" in command for command in commands)
    assert all(fix.change is None for fix in found.fixes)


def test_paused_rollout_is_resumed() -> None:
    service = with_condition("Ready", "False", "RolloutPaused", "The Deployment is paused.")
    fix = first_fix(service, children=[deployment(paused=True)])
    assert fix.commands == ("kubectl rollout resume -n ml deployment/iris",)
    assert fix.change is not None
    assert (fix.change.kind.kind, fix.change.body) == ("Deployment", {"spec": {"paused": None}})


def test_deployment_without_replicas_is_scaled_to_the_minimum() -> None:
    service = with_condition(
        "Ready", "False", "ScaledToZero", "Scaled to 0.", service=IRIS.autoscaled(min_replicas=3, max_replicas=5)
    )
    fix = first_fix(service, children=[deployment(replicas=0)])
    assert fix.commands == ("kubectl scale -n ml deployment/iris --replicas=3",)
    assert fix.change is not None
    assert (fix.change.subresource, fix.change.body) == ("scale", {"spec": {"replicas": 3}})


def test_suspended_service_is_not_resumed_by_apply() -> None:
    service = with_condition("Ready", "False", "ScaledToZero", "0 replicas.", service=IRIS.suspended())
    fix = first_fix(service, children=[deployment(replicas=0)])
    assert fix.commands == ("kubectl modelservice resume iris -n ml",)
    assert fix.change is None


def test_memory_is_not_raised_above_the_largest_node() -> None:
    message = "The only pod: container model was killed because it used more memory than allowed. Its limit is 3Gi."
    big = IRIS.with_spec(resources={"limits": {"memory": "3Gi"}})
    fix = first_fix(with_condition("Ready", "False", "OOMKilled", message, service=big))
    assert fix.patch == {"spec": {"resources": {"limits": {"memory": "6Gi"}}}}
    assert fix.change is None
    assert fix.caution == "the largest node has 4Gi."


def test_memory_stays_guaranteed() -> None:
    message = "The only pod: container model was killed because it used more memory than allowed."
    equal = IRIS.with_spec(resources={"requests": {"memory": "1Gi"}, "limits": {"memory": "1Gi"}})
    fix = first_fix(with_condition("Ready", "False", "OOMKilled", message, service=equal))
    assert fix.patch == {"spec": {"resources": {"limits": {"memory": "2Gi"}, "requests": {"memory": "2Gi"}}}}


def test_service_with_ready_replicas_is_not_changed() -> None:
    service = with_condition("Ready", "False", "OOMKilled", SAID["memory"].message, readyReplicas=1)
    fix = first_fix(service)
    assert fix.change is None
    assert "replicas are ready" in fix.caution


@pytest.mark.parametrize(
    ("label", "tool"),
    [("argocd.argoproj.io/instance", "Argo CD"), ("kustomize.toolkit.fluxcd.io/name", "Flux")],
)
def test_service_in_git_is_changed_at_its_source(label: str, tool: str) -> None:
    service = gallery_service("memory")
    service["metadata"]["labels"] = {label: "apps"}
    found = explained(service)
    assert found.fixes[0].change is None
    assert found.fixes[0].caution == f"{tool} applies this ModelService: change it at its source."
    assert any(one.source == "managed by" for one in found.evidence)


def test_port_of_the_log_becomes_the_container_port() -> None:
    log = "INFO:     Started server process [1]\nINFO:     Uvicorn running on http://0.0.0.0:5000 (Press CTRL+C)\n"
    fix = first_fix(gallery_service("port"), facts=Facts(log=log))
    assert fix.patch == {"spec": {"containerPort": 5000}}
    assert fix.change is not None


def test_port_is_not_chosen_between_two_of_the_log() -> None:
    log = "Listening at: http://0.0.0.0:5000\nmetrics server listening on :9090\n"
    fix = first_fix(gallery_service("port"), facts=Facts(log=log))
    assert fix.patch is None
    assert fix.change is None


@pytest.mark.parametrize("path", ["/app", "/srv/model", "/opt"])
def test_mount_that_may_hide_the_program_is_not_applied(path: str) -> None:
    service = IRIS.with_spec(command=["/app/bin/serve"], model={"uri": "file:///srv/model/weights.bin"})
    message = f"The only pod: container model exited with code 1. The server writes to {path}. Mount it."
    fix = first_fix(with_condition("Ready", "False", "CrashLoop", message, service=service))
    assert fix.patch is not None
    assert fix.change is None


def test_healthy_service_has_nothing_to_explain() -> None:
    service = with_condition("Ready", "True", "RolloutComplete", "All 2 replicas are available.")
    assert explain(family(service), Facts(), NOW, program="x") is None


def test_unobserved_service_is_about_the_operator() -> None:
    found = explained(service_body(IRIS, observedGeneration=-1))
    assert found.problem.reason == "NotObserved"
    assert found.fixes[0].commands == ("kubectl modelservice check",)


def test_evidence_has_pods_quota_and_last_log_line() -> None:
    service = gallery_service("quota")
    service["status"]["lastFailure"] = {"pod": "iris-x", "reason": "Error", "message": "MemoryError:\x1b[31m 2 GiB"}
    pod = new_pod().crashed(message="boom", exitCode=137)
    found = explained(service, pods=[pod])
    texts = {one.source: one.text for one in found.evidence}
    assert "model ended with Error (137)" in texts["pod"]
    assert texts["last log line"] == "MemoryError: 2 GiB"
    assert texts["quota"] == "pods: pods 0 of 0 used"


def test_explanation_as_json_has_cause_evidence_and_fixes() -> None:
    document = explained(gallery_service("memory")).to_json()
    assert document["reason"] == "OOMKilled"
    [fix, *_] = document["fixes"]
    assert fix["safe"] is True
    assert fix["patch"] == {"spec": {"resources": {"limits": {"memory": "128Mi"}}}}
