"""Support of GitOps tools: health over the object's lifecycle, no diff after a sync, kustomize configuration."""

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from bench.api_client import ApiClient

from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.errors import ForbiddenError, InvalidSpecError, NameConflictError
from modelservice_operator.status import compute_invalid_status
from tests.environment.audit import AuditTrail
from tests.environment.faults.history import History
from tests.environment.gitops import openapi
from tests.environment.gitops.judges import ROOT, Verdicts, verdicts
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.installation import USER
from tests.support.namespace import NamespaceFixture
from tests.support.pods import new_pod
from tests.support.snapshots import IRIS, NOW, computed_status, deployment_status, snapshot

pytestmark = pytest.mark.asyncio(loop_scope="module")

GITOPS = ROOT / "manifests" / "gitops"
SYNCS = 12
SECONDS_BETWEEN_SYNCS = 10.0
QUICK = {"startup": {"periodSeconds": 1, "failureThreshold": 1}}
UNSCHEDULABLE = {"example.com/disk": "none-has-it"}


async def apply(ns: NamespaceFixture, service: ModelServiceBuilder) -> None:
    await asyncio.to_thread(ns.apply, service)


async def wait_for_reason(ns: NamespaceFixture, name: str, reason: str) -> None:
    description = f"{reason} of {name}"
    await asyncio.to_thread(
        ns.wait, lambda: ns.condition(name).get("reason") == reason, description, within=60, name=name
    )


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def history(ns: NamespaceFixture) -> AsyncIterator[History]:
    async with ApiClient(ns.cluster.kubeconfig) as client, History(client, [MODEL_SERVICE]) as history:
        yield history


@pytest_asyncio.fixture(loop_scope="module", scope="module", autouse=True)
async def syncs(ns: NamespaceFixture) -> AsyncIterator["asyncio.Task[list[str]]"]:
    """A GitOps tool that syncs periodically while the other tests run."""
    task = asyncio.create_task(sync_periodically(ns))
    yield task
    task.cancel()
    await asyncio.wait([task])


async def sync_periodically(ns: NamespaceFixture) -> list[str]:
    """Apply the same manifest repeatedly with server-side apply; return diffs and the operator's writes."""
    service = model_service().named("synced", namespace=ns.namespace).with_spec(replicas=2)
    manifest = yaml.safe_dump(service.manifest())

    def kubectl(verb: str) -> str:
        flags = ("--server-side", "--field-manager=gitops", "-f", "-")
        return ns.kubectl(verb, *flags, stdin=manifest)

    await asyncio.to_thread(kubectl, "apply")
    await asyncio.to_thread(ns.wait_ready, "synced")
    ready_at = asyncio.get_running_loop().time()
    audit, differences = AuditTrail(ns.cluster, USER), []
    for number in range(1, SYNCS + 1):
        await asyncio.sleep(max(0.0, ready_at + number * SECONDS_BETWEEN_SYNCS - asyncio.get_running_loop().time()))
        before = await asyncio.to_thread(spec_owners, ns, "synced")
        differences += (await asyncio.to_thread(kubectl, "diff")).splitlines()
        await asyncio.to_thread(kubectl, "apply")
        after = await asyncio.to_thread(spec_owners, ns, "synced")
        differences += [] if before == after else ["the field managers changed"]
    return differences + list(audit.writes_of("synced").elements())


def spec_owners(ns: NamespaceFixture, name: str) -> list[Any]:
    text = ns.kubectl("get", "modelservice", name, "--show-managed-fields", "-o", "json")
    entries = json.loads(text)["metadata"]["managedFields"]
    return [(entry["manager"], entry["fieldsV1"]) for entry in entries if not entry.get("subresource")]


