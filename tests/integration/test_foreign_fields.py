"""Fields of other managers are kept, removed spec fields disappear, and replaced fields are restored."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from modelservice_operator.apimachinery.kinds import BUILT_IN_CHILD_KINDS, MODEL_SERVICE, ResourceKind
from tests.environment.audit import STATUS, AuditTrail
from tests.support.api import MERGE_PATCH, ApiClient, Object, RequestRejectedError, Watcher
from tests.support.builders import ModelServiceBuilder, golden, model_service
from tests.support.namespace import NamespaceFixture

RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
PROXY = {"name": "proxy", "image": "proxy:1", "resources": {"requests": {"cpu": "10m"}}, "securityContext": RESTRICTED}
PREPARE = {"name": "prepare", "image": "prepare:1", "securityContext": RESTRICTED}
RECOMMENDED = {"requests": {"cpu": "77m"}, "limits": {"cpu": "1"}}
MEMORY = {"memory": "64Mi"}
"""The only resource that the ModelService requests; a recommender may set others."""
TEMPLATE = {
    "metadata": {"annotations": {"injector.example.com/status": "done"}, "labels": {"injector.example.com/rev": "1"}},
    "spec": {
        "containers": [PROXY, {"name": "model", "resources": RECOMMENDED}],
        "initContainers": [PREPARE],
        "tolerations": [{"key": "theirs", "operator": "Exists"}],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
    },
}
ADDITIONS: Mapping[str, Any] = {
    "deployment": {"metadata": {"annotations": {"example.com/note": "theirs"}}, "spec": {"template": TEMPLATE}},
    "service": {
        "metadata": {"annotations": {"example.com/note": "theirs"}, "labels": {"example.com/team": "theirs"}},
        "spec": {"ports": [{"name": "metrics", "port": 9090, "protocol": "TCP", "targetPort": 9090}]},
    },
    "hpa": {"metadata": {"annotations": {"example.com/note": "theirs"}}},
}


def memory_autoscaling(*, max_replicas: int) -> Object:
    return {"maxReplicas": max_replicas, "targetMemoryUtilizationPercentage": 80}


def has_addition(live: Any, addition: Any) -> bool:
    """Return True if an object contains the whole addition; items of lists are identified by their names."""
    if isinstance(addition, dict):
        return isinstance(live, dict) and all(has_addition(live.get(key), value) for key, value in addition.items())
    if isinstance(addition, list) and isinstance(addition[0], dict):
        by_name = {item.get("name", item.get("key")): item for item in live or ()}
        return all(has_addition(by_name.get(item.get("name", item.get("key"))), item) for item in addition)
    return bool(live == addition)


def test_foreign_additions_survive_corrections_and_updates(ns: NamespaceFixture, audit: AuditTrail) -> None:
    """A sidecar, recommended resources, another port: adding them causes no write, and later writes keep them."""
    service = (
        model_service()
        .named("added")
        .with_spec(resources={"requests": MEMORY}, autoscaling=memory_autoscaling(max_replicas=3))
    )
    ns.apply(service)
    ns.wait_ready("added")
    for kind, addition in ADDITIONS.items():
        ns.kubectl("patch", kind, "added", "--type=strategic", "-p", json.dumps(addition))
    ns.kubectl("rollout", "restart", "deployment/added")
    restarted = ns.get("deployment", "added")["spec"]["template"]["metadata"]["annotations"]
    ns.kubectl("rollout", "status", "deployment/added", "--timeout=60s")
    ns.wait_ready("added", within=60)
    writes = audit.writes_of("added")
    assert [write for write in writes if not write.startswith("create ")] == [STATUS]
    ns.apply(
        service.with_spec(
            env=[{"name": "A", "value": "1"}], service={"port": 8000}, autoscaling=memory_autoscaling(max_replicas=4)
        )
    )
    ns.wait_field("hpa", "added", "maxReplicas", 4)
    ns.wait_ready("added", within=60)
    ports = {port["name"]: port["port"] for port in ns.get("service", "added")["spec"]["ports"]}
    assert ports == {"http": 8000, "metrics": 9090}
    assert [kind for kind, addition in ADDITIONS.items() if not has_addition(ns.get(kind, "added"), addition)] == []
    annotations = ns.get("deployment", "added")["spec"]["template"]["metadata"]["annotations"]
    stamp = "kubectl.kubernetes.io/restartedAt"
    assert annotations[stamp] == restarted[stamp]


FIELD = {"fieldRef": {"fieldPath": "metadata.name"}}
PROBE = {"httpGet": None, "grpc": {"port": 1}}
VARIABLE = {"name": "PORT", "value": "", "valueFrom": FIELD}
VOLUME = {"name": "tmp", "emptyDir": None, "configMap": {"name": "theirs"}}


def in_container(fields: Object) -> Object:
    return {"template": {"spec": {"containers": [{"name": "model"} | fields]}}}


@pytest.mark.parametrize(
    ("name", "kind", "patch"),
    [
        ("probe", "deployment", in_container({"readinessProbe": PROBE})),
        ("variable", "deployment", in_container({"env": [VARIABLE]})),
        ("volume", "deployment", {"template": {"spec": {"volumes": [VOLUME]}}}),
        ("strategy", "deployment", {"strategy": {"type": "Recreate", "rollingUpdate": None}}),
        ("budget", "poddisruptionbudget", {"minAvailable": None, "maxUnavailable": 1}),
        ("port", "service", {"ports": [{"port": 8000, "$patch": "delete"}, {"name": "http", "port": 81}]}),
    ],
)
def test_exclusive_field_of_another_manager_is_replaced(
    ns: NamespaceFixture, name: str, kind: str, patch: Object
) -> None:
    """Some fields exclude each other, so that the API server would reject both together."""
    ns.apply(golden("everything").named(name))
    ns.wait(lambda: ns.get("ingress", name) and ns.get(kind, name), "children", name=name)
    before = ns.get(kind, name)
    ns.kubectl("patch", kind, name, "--type=strategic", "-p", json.dumps({"spec": patch}))

    def as_before() -> bool:
        live = ns.get(kind, name)
        changed = live["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
        return bool(changed and spec_of(live) == spec_of(before))

    ns.wait(as_before, f"{kind} as before", name=name)


def spec_of(body: Any) -> Any:
    """Return the spec without `replicas`, which an autoscaler sets."""
    return {name: value for name, value in body["spec"].items() if name != "replicas"}


VOLATILE = frozenset(
    {"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "ownerReferences", "status"}
    | {"clusterIP", "clusterIPs", "nodePort", "healthCheckNodePort", "schedule"}
    | {"modelservice.dev/owner-uid", "modelservice.dev/desired-hash", "modelservice.dev/template-hash"}
    | {"deployment.kubernetes.io/revision"}
)
CHILDREN = ("deployment", "service", "hpa", "poddisruptionbudget", "networkpolicy", "ingress", "cronjob")
UNSCHEDULABLE = (
    *("serviceAccountName", "priorityClassName", "runtimeClassName", "nodeSelector", "affinity", "mounts"),
    "resourceClaims",
)
"""Fields that require other objects."""
FIELDS = sorted(golden("everything").spec.keys() - {"image"})


def masked(node: Any, name: str) -> Any:
    """Return an object without the values that differ between two objects of the same desired state."""
    if isinstance(node, dict):
        return {key: masked(value, name) for key, value in node.items() if key not in VOLATILE}
    if isinstance(node, list):
        return [masked(item, name) for item in node]
    return node.replace(name, "NAME") if isinstance(node, str) else node


async def test_removed_spec_field_is_removed_from_the_children(ns: NamespaceFixture) -> None:
    """After the removal of each field, the children equal those of an object that never had it."""
    async with (
        ApiClient(ns.cluster.kubeconfig) as api,
        Watcher(api, ns.namespace).watch([MODEL_SERVICE]) as watcher,
    ):
        removal = FieldRemoval(api, watcher, ns.namespace)
        differences = [
            found for of_one_field in await asyncio.gather(*map(removal.differences, FIELDS)) for found in of_one_field
        ]
    assert differences == []


@dataclass(frozen=True)
class FieldRemoval:
    """Removes fields from the spec and compares children."""

    api: ApiClient
    watcher: Watcher
    namespace: str

    async def differences(self, field: str) -> list[str]:
        """Return the differences between the children of an object without a field and one that never had it."""
        removed_name, never_name = f"had-{field.lower()}", f"not-{field.lower()}"
        whole = golden("everything").named(removed_name, namespace=self.namespace)
        await self._observed(await self._send("POST", whole))
        patched = await self._send("PATCH", whole, {"spec": {field: None}})
        await self._observed(patched)
        await self._observed(await self._send("POST", whole.without_spec(field).named(never_name)))
        return [
            f"{kind.kind} without {field}: {one} is not {other}"
            for kind in BUILT_IN_CHILD_KINDS
            if (one := await self._child(kind, removed_name)) != (other := await self._child(kind, never_name))
        ]

    async def _send(self, verb: str, service: ModelServiceBuilder, patch: Object | None = None) -> Object:
        path = MODEL_SERVICE.path(namespace=self.namespace, name="" if patch is None else service.name)
        content = "application/json" if patch is None else MERGE_PATCH
        answer: Object = await self.api.request(verb, path, patch or service.manifest(), content_type=content)
        return answer

    async def _observed(self, sent: Object) -> None:
        """Wait until the operator has applied the children of this generation."""
        name, generation = sent["metadata"]["name"], sent["metadata"]["generation"]

        def seen(body: Object) -> bool:
            return bool(body.get("status", {}).get("observedGeneration") == generation)

        assert await self.watcher.wait(MODEL_SERVICE, name, seen, within=90), f"{name} is not observed."

    async def _child(self, kind: ResourceKind, name: str) -> Any:
        try:
            return masked(await self.api.get(kind, self.namespace, name), name)
        except RequestRejectedError:
            return None


@pytest.mark.parametrize("cascade", ["background", "foreground", "orphan"])
def test_deleted_child_is_recreated_for_every_cascade_mode(ns: NamespaceFixture, cascade: str) -> None:
    """While a child is terminating, the ModelService is Reconciling; no user action is needed."""
    name = f"gone-{cascade}"
    ns.apply(golden("everything").named(name).without_spec(*UNSCHEDULABLE, "rollout"))
    ns.wait_ready(name)
    old = {kind: ns.get(kind, name)["metadata"]["uid"] for kind in CHILDREN}
    ns.kubectl("delete", ",".join(CHILDREN), name, f"--cascade={cascade}", "--wait=false")
    stalled = []

    def all_new() -> bool:
        stalled.append(ns.condition(name, "Stalled"))
        found = [(uid, ns.get(kind, name)) for kind, uid in old.items()]
        return all(live and live["metadata"]["uid"] != uid for uid, live in found)

    ns.wait(all_new, "new children", name=name)
    ns.wait_ready(name)
    assert not any(stalled)
