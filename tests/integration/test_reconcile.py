"""The path of a ModelService through the operator, with its requests counted by the API server."""

import json
from collections import Counter
from itertools import count
from typing import Any

import pytest

from tests.environment.audit import AuditTrail
from tests.support.builders import model_service
from tests.support.namespace import TestNamespace
from tests.support.operator import OperatorProcess

MARKERS = count()
STATUS = "update modelservices/status"
CREATES = Counter({"create deployments": 1, "create services": 1, "create horizontalpodautoscalers": 1})


def settled(world: TestNamespace, audit: AuditTrail, name: str) -> Counter[str]:
    """Write counts once the object's own events have been worked off, told by a later object's being ready."""
    marker = model_service().named(f"{name}-marker-{next(MARKERS)}")
    world.apply(marker)
    world.wait_ready(marker.name)
    world.kubectl("delete", "modelservice", marker.name, "--wait=true")
    return of_object(audit, name)


def of_object(audit: AuditTrail, name: str) -> Counter[str]:
    """Write counts of the children and the status of one ModelService."""
    return audit.writes_of(name)


def test_three_children_and_a_status(world: TestNamespace, audit: AuditTrail) -> None:
    world.apply(model_service().named("create").with_spec(replicas=2).autoscaled(max_replicas=5))
    world.wait_ready("create")
    for kind in ("deployment", "service", "hpa"):
        [owner] = world.get(kind, "create")["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["controller"]) == ("ModelService", "create", True)
    assert world.get("deployment", "create")["spec"]["replicas"] == 2
    status = world.service("create")["status"]
    assert status["url"] == f"http://create.{world.namespace}.svc"
    assert (status["readyReplicas"], status["desiredReplicas"], status["observedGeneration"]) == (2, 2, 1)
    writes = settled(world, audit, "create")
    assert 1 <= writes.pop(STATUS) <= 2
    assert writes == CREATES


def test_people_see_what_matters(world: TestNamespace) -> None:
    world.apply(model_service().named("seen").with_spec(model={"uri": "file:///app/model"}))
    world.kubectl("wait", "--for=condition=Ready", "modelservice/seen", "--timeout=30s")
    header, row = world.kubectl("get", "msvc", "seen").splitlines()
    assert header.split() == ["NAME", "READY", "REASON", "REPLICAS", "DESIRED", "MODEL", "AGE"]
    assert row.split()[:6] == ["seen", "True", "RolloutComplete", "1", "1", "file:///app/model"]
    assert "modelservice.modelservice.dev/seen" in world.kubectl("get", "all")


def test_applying_twice_writes_nothing(world: TestNamespace, audit: AuditTrail) -> None:
    service = model_service().named("twice").autoscaled(max_replicas=3)
    world.apply(service)
    world.wait_ready("twice")
    settled(world, audit, "twice")
    before = of_object(audit, "twice")
    assert "unchanged" in world.apply(service)
    assert settled(world, audit, "twice") == before


def test_a_restart_writes_nothing(world: TestNamespace, audit: AuditTrail, operator: OperatorProcess) -> None:
    world.apply(
        model_service().named("restart").with_spec(resources={"limits": {"cpu": "1000m"}}).autoscaled(max_replicas=3)
    )
    world.wait_ready("restart")
    before = settled(world, audit, "restart")
    operator.stop()
    operator.start()
    assert settled(world, audit, "restart") == before


def test_a_changed_image_is_rolled_out(world: TestNamespace, audit: AuditTrail) -> None:
    service = model_service().named("image").with_spec(replicas=2)
    world.apply(service)
    world.wait_ready("image")
    before = settled(world, audit, "image")
    world.apply(service.with_spec(image="registry.example.com/iris:2"))
    world.wait_ready("image")
    [container] = world.get("deployment", "image")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/iris:2"
    writes = settled(world, audit, "image") - before
    assert 1 <= writes.pop(STATUS) <= 4
    # One hand-over of the fields that our POST set, one apply.
    assert writes == Counter({"patch deployments": 2})


def test_what_leaves_the_spec_leaves_the_child(world: TestNamespace) -> None:
    service = model_service().named("leaves").with_spec(replicas=3)
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    limits = {"limits": {"cpu": 1, "memory": "1Gi"}}
    world.apply(service.with_spec(env=env, resources=limits))
    world.wait_ready("leaves")
    world.apply(service.with_spec(env=env[1:], resources={"limits": {"memory": "1Gi"}}))
    world.wait(lambda: {"A"}.isdisjoint(variables(world, "leaves")), "Deployment without A", name="leaves")
    [container] = world.get("deployment", "leaves")["spec"]["template"]["spec"]["containers"]
    assert variables(world, "leaves") == {"PORT", "MODEL_NAME", "B"}
    assert container["resources"]["limits"] == {"memory": "1Gi"}
    assert world.get("deployment", "leaves")["spec"]["replicas"] == 3


def variables(world: TestNamespace, name: str) -> set[str]:
    [container] = world.get("deployment", name)["spec"]["template"]["spec"]["containers"]
    return {variable["name"] for variable in container["env"]}


def test_scaling_the_model_service_scales_the_deployment(world: TestNamespace, audit: AuditTrail) -> None:
    world.apply(model_service().named("scale"))
    world.wait_ready("scale")
    before = settled(world, audit, "scale")
    world.kubectl("scale", "modelservice/scale", "--replicas=3")
    world.wait(lambda: world.is_ready("scale") and replicas(world, "scale") == 3, "3 replicas", name="scale")
    writes = settled(world, audit, "scale") - before
    assert 1 <= writes.pop(STATUS) <= 3
    assert writes == Counter({"patch deployments/scale": 1})


def replicas(world: TestNamespace, name: str) -> int:
    return int(world.get("deployment", name)["spec"]["replicas"])


def test_under_an_autoscaler_the_count_is_not_ours(world: TestNamespace, audit: AuditTrail) -> None:
    world.apply(model_service().named("theirs").with_spec(replicas=2).autoscaled(max_replicas=5))
    world.wait_ready("theirs")
    world.kubectl("scale", "deployment/theirs", "--replicas=4")
    world.wait(lambda: world.service("theirs")["status"]["readyReplicas"] == 4, "4 ready replicas", name="theirs")
    assert not [write for write in settled(world, audit, "theirs") if "deployments" in write and "create" not in write]


def test_without_autoscaling_the_autoscaler_goes_and_the_count_is_set(world: TestNamespace) -> None:
    service = model_service().named("fixed").with_spec(replicas=2)
    world.apply(service.autoscaled(max_replicas=5))
    world.wait_ready("fixed")
    world.kubectl("scale", "deployment/fixed", "--replicas=4")
    world.apply(service)
    world.wait_gone("hpa", "fixed")
    world.wait(lambda: replicas(world, "fixed") == 2, "2 replicas", name="fixed")


def test_a_count_of_zero_is_as_asked_for(world: TestNamespace) -> None:
    world.apply(model_service().named("zero").with_spec(replicas=0))
    world.wait_ready("zero")
    assert world.condition("zero")["reason"] == "ScaledToZero"
    assert world.condition("zero", "Available")["status"] == "False"


@pytest.mark.parametrize("kind", ["deployment", "service", "hpa"])
def test_a_deleted_child_comes_back(world: TestNamespace, kind: str) -> None:
    name = f"gone-{kind}"
    world.apply(model_service().named(name).autoscaled(max_replicas=3))
    world.wait_ready(name)
    old = world.get(kind, name)["metadata"]["uid"]
    world.kubectl("delete", kind, name)
    world.wait(lambda: uid(world, kind, name) not in {None, old}, f"new {kind}", name=name)


def uid(world: TestNamespace, kind: str, name: str) -> str | None:
    found = world.get(kind, name)
    return str(found["metadata"]["uid"]) if found else None


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
def test_drift_is_corrected(world: TestNamespace, kind: str, patch: dict[str, Any]) -> None:
    name = f"drift-{kind}-{abs(hash(json.dumps(patch))) % 10_000}"
    world.apply(model_service().named(name).autoscaled(max_replicas=3))
    world.wait_ready(name)
    world.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(patch))
    world.wait(lambda: not drifted(world.get(kind, name), patch), f"corrected {kind}", name=name)