async def test_health_checks_agree_across_the_object_lifecycle(
    ns: NamespaceFixture, history: History, figure: Callable[[str], None]
) -> None:
    """Every status version while objects are created, changed, scaled, failed, repaired, suspended and deleted."""
    lifecycle = model_service().named("lifecycle").with_spec(replicas=2)
    await apply(ns, lifecycle)
    await wait_for_reason(ns, "lifecycle", "RolloutComplete")
    await apply(ns, lifecycle.with_spec(image="registry.example.com/iris:2"))
    await apply(ns, lifecycle.with_spec(nodeSelector=UNSCHEDULABLE))
    await wait_for_reason(ns, "lifecycle", "Unschedulable")
    await apply(ns, lifecycle.with_spec(replicas=3))
    await wait_for_reason(ns, "lifecycle", "RolloutComplete")
    await apply(ns, lifecycle.suspended())
    await wait_for_reason(ns, "lifecycle", "ScaledToZero")
    stuck = model_service().named("stuck").with_spec(probes=QUICK, nodeSelector=UNSCHEDULABLE)
    await apply(ns, stuck.with_spec(rollout={"progressDeadlineSeconds": 12}))
    await asyncio.to_thread(ns.kubectl, "create", "service", "clusterip", "taken", "--tcp=80")
    await apply(ns, model_service().named("taken"))
    await wait_for_reason(ns, "taken", "NameConflict")
    await asyncio.to_thread(ns.wait, lambda: ns.condition("stuck", "Stalled"), "deadline", within=60, name="stuck")
    await asyncio.to_thread(ns.kubectl, "delete", "modelservice", "lifecycle", "--cascade=foreground")
    await history.until(
        lambda: history.live(MODEL_SERVICE, ns.namespace, "lifecycle") is None, seconds=30, what="the end of it"
    )
    bodies = [
        version.body
        for name in ("lifecycle", "stuck", "taken")
        for version in history.versions(MODEL_SERVICE, ns.namespace, name)
    ]
    found = verdicts(bodies)
    assert disagreements(bodies, found) == []
    by_health = Counter(verdict.argo for verdict in found)
    figure(
        f"GitOps: Argo CD, kstatus, Flux and Ready agree on {len(bodies)} statuses of three objects: {dict(by_health)}"
    )
    assert set(by_health) == {"Healthy", "Progressing", "Degraded"}
    assert any(verdict.kstatus == "Terminating" for verdict in found)


async def test_health_checks_agree_on_every_kind_of_failure() -> None:
    snapshots = [
        snapshot(),
        snapshot(rollout=deployment_status()),
        snapshot(rollout=None),
        snapshot(new_pod().crashed(message="no model")),
        snapshot(new_pod().unschedulable("0/1 nodes are available")),
        snapshot(new_pod().waiting("ImagePullBackOff", "not found")),
        snapshot(new_pod().running(started=True)),
        snapshot(new_pod().crashed(reason="OOMKilled", exitCode=137)),
        snapshot(
            new_pod().crashed(name="model-loader", init=True, message='{"reason": "AccessDenied", "message": "no"}')
        ),
        snapshot(refused="exceeded quota: pods"),
        snapshot(refused='pods "x" is forbidden: violates PodSecurity'),
        snapshot(failure=NameConflictError("Service iris exists.")),
        snapshot(failure=ForbiddenError("No rights.")),
        snapshot(
            rollout=deployment_status(available=0, conditions={"Progressing": {"reason": "ProgressDeadlineExceeded"}})
        ),
        snapshot(rollout=deployment_status(updated=0, paused=True)),
        snapshot(rollout=deployment_status(paused=True)),
    ]
    statuses = [computed_status(found_snapshot) for found_snapshot in snapshots]
    error = InvalidSpecError("No image.")
    # An invalid object keeps the conditions about its children, with their generation.
    for previous in ({}, *statuses):
        statuses = [*statuses, compute_invalid_status(error, generation=3, previous=previous, now=NOW)]
    foreign = {"type": "example.com/Audited", "status": "False", "reason": "X", "message": ""}
    statuses += [status | {"conditions": [foreign, *status["conditions"]]} for status in statuses]
    bodies = [IRIS.body() | {"status": status} for status in statuses]
    older = [body | {"metadata": body["metadata"] | {"generation": 4}} for body in bodies]
    new = IRIS.body() | {"status": {"observedGeneration": -1}}  # the default of the schema
    found = verdicts([*bodies, *older, new])
    assert [verdict for verdict in found if not verdict.agree] == []
    assert {verdict.kstatus for verdict in found} == {"Current", "InProgress", "Failed"}
    assert {verdict.kstatus for verdict in found[len(bodies) :]} == {"InProgress"}


