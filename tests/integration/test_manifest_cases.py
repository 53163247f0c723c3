"""Situations around existing manifests: tools that change pods, injected containers, switched strategies."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.environment.audit import AuditTrail
from tests.support.builders import model_service
from tests.support.namespace import NamespaceFixture

RELOADED = {"name": "STAKATER_SETTINGS_SECRET", "value": "0123456789"}
"""Variable that Reloader adds to a container when a Secret of the pod changes."""
PROXY = (
    "Object.spec.containers{name: 'proxy', image: 'registry.example.com/proxy:1', "
    "securityContext: Object.spec.containers.securityContext{allowPrivilegeEscalation: false, "
    "capabilities: Object.spec.containers.securityContext.capabilities{drop: ['ALL']}}}"
)
GROUP = "admissionregistration.k8s.io/v1"


def patch_template(ns: NamespaceFixture, name: str, template: dict[str, Any]) -> None:
    body = json.dumps({"spec": {"template": template}})
    ns.kubectl("patch", "deployment", name, "--field-manager=Reloader", "--type=strategic", "-p", body)
    ns.kubectl("rollout", "status", f"deployment/{name}", "--timeout=90s")


def test_variable_and_annotation_of_reloader_are_kept(ns: NamespaceFixture, audit: AuditTrail) -> None:
    """A tool that restarts pods when a Secret changes adds to the pod template: nothing is reverted."""
    ns.apply(model_service().named("reloaded").with_spec(env=[{"name": "A", "value": "1"}]))
    ns.wait_ready("reloaded")
    generation = ns.get("deployment", "reloaded")["metadata"]["generation"]
    patch_template(ns, "reloaded", {"spec": {"containers": [{"name": "model", "env": [RELOADED]}]}})
    patch_template(ns, "reloaded", {"metadata": {"annotations": {"example.com/last-reloaded": "now"}}})
    ns.wait_ready("reloaded")
    deployment = ns.get("deployment", "reloaded")
    assert deployment["metadata"]["generation"] == generation + 2
    assert RELOADED in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    assert [write for write in audit.writes_of("reloaded") if write.startswith("patch")] == []


@pytest.mark.parametrize("first", ["Recreate", "RollingUpdate"])
def test_strategy_can_be_switched_both_ways(ns: NamespaceFixture, first: str) -> None:
    """The API server rejects Recreate with parameters of the rolling update."""
    name = f"switched-{first.lower()}"
    other = {"Recreate": "RollingUpdate", "RollingUpdate": "Recreate"}[first]
    for kind in (first, other, first):
        ns.apply(model_service().named(name).with_spec(rollout={"type": kind}))
        ns.wait_ready(name)
        strategy = ns.get("deployment", name)["spec"]["strategy"]
        assert (strategy["type"], "rollingUpdate" in strategy) == (kind, kind == "RollingUpdate")


@contextmanager
def injected_proxy(ns: NamespaceFixture) -> Iterator[None]:
    """Add a container without requests to the pods with the label `proxy`, as the injector of a mesh does."""
    name = f"proxy-{ns.namespace}"
    match = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns.namespace}},
        "objectSelector": {"matchLabels": {"proxy": "enabled"}},
        "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
    }
    # An apply configuration must not contain a list that is atomic, such as `drop`.
    change = {"expression": f"[JSONPatch{{op: 'add', path: '/spec/containers/-', value: {PROXY}}}]"}
    policy = {
        "matchConstraints": match,
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": change}],
    }
    specs = {"MutatingAdmissionPolicy": policy, "MutatingAdmissionPolicyBinding": {"policyName": name}}
    items = [{"apiVersion": GROUP, "kind": kind, "metadata": {"name": name}, "spec": specs[kind]} for kind in specs]
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    ns.kubectl("create", "-f", "-", stdin=objects)
    try:
        yield
    finally:
        ns.kubectl("delete", "-f", "-", stdin=objects)


def container_names(ns: NamespaceFixture, name: str) -> list[set[str]]:
    """Return the names of the containers of each pod of a ModelService."""
    pods = ns.kubectl("get", "pods", "-l", f"app.kubernetes.io/instance={name}", "-o", "json")
    return [{container["name"] for container in pod["spec"]["containers"]} for pod in json.loads(pods)["items"]]


def test_cpu_target_ignores_an_injected_container(ns: NamespaceFixture) -> None:
    service = (
        model_service()
        .named("meshed")
        .with_spec(podLabels={"proxy": "enabled"}, resources={"requests": {"cpu": "100m"}})
        .autoscaled(max_replicas=4, cpu=60)
    )
    with injected_proxy(ns):
        ns.apply(service)
        ns.wait_ready("meshed")
        # The API server applies a new policy after a delay.
        ns.wait(lambda: restart_pods(ns, "meshed") == [{"model", "proxy"}], "injected container", name="meshed")
        ns.wait_ready("meshed")
    [metric] = ns.get("hpa", "meshed")["spec"]["metrics"]
    assert (metric["type"], metric["containerResource"]["container"]) == ("ContainerResource", "model")


def restart_pods(ns: NamespaceFixture, name: str) -> list[set[str]]:
    if (found := container_names(ns, name)) != [{"model", "proxy"}]:
        ns.kubectl("delete", "pods", "-l", f"app.kubernetes.io/instance={name}", "--wait=true")
    return found


def test_minimum_that_does_not_fit_is_reported_with_counts(ns: NamespaceFixture) -> None:
    """There are two nodes: a pod on each is available, three are missing, and nothing is stalled."""
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"floor": "five"}}}
    service = (
        model_service()
        .named("floor")
        .with_spec(
            podLabels={"floor": "five"},
            affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}},
        )
        .autoscaled(min_replicas=5, max_replicas=6)
    )
    ns.apply(service)
    ns.wait(lambda: ns.condition("floor", "Available").get("status") == "True", "available replicas", name="floor")
    ns.wait(lambda: ns.condition("floor")["message"].startswith("3 of 5 pods"), "missing replicas", name="floor")
    assert ns.condition("floor")["reason"] == "Unschedulable"
    assert ns.condition("floor", "Stalled").get("status") != "True"