def drifted(live: Any, patch: Any) -> bool:
    """Tell whether what the patch set (or removed: None) still stands in `live`."""
    if patch is None:
        return live is None
    if isinstance(patch, dict):
        return all(drifted((live or {}).get(key), value) for key, value in patch.items())
    return bool(live == patch)


def test_a_fight_is_not_fought(world: TestNamespace, audit: AuditTrail) -> None:
    """Whoever changes a field back at once is corrected three times; then the status names the field."""
    world.apply(model_service().named("fight").autoscaled(max_replicas=3))
    world.wait_ready("fight")
    for _ in range(3):
        world.kubectl("patch", "hpa", "fight", "--type=merge", "-p", '{"spec": {"maxReplicas": 9}}')
        world.wait_field("hpa", "fight", "maxReplicas", 3)
    before = settled(world, audit, "fight")
    world.kubectl("patch", "hpa", "fight", "--type=merge", "-p", '{"spec": {"maxReplicas": 9}}')
    world.wait(lambda: world.condition("fight").get("reason") == "DriftDetected", "complaint", name="fight")
    assert "spec.maxReplicas of HorizontalPodAutoscaler fight is being reverted" in world.condition("fight")["message"]
    after = settled(world, audit, "fight") - before
    assert set(after) == {STATUS}
    # A new desired state is a new matter.
    world.apply(model_service().named("fight").autoscaled(max_replicas=4))
    world.wait_field("hpa", "fight", "maxReplicas", 4)
    world.wait_ready("fight")