def rollouts() -> Iterator[dict[str, Any]]:
    """Yield the statuses of rollouts and of scaling: each owner of the replicas, each state of a Deployment."""
    owners = (IRIS, IRIS.autoscaled(min_replicas=2, max_replicas=9), IRIS.externally_scaled(), IRIS.suspended())
    pods = ((), (new_pod().unschedulable("no room"),))
    reasons = ("NewReplicaSetAvailable", "ReplicaSetUpdated", "ProgressDeadlineExceeded")
    for service, pod, reason, paused, desired in product(owners, pods, reasons, (False, True), (0, 2, 5)):
        for updated, available in {(desired, desired), (desired, 1), (desired, 2), (0, 2), (0, 0)}:
            counts = {"desired": desired, "replicas": max(desired, available), "updated": updated, "ready": available}
            rollout = deployment_status(
                **counts, available=available, paused=paused, conditions={"Progressing": {"reason": reason}}
            )
            yield computed_status(snapshot(*pod, service=service, rollout=rollout))


async def test_health_checks_agree_on_every_rollout(figure: Callable[[str], None]) -> None:
    """Also with replicas beyond the required ones that are missing, while another controller's condition is False."""
    foreign = {"type": "example.com/Audited", "status": "False", "reason": "X", "message": ""}
    statuses = [status | {"conditions": [foreign, *status["conditions"]]} for status in rollouts()]
    found = verdicts([IRIS.body() | {"status": status} for status in statuses])
    assert [verdict for verdict in found if not verdict.agree] == []
    assert {verdict.argo for verdict in found} == {"Healthy", "Progressing", "Degraded"}
    figure(f"GitOps: Argo CD, kstatus, Flux and Ready agree on {len(found)} states of rollouts and scaling")


def disagreements(bodies: list[dict[str, Any]], found: list[Verdicts]) -> list[str]:
    pairs = zip(bodies, found, strict=True)
    return [f"{verdict} on {json.dumps(body.get('status'))}" for body, verdict in pairs if not verdict.agree]


async def test_argo_cd_component_adds_the_health_script(ns: NamespaceFixture, tmp_path: Path) -> None:
    shutil.copytree(GITOPS / "argocd", tmp_path / "component")
    install = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}, "data": {"url": "kept"}}
    (tmp_path / "cm.json").write_text(json.dumps(install))
    (tmp_path / "kustomization.yaml").write_text("resources: [cm.json]\ncomponents: [component]\n")
    [built] = yaml.safe_load_all(ns.cluster.run_kubectl("kustomize", str(tmp_path)))
    script = (GITOPS / "argocd" / "health.lua").read_text()
    assert built["data"] == {"url": "kept", "resource.customizations.health.modelservice.dev_ModelService": script}


BASE = {
    "model.json": model_service()
    .with_spec(
        image="registry.example.com/iris",
        env=[
            {"name": "LEVEL", "value": "info"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "v"}}},
        ],
        mounts=[{"name": "settings", "mountPath": "/settings", "configMap": {"name": "settings"}}],
        topologySpreadConstraints=[{"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1}],
    )
    .manifest(),
    "deployment.json": {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [{"name": "a", "image": "a"}, {"name": "b", "image": "b"}]}}},
    },
}
OVERLAY = """
resources: [model.json, deployment.json]
configurations: [modelservice.yaml]
images: [{name: registry.example.com/iris, newTag: "7"}]
replicas: [{name: iris, count: 4}]
secretGenerator: [{name: token, namespace: ml, literals: [v=1]}]
configMapGenerator: [{name: settings, namespace: ml, literals: [a=1]}]
patches:
- patch: |-
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec: {template: {spec: {containers: [{name: b, image: c}]}}}
"""
MERGED = """
resources: [model.json]
openapi: {path: openapi.json}
patches:
- patch: |-
    apiVersion: modelservice.dev/v1alpha1
    kind: ModelService
    metadata: {name: iris, namespace: ml}
    spec:
      env: [{name: LEVEL, value: debug}, {name: MORE, value: "1"}]
      topologySpreadConstraints: [{topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, maxSkew: 2}]
"""


