"""Backup and restore of a namespace's ModelServices and everything of theirs, as Velero does it."""

import json
from collections.abc import Iterable
from typing import Any

from modelservice_operator.resources.metadata import CLUSTER_IP_NONE, MANAGED_SELECTOR
from tests.support.namespace import PLURAL, NamespaceFixture

PODS_FIRST = ("pods", "replicasets.apps")
CHILDREN = (
    "deployments.apps",
    "services",
    "horizontalpodautoscalers.autoscaling",
    "poddisruptionbudgets.policy",
    "networkpolicies.networking.k8s.io",
    "ingresses.networking.k8s.io",
    "cronjobs.batch",
)
RESTORE_LABEL = "velero.io/restore-name"
NOT_RESTORED = ("uid", "resourceVersion", "generation", "creationTimestamp", "ownerReferences", "generateName")
"""Metadata that Velero removes from what it restores (pkg/restore, resetMetadata)."""
_ASSIGNED = {"Pod": ("nodeName",), "Service": ("clusterIP", "clusterIPs")}
"""Fields of the spec that the cluster assigns, removed by actions of Velero; a headless Service keeps its own."""


class Backup:
    """The objects of a namespace with the label of the operator."""

    def __init__(self, ns: NamespaceFixture, selector: str = MANAGED_SELECTOR, more: tuple[str, ...] = ()) -> None:
        self._ns, self._selector, self._children = ns, selector, (*PODS_FIRST, *CHILDREN, *more)

    def uids(self, *resources: str) -> dict[str, str]:
        """Return the UIDs of pods, ReplicaSets and children, or of these resources, by kind and name."""
        listed = self._list(*(resources or self._children))
        return {f"{it['kind']} {it['metadata']['name']}": it["metadata"]["uid"] for it in listed}

    def export(self) -> list[dict[str, Any]]:
        """Return pods, ReplicaSets and children as they are restored."""
        return [restorable(body) for body in self._list(*self._children)]

    def _list(self, *resources: str) -> list[dict[str, Any]]:
        text = self._ns.kubectl("get", ",".join(resources), "-l", self._selector, "-o", "json", "--show-managed-fields")
        items: list[dict[str, Any]] = json.loads(text)["items"]
        return items


def export_model_services(ns: NamespaceFixture) -> list[dict[str, Any]]:
    """Return the ModelServices of a namespace as they are restored."""
    return [restorable(body) for body in json.loads(ns.kubectl("get", PLURAL, "-o", "json"))["items"]]


def restorable(body: dict[str, Any]) -> dict[str, Any]:
    """Return an object without its status and what Velero removes, with Velero's label."""
    metadata = {name: value for name, value in body["metadata"].items() if name not in NOT_RESTORED}
    metadata["labels"] = metadata.get("labels", {}) | {RESTORE_LABEL: "restore-1"}
    is_headless = body["spec"].get("clusterIP") == CLUSTER_IP_NONE
    assigned = () if is_headless else _ASSIGNED.get(body["kind"], ())
    spec = {name: value for name, value in body["spec"].items() if name not in assigned}
    return {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": metadata, "spec": spec}


def without_managed_fields(bodies: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return objects as another backup tool restores them: their fields are of its client."""
    return [
        body | {"metadata": {name: value for name, value in body["metadata"].items() if name != "managedFields"}}
        for body in bodies
    ]


def restore(ns: NamespaceFixture, objects: Iterable[dict[str, Any]]) -> None:
    """Create objects; those that exist are skipped."""
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    ns.cluster.run_kubectl("--namespace", ns.namespace, "create", "-f", "-", stdin=items, check=False)
