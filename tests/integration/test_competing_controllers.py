"""Who rewrites us: at once after each correction, or while the API server takes what we write."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

from modelservice_operator.apimachinery.kinds import HORIZONTAL_POD_AUTOSCALER
from modelservice_operator.apply.drift_limiter import MAX_CORRECTIONS
from modelservice_operator.resources import build_children
from tests.environment.audit import AuditTrail
from tests.support.api import MERGE_PATCH, Api, Object, Watcher
from tests.support.builders import model_service
from tests.support.namespace import TestNamespace

MARKERS = count()
STATUS = "update modelservices/status"
PROVOCATIONS = 10
THEIRS = 9
GROUP = "admissionregistration.k8s.io/v1"

INJECTED = 'Object.spec.template.spec.containers{name: "proxy", image: "proxy:1"}'
TEMPLATE = "Object{{spec: Object.spec{{template: Object.spec.template{{spec: Object.spec.template.spec{{{}}}}}}}}}"
ENV = "/spec/template/spec/containers/0/env"


def applied(expression: str) -> dict[str, Any]:
    """Return a mutation that merges fields into an object."""
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


LINKS = applied(TEMPLATE.format("enableServiceLinks: true"))
AFFINITY = applied('Object{spec: Object.spec{sessionAffinity: "None"}}')
SIDECAR = applied(TEMPLATE.format(f"containers: [{INJECTED}]"))
REORDERED = {
    "patchType": "JSONPatch",
    "jsonPatch": {"expression": f'[JSONPatch{{op: "move", from: "{ENV}/0", path: "{ENV}/-"}}]'},
}


@contextmanager
def admission(world: TestNamespace, resource: str, name: str, *mutations: dict[str, Any]) -> Iterator[None]:
    """Rewrite one child for the length of a `with` block, as a mutating webhook would."""
    match = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}},
        "objectSelector": {"matchLabels": {"app.kubernetes.io/instance": name}},
        "resourceRules": [
            {"apiGroups": ["apps", ""], "apiVersions": ["v1"], "operations": ["*"], "resources": [resource]}
        ],
    }
    policy = {"matchConstraints": match, "mutations": list(mutations), "reinvocationPolicy": "Never"}
    kinds = {"MutatingAdmissionPolicy": policy, "MutatingAdmissionPolicyBinding": {"policyName": name}}
    objects = [{"apiVersion": GROUP, "kind": kind, "metadata": {"name": name}, "spec": kinds[kind]} for kind in kinds]
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    world.kubectl("create", "-f", "-", stdin=items)
    try:
        world.wait(lambda: rewrites(world, resource, name), "admission policy to act", name=name)
        yield
    finally:
        world.kubectl("delete", "-f", "-", stdin=items)


def rewrites(world: TestNamespace, resource: str, name: str) -> bool:
    """Tell whether the policy is in force: an API server takes it in after a moment."""
    service = model_service().named(name, namespace=world.namespace).with_spec(service={"sessionAffinity": "ClientIP"})
    [child] = [child for child in build_children(service.parsed()) if child.kind.plural == resource]
    body = json.dumps(child.body)
    answer = json.loads(world.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=body))
    containers = answer["spec"].get("template", {}).get("spec", {}).get("containers", ())
    return child.first_difference(answer) is not None or len(containers) > 1


def settled(world: TestNamespace, audit: AuditTrail, name: str) -> Counter[str]:
    """Count writes once the object's events have been worked off, told by a later object's being ready."""
    marker = f"{name}-marker-{next(MARKERS)}"
    world.apply(model_service().named(marker))
    world.wait_ready(marker)
    return audit.accepted_writes_of(name)


def provoke(world: TestNamespace, kind: str, name: str) -> None:
    """Have the operator look at a child again and again."""
    for number in range(PROVOCATIONS):
        world.kubectl("annotate", kind, name, f"example.com/provocation={number}", "--overwrite")


async def test_who_rewrites_us_after_each_correction_wins(world: TestNamespace, audit: AuditTrail) -> None:
    service = model_service().named("after")
    world.apply(service.autoscaled(max_replicas=3))
    world.wait_ready("after")
    world.apply(service.autoscaled(max_replicas=4))  # what our POST set is handed over once
    world.wait_field("hpa", "after", "maxReplicas", 4)
    before = settled(world, audit, "after")
    async with (
        Api(world.cluster.kubeconfig) as api,
        Watcher(api, world.namespace).watch([HORIZONTAL_POD_AUTOSCALER]) as watched,
    ):
        opponent = asyncio.create_task(rewriting(api, watched, world.namespace, "after"))
        await asyncio.to_thread(world.wait, lambda: complaint(world, "after"), "complaint", name="after")
        assert (
            "spec.maxReplicas of HorizontalPodAutoscaler after is being reverted" in world.condition("after")["message"]
        )
        await asyncio.to_thread(provoke, world, "hpa", "after")
        writes = await asyncio.to_thread(settled, world, audit, "after") - before
        opponent.cancel()
    assert writes.pop(STATUS) <= 2
    assert writes == {"patch horizontalpodautoscalers": MAX_CORRECTIONS}


def complaint(world: TestNamespace, name: str) -> bool:
    return world.condition(name).get("reason") == "DriftDetected"


async def rewriting(api: Api, watched: Watcher, namespace: str, name: str) -> None:
    """Set the greatest count to ours whenever it is not."""
    path, version = HORIZONTAL_POD_AUTOSCALER.path(namespace=namespace, name=name), 0

    def corrected(body: Object) -> bool:
        return int(body["metadata"]["resourceVersion"]) > version and body["spec"]["maxReplicas"] != THEIRS

    while True:
        await watched.wait(HORIZONTAL_POD_AUTOSCALER, name, corrected, within=600)
        answer = await api.request("PATCH", path, {"spec": {"maxReplicas": THEIRS}}, content=MERGE_PATCH)
        version = int(answer["metadata"]["resourceVersion"])


@pytest.mark.parametrize(
    ("kind", "mutation", "field"),
    [
        ("deployment", LINKS, "spec.template.spec.enableServiceLinks"),
        # No controller writes to it, so that nothing but our own writes makes us look again.
        ("service", AFFINITY, "spec.sessionAffinity"),
    ],
)
def test_who_rewrites_us_at_admission_wins(
    world: TestNamespace, audit: AuditTrail, kind: str, mutation: dict[str, Any], field: str
) -> None:
    name = f"inside-{kind}"
    with admission(world, f"{kind}s", name, mutation):
        world.apply(model_service().named(name).with_spec(service={"sessionAffinity": "ClientIP"}))
        world.wait(lambda: complaint(world, name), "complaint", name=name)
        assert (
            f"{field} of {kind.capitalize()} {name} is being reverted by another client"
            in world.condition(name)["message"]
        )
        before = settled(world, audit, name)
        provoke(world, kind, name)
        assert settled(world, audit, name) == before
    assert before.pop(STATUS) <= 3
    # One hand-over of the fields that our POST set.
    assert before == {"create deployments": 1, "create services": 1, f"patch {kind}s": 1 + MAX_CORRECTIONS}


def test_who_injects_and_reorders_is_no_opponent(world: TestNamespace, audit: AuditTrail) -> None:
    service = model_service().named("mixed").with_spec(replicas=0)
    with admission(world, "deployments", "mixed", SIDECAR, REORDERED):
        world.apply(service)
        world.wait_ready("mixed")
        provoke(world, "deployment", "mixed")
        writes = settled(world, audit, "mixed")
        assert writes.pop(STATUS) <= 2
        assert writes == {"create deployments": 1, "create services": 1}
        world.apply(service.with_spec(env=[{"name": "A", "value": "1"}]))
        world.wait_ready("mixed")
        provoke(world, "deployment", "mixed")
        writes = settled(world, audit, "mixed")
    assert writes["patch deployments"] == 2
    containers = world.get("deployment", "mixed")["spec"]["template"]["spec"]["containers"]
    assert {container["name"] for container in containers} == {"model", "proxy"}