def build_with_kustomize(ns: NamespaceFixture, directory: Path, kustomization: str) -> dict[str, Any]:
    """Build with the kustomize configuration of manifests/gitops; return the objects by kind."""
    for name in ("modelservice.yaml", "openapi.json"):
        shutil.copy(GITOPS / "kustomize" / name, directory)
    for name, body in BASE.items():
        (directory / name).write_text(json.dumps(body))
    (directory / "kustomization.yaml").write_text(kustomization)
    return {body["kind"]: body for body in yaml.safe_load_all(ns.cluster.run_kubectl("kustomize", str(directory)))}


async def test_kustomize_sets_image_replicas_and_names(ns: NamespaceFixture, tmp_path: Path) -> None:
    """W8: no `sed` is needed. Merging of other kinds does not change."""
    built = build_with_kustomize(ns, tmp_path, OVERLAY)
    spec = built["ModelService"]["spec"]
    assert (spec["image"], spec["replicas"]) == ("registry.example.com/iris:7", 4)
    named = spec["env"][1]["valueFrom"]["secretKeyRef"]["name"]
    assert named == built["Secret"]["metadata"]["name"]
    assert named.startswith("token-")
    assert spec["mounts"][0]["configMap"]["name"] == built["ConfigMap"]["metadata"]["name"] != "settings"
    containers = built["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert {entry["name"]: entry["image"] for entry in containers} == {"a": "a", "b": "c"}


async def test_kustomize_merges_env_by_name(ns: NamespaceFixture, tmp_path: Path) -> None:
    """A separate kustomization, because `openapi` replaces kustomize's built-in schemas of other kinds."""
    spec = build_with_kustomize(ns, tmp_path, MERGED)["ModelService"]["spec"]
    env = {entry["name"]: entry.get("value") for entry in spec["env"]}
    assert env == {"LEVEL": "debug", "MORE": "1", "TOKEN": None}
    spread = {(entry["whenUnsatisfiable"], entry["maxSkew"]) for entry in spec["topologySpreadConstraints"]}
    assert spread == {("DoNotSchedule", 1), ("ScheduleAnyway", 2)}


async def test_kustomize_output_applied_twice_writes_nothing(
    ns: NamespaceFixture, audit: AuditTrail, tmp_path: Path
) -> None:
    """W8: the second apply changes nothing, and the operator writes nothing."""
    (tmp_path / "model.json").write_text(json.dumps(model_service().named("built", namespace=ns.namespace).manifest()))
    shutil.copy(GITOPS / "kustomize" / "modelservice.yaml", tmp_path)
    (tmp_path / "kustomization.yaml").write_text(
        "resources: [model.json]\nconfigurations: [modelservice.yaml]\nreplicas: [{name: built, count: 2}]\n"
        "images: [{name: modelservice.dev/examples/diabetes, newTag: '2'}]\n"
    )
    await asyncio.to_thread(ns.kubectl, "apply", "-k", str(tmp_path))
    await asyncio.to_thread(ns.wait_ready, "built")
    spec = ns.get("deployment", "built")["spec"]
    image = spec["template"]["spec"]["containers"][0]["image"]
    assert (spec["replicas"], image) == (2, "modelservice.dev/examples/diabetes:2")
    before = audit.writes_of("built")
    assert "unchanged" in await asyncio.to_thread(ns.kubectl, "apply", "-k", str(tmp_path))
    await asyncio.sleep(2)  # an unneeded write would follow immediately
    assert audit.writes_of("built") == before


async def test_kustomize_openapi_matches_the_crd() -> None:
    assert (GITOPS / "kustomize" / "openapi.json").read_text() == openapi.text()


async def test_periodic_sync_changes_nothing(syncs: "asyncio.Task[list[str]]", figure: Callable[[str], None]) -> None:
    """Runs last, because the syncs take two minutes while the other tests run."""
    assert await syncs == []
    figure(f"GitOps: {SYNCS} server-side applies in {SYNCS * SECONDS_BETWEEN_SYNCS:.0f} s: no difference, no write")
