"""An ordinary kopf operator as in tutorials: the kopf peer of the benchmark.

Handlers for creation and update with the official client, a status from the Deployment's events. Run by `kopf run`.
"""

# ruff: noqa: ANN401 - kopf passes more arguments than a handler has, and a namespace that may be None
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kopf
import kubernetes

RESOURCE = ("modelservice.dev", "v1alpha1", "modelservices")
MANAGED = {"app.kubernetes.io/managed-by": "modelservice-operator"}
TEMPLATE = Path(os.environ["BENCH_TEMPLATE"]).read_text(encoding="utf-8")

kubernetes.config.load_kube_config()  # type: ignore[no-untyped-call]
apps = kubernetes.client.AppsV1Api()
core = kubernetes.client.CoreV1Api()
autoscaling = kubernetes.client.AutoscalingV2Api()
custom = kubernetes.client.CustomObjectsApi()


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: object) -> None:
    """Follow kopf's documentation for CRDs with a structural schema."""
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage()
    settings.peering.standalone = True


@kopf.on.create(*RESOURCE)
def create(spec: kopf.Spec, name: str, namespace: Any, uid: str, **_: Any) -> None:
    """Create the three children."""
    children = children_of(spec, name, namespace, uid)
    apps.create_namespaced_deployment(namespace, children["deployment"])
    core.create_namespaced_service(namespace, children["service"])
    autoscaling.create_namespaced_horizontal_pod_autoscaler(namespace, children["autoscaler"])


@kopf.on.update(*RESOURCE)
def update(spec: kopf.Spec, name: str, namespace: Any, uid: str, **_: Any) -> None:
    """Patch the three children."""
    children = children_of(spec, name, namespace, uid)
    del children["deployment"]["spec"]["replicas"]
    apps.patch_namespaced_deployment(name, namespace, children["deployment"])
    core.patch_namespaced_service(name, namespace, children["service"])
    autoscaling.patch_namespaced_horizontal_pod_autoscaler(name, namespace, children["autoscaler"])


@kopf.on.event("apps", "v1", "deployments", labels=MANAGED)
def report(type: str | None, body: kopf.Body, name: str, namespace: Any, **_: Any) -> None:  # noqa: A002 - kopf's name
    """Write the Ready condition if it has changed: True when the Deployment is complete."""
    if type == "DELETED":
        return
    ready = "True" if is_complete(body) else "False"
    service: Any = custom.get_namespaced_custom_object(*RESOURCE[:2], namespace, RESOURCE[2], name)
    conditions = service.get("status", {}).get("conditions", [])
    if any(condition["type"] == "Ready" and condition["status"] == ready for condition in conditions):
        return
    generation = service["metadata"]["generation"]
    condition = {
        "type": "Ready",
        "status": ready,
        "reason": "RolloutComplete" if ready == "True" else "RolloutInProgress",
        "message": "All replicas are available." if ready == "True" else "Not every replica is available.",
        "observedGeneration": generation,
        "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    status = {"status": {"observedGeneration": generation, "conditions": [condition]}}
    custom.patch_namespaced_custom_object_status(*RESOURCE[:2], namespace, RESOURCE[2], name, status)


def children_of(spec: kopf.Spec, name: str, namespace: Any, uid: str) -> dict[str, Any]:
    """Fill in the template that every peer of the benchmark uses."""
    text = TEMPLATE.replace("__NAMESPACE__", namespace).replace("__NAME__", name).replace("__UID__", uid)
    children: dict[str, Any] = json.loads(text)
    children["deployment"]["spec"]["replicas"] = spec["replicas"]
    children["deployment"]["spec"]["template"]["spec"]["containers"][0]["image"] = spec["image"]
    children["autoscaler"]["spec"]["minReplicas"] = spec["autoscaling"]["minReplicas"]
    return children


def is_complete(deployment: kopf.Body) -> bool:
    """Return True if all replicas are available and of the newest revision, and no other exists."""
    status, wanted = deployment.status, deployment.spec["replicas"]
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    return bool(status.get("observedGeneration", 0) >= deployment.metadata["generation"] and counts == {wanted})
