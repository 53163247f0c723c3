"""Create, update, scale and delete ModelServices; the API server counts the operator's requests."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

from tests.environment.audit import STATUS, AuditTrail
from tests.support.builders import model_service
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess

MARKERS = count()
CREATES = Counter({"create deployments": 1, "create services": 1, "create horizontalpodautoscalers": 1})


def writes_when_idle(ns: NamespaceFixture, audit: AuditTrail, name: str) -> Counter[str]:
    """Return the write counts after the operator has processed all changes: a later object is ready by then."""
    marker = model_service().named(f"{name}-marker-{next(MARKERS)}")
    ns.apply(marker)
    ns.wait_ready(marker.name)
    ns.kubectl("delete", "modelservice", marker.name, "--wait=true")
    return writes_of(audit, name)


def writes_of(audit: AuditTrail, name: str) -> Counter[str]:
    """Return the write counts of the children and the status of one ModelService."""
    return audit.writes_of(name)


@contextmanager
def nothing_written(ns: NamespaceFixture, audit: AuditTrail, name: str) -> Iterator[None]:
    """Assert that a `with` block causes no write: only the status may follow what an autoscaler reports."""
    news, before = autoscaler_news(ns, name), writes_when_idle(ns, audit, name)
    yield
    written = writes_when_idle(ns, audit, name) - before
    if autoscaler_news(ns, name) not in (None, news):
        del written[STATUS]
    assert written == {}


def autoscaler_news(ns: NamespaceFixture, name: str) -> Any:
    """Return what the status tells about the autoscaler; it changes a minute after the creation."""
    found = ns.get_model_service(name)
    return found and (found["status"].get("autoscaler"), ns.condition(name, "AutoscalerReady"))


@pytest.mark.core
def test_creation_writes_three_children_and_a_status(ns: NamespaceFixture, audit: AuditTrail) -> None:
    ns.apply(model_service().named("create").with_spec(replicas=2).autoscaled(max_replicas=5))
    ns.wait_ready("create")
    for kind in ("deployment", "service", "hpa"):
        [owner] = ns.get(kind, "create")["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["controller"]) == ("ModelService", "create", True)
    assert ns.get("deployment", "create")["spec"]["replicas"] == 2
    status = ns.get_model_service("create")["status"]
    assert status["url"] == f"http://create.{ns.namespace}.svc"
    assert (status["readyReplicas"], status["desiredReplicas"], status["observedGeneration"]) == (2, 2, 1)
    writes = writes_when_idle(ns, audit, "create")
    del writes[STATUS]
    assert audit.status_writes_of("create").problems(at_most=2) == []
    assert writes == CREATES


@pytest.mark.core
def test_printer_columns(ns: NamespaceFixture) -> None:
    ns.apply(model_service().named("columns").with_spec(model={"uri": "file:///app/model"}))
    ns.kubectl("wait", "--for=condition=Ready", "modelservice/columns", "--timeout=90s")
    header, row = ns.kubectl("get", "msvc", "columns").splitlines()
    assert header.split() == ["NAME", "READY", "REASON", "REPLICAS", "DESIRED", "MODEL", "AGE"]
    assert row.split()[:6] == ["columns", "True", "RolloutComplete", "1", "1", "file:///app/model"]
    assert "modelservice.modelservice.dev/columns" in ns.kubectl("get", "all")


@pytest.mark.core
def test_reapply_writes_nothing(ns: NamespaceFixture, audit: AuditTrail) -> None:
    service = model_service().named("twice").autoscaled(max_replicas=3)
    ns.apply(service)
    ns.wait_ready("twice")
    with nothing_written(ns, audit, "twice"):
        assert "unchanged" in ns.apply(service)


@pytest.mark.core
def test_restart_writes_nothing(ns: NamespaceFixture, audit: AuditTrail, operator: OperatorProcess) -> None:
    ns.apply(
        model_service().named("restart").with_spec(resources={"limits": {"cpu": "1000m"}}).autoscaled(max_replicas=3)
    )
    ns.wait_ready("restart")
    with nothing_written(ns, audit, "restart"):
        operator.stop()
        operator.start()


@pytest.mark.core
def test_changed_image_is_rolled_out(ns: NamespaceFixture, audit: AuditTrail) -> None:
    service = model_service().named("image").with_spec(replicas=2)
    ns.apply(service)
    ns.wait_ready("image")
    before, since = writes_when_idle(ns, audit, "image"), time.time()
    ns.apply(service.with_spec(image="registry.example.com/iris:2"))
    ns.wait_ready("image")
    [container] = ns.get("deployment", "image")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/iris:2"
    writes = writes_when_idle(ns, audit, "image") - before
    del writes[STATUS]
    assert audit.status_writes_of("image", since=since).problems(at_most=4) == []
    # One patch upgrades the managed fields of the POST, one applies the change.
    assert writes == Counter({"patch deployments": 2})


@pytest.mark.core
def test_removed_spec_field_is_removed_from_the_child(ns: NamespaceFixture) -> None:
    service = model_service().named("removed-field").with_spec(replicas=3)
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    limits = {"limits": {"cpu": 1, "memory": "1Gi"}}
    ns.apply(service.with_spec(env=env, resources=limits))
    ns.wait_ready("removed-field")
    ns.apply(service.with_spec(env=env[1:], resources={"limits": {"memory": "1Gi"}}))
    ns.wait(lambda: {"A"}.isdisjoint(variables(ns, "removed-field")), "Deployment without A", name="removed-field")
    [container] = ns.get("deployment", "removed-field")["spec"]["template"]["spec"]["containers"]
    assert variables(ns, "removed-field") == {"PORT", "MODEL_NAME", "USER", "HOME", "XDG_CACHE_HOME", "B"}
    assert container["resources"]["limits"] == {"memory": "1Gi"}
    assert ns.get("deployment", "removed-field")["spec"]["replicas"] == 3


def variables(ns: NamespaceFixture, name: str) -> set[str]:
    [container] = ns.get("deployment", name)["spec"]["template"]["spec"]["containers"]
    return {variable["name"] for variable in container["env"]}


@pytest.mark.core
def test_scale_subresource_scales_the_deployment(ns: NamespaceFixture, audit: AuditTrail) -> None:
    ns.apply(model_service().named("scale"))
    ns.wait_ready("scale")
    before, since = writes_when_idle(ns, audit, "scale"), time.time()
    ns.kubectl("scale", "modelservice/scale", "--replicas=3")
    ns.wait(lambda: ns.is_ready("scale") and replicas(ns, "scale") == 3, "3 replicas", name="scale")
    writes = writes_when_idle(ns, audit, "scale") - before
    del writes[STATUS]
    assert audit.status_writes_of("scale", since=since).problems(at_most=3) == []
    assert writes == Counter({"patch deployments/scale": 1})


def replicas(ns: NamespaceFixture, name: str) -> int:
    return int(ns.get("deployment", name)["spec"]["replicas"])


def test_replicas_are_not_written_with_autoscaling(ns: NamespaceFixture, audit: AuditTrail) -> None:
    ns.apply(model_service().named("autoscaled").with_spec(replicas=2).autoscaled(max_replicas=5))
    ns.wait_ready("autoscaled")
    ns.kubectl("scale", "deployment/autoscaled", "--replicas=4")
    ns.wait(
        lambda: ns.get_model_service("autoscaled")["status"]["readyReplicas"] == 4,
        "4 ready replicas",
        name="autoscaled",
    )
    assert not [
        write for write in writes_when_idle(ns, audit, "autoscaled") if "deployments" in write and "create" not in write
    ]


def test_disabling_autoscaling_restores_replicas(ns: NamespaceFixture) -> None:
    service = model_service().named("fixed").with_spec(replicas=2)
    ns.apply(service.autoscaled(max_replicas=5))
    ns.wait_ready("fixed")
    ns.kubectl("scale", "deployment/fixed", "--replicas=4")
    ns.apply(service)
    ns.wait_deleted("hpa", "fixed")
    ns.wait(lambda: replicas(ns, "fixed") == 2, "2 replicas", name="fixed")


@pytest.mark.core
def test_zero_replicas_is_ready(ns: NamespaceFixture) -> None:
    ns.apply(model_service().named("zero").with_spec(replicas=0))
    ns.wait_ready("zero")
    assert ns.condition("zero")["reason"] == "ScaledToZero"
    assert ns.condition("zero", "Available")["status"] == "False"


@pytest.mark.core
@pytest.mark.parametrize("kind", ["deployment", "service", "hpa"])
def test_deleted_child_is_recreated(ns: NamespaceFixture, kind: str) -> None:
    name = f"gone-{kind}"
    ns.apply(model_service().named(name).autoscaled(max_replicas=3))
    ns.wait_ready(name)
    old = ns.get(kind, name)["metadata"]["uid"]
    ns.kubectl("delete", kind, name)
    ns.wait(lambda: uid(ns, kind, name) not in {None, old}, f"new {kind}", name=name)


def uid(ns: NamespaceFixture, kind: str, name: str) -> str | None:
    found = ns.get(kind, name)
    return str(found["metadata"]["uid"]) if found else None


@pytest.mark.core
@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("deployment", {"spec": {"template": {"spec": {"enableServiceLinks": True}}}}),
        ("deployment", {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}}),
        ("deployment", {"metadata": {"ownerReferences": None}}),
        ("service", {"spec": {"ports": [{"port": 81, "name": "http", "targetPort": 1, "protocol": "TCP"}]}}),
        ("hpa", {"spec": {"maxReplicas": 9}}),
    ],
)
def test_drift_is_corrected(ns: NamespaceFixture, kind: str, patch: dict[str, Any]) -> None:
    name = f"drift-{kind}-{abs(hash(json.dumps(patch))) % 10_000}"
    ns.apply(model_service().named(name).autoscaled(max_replicas=3))
    ns.wait_ready(name)
    ns.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(patch))
    ns.wait(lambda: not is_drift_present(ns.get(kind, name), patch), f"corrected {kind}", name=name)


def is_drift_present(live: Any, patch: Any) -> bool:
    """Return True if all values that the patch set (or removed: None) are still in `live`."""
    if patch is None:
        return live is None
    if isinstance(patch, dict):
        return all(is_drift_present((live or {}).get(key), value) for key, value in patch.items())
    return bool(live == patch)


def test_drift_limit_stops_corrections(ns: NamespaceFixture, audit: AuditTrail) -> None:
    """A client that reverts a field immediately is corrected three times; then the status names the field."""
    ns.apply(model_service().named("drift-limit").autoscaled(max_replicas=3))
    ns.wait_ready("drift-limit")
    for _ in range(3):
        ns.kubectl("patch", "hpa", "drift-limit", "--type=merge", "-p", '{"spec": {"maxReplicas": 9}}')
        ns.wait_field("hpa", "drift-limit", "maxReplicas", 3)
    before = writes_when_idle(ns, audit, "drift-limit")
    ns.kubectl("patch", "hpa", "drift-limit", "--type=merge", "-p", '{"spec": {"maxReplicas": 9}}')
    ns.wait(lambda: ns.condition("drift-limit").get("reason") == "DriftDetected", "complaint", name="drift-limit")
    assert (
        "spec.maxReplicas of HorizontalPodAutoscaler drift-limit is being reverted"
        in ns.condition("drift-limit")["message"]
    )
    after = writes_when_idle(ns, audit, "drift-limit") - before
    assert set(after) == {STATUS}
    # A new desired state has a new limit.
    ns.apply(model_service().named("drift-limit").autoscaled(max_replicas=4))
    ns.wait_field("hpa", "drift-limit", "maxReplicas", 4)
    ns.wait_ready("drift-limit")


@pytest.mark.core
def test_foreign_additions_are_kept(ns: NamespaceFixture, audit: AuditTrail) -> None:
    ns.apply(model_service().named("added"))
    ns.wait_ready("added")
    ns.kubectl("annotate", "deployment", "added", "example.com/note=theirs")
    ns.kubectl("rollout", "restart", "deployment/added")
    ns.kubectl("rollout", "status", "deployment/added", "--timeout=90s")
    writes = writes_when_idle(ns, audit, "added")
    writes.pop(STATUS)
    assert writes == CREATES - Counter({"create horizontalpodautoscalers": 1})
    metadata = ns.get("deployment", "added")["metadata"]
    assert metadata["annotations"]["example.com/note"] == "theirs"


def test_foreign_service_is_not_modified(ns: NamespaceFixture) -> None:
    ns.kubectl("create", "service", "clusterip", "taken", "--tcp=1:1")
    before = ns.get("service", "taken")
    ns.apply(model_service().named("taken"))
    ns.wait(lambda: ns.condition("taken").get("reason") == "NameConflict", "name conflict", name="taken")
    assert "Service taken already exists and is not managed by this ModelService" in ns.condition("taken")["message"]
    assert ns.condition("taken", "Stalled")["status"] == "True"
    assert ns.get("service", "taken") == before
    ns.kubectl("delete", "service", "taken")
    ns.wait_ready("taken", within=60)
    assert ns.condition("taken", "Stalled") == {}


@pytest.mark.core
def test_deletion_removes_children(ns: NamespaceFixture, audit: AuditTrail) -> None:
    ns.apply(model_service().named("deletion").autoscaled(max_replicas=3))
    ns.wait_ready("deletion")
    with nothing_written(ns, audit, "deletion"):
        ns.kubectl("delete", "modelservice", "deletion")
        for kind in ("deployment", "service", "hpa"):
            ns.wait_deleted(kind, "deletion")