def test_what_others_add_stays(world: TestNamespace, audit: AuditTrail) -> None:
    world.apply(model_service().named("added"))
    world.wait_ready("added")
    world.kubectl("annotate", "deployment", "added", "example.com/note=theirs")
    world.kubectl("rollout", "restart", "deployment/added")
    world.kubectl("rollout", "status", "deployment/added", "--timeout=30s")
    writes = settled(world, audit, "added")
    writes.pop(STATUS)
    assert writes == CREATES - Counter({"create horizontalpodautoscalers": 1})
    metadata = world.get("deployment", "added")["metadata"]
    assert metadata["annotations"]["example.com/note"] == "theirs"


def test_somebody_else_s_object_is_left_alone(world: TestNamespace) -> None:
    world.kubectl("create", "service", "clusterip", "taken", "--tcp=1:1")
    before = world.get("service", "taken")
    world.apply(model_service().named("taken"))
    world.wait(lambda: world.condition("taken").get("reason") == "NameConflict", "name conflict", name="taken")
    assert "Service taken already exists and is not managed by this ModelService" in world.condition("taken")["message"]
    assert world.condition("taken", "Stalled")["status"] == "True"
    assert world.get("service", "taken") == before
    world.kubectl("delete", "service", "taken")
    world.wait_ready("taken", within=60)
    assert world.condition("taken", "Stalled") == {}


def test_deleting_takes_the_children_along(world: TestNamespace, audit: AuditTrail) -> None:
    world.apply(model_service().named("leave").autoscaled(max_replicas=3))
    world.wait_ready("leave")
    before = settled(world, audit, "leave")
    world.kubectl("delete", "modelservice", "leave")
    for kind in ("deployment", "service", "hpa"):
        world.wait_gone(kind, "leave")
    assert settled(world, audit, "leave") == before
