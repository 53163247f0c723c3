"""Fights with other clients end and are reported, and a co-owned field leaves the pods (sweeps: tests/sweeps)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from modelservice_operator.apimachinery.kinds import (
    BUILT_IN_CHILD_KINDS,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    MODEL_SERVICE,
)
from modelservice_operator.apply.drift_limiter import MAX_CORRECTIONS
from tests.environment.audit import AuditTrail
from tests.support.api import OTHER_MANAGER, ApiClient, Watcher
from tests.support.builders import model_service
from tests.support.fights import Arena, Opponent, apply_as_it_is, fighting, opponents
from tests.support.namespace import NamespaceFixture

OPPONENTS = {opponent.name: opponent for opponent in opponents()}


@asynccontextmanager
async def arena(ns: NamespaceFixture) -> AsyncIterator[Arena]:
    async with (
        ApiClient(ns.cluster.kubeconfig) as api,
        Watcher(api, ns.namespace).watch((MODEL_SERVICE, *BUILT_IN_CHILD_KINDS)) as watcher,
    ):
        yield Arena(api, watcher, ns.namespace)


async def reported(ns: NamespaceFixture, opponent: Opponent) -> str:
    """Let the opponent act until the status tells about it, and return the message."""
    ns.apply(opponent.builder)
    await asyncio.to_thread(ns.wait, lambda: ns.condition(opponent.name), "first status", name=opponent.name)
    async with arena(ns) as place, fighting(place, [opponent]):

        def message() -> str:
            ready = ns.condition(opponent.name)
            return str(ready["message"]) if ready.get("reason") == "DriftDetected" else ""

        await asyncio.to_thread(ns.wait, message, "report of the fight", name=opponent.name)
        return message()


@pytest.mark.parametrize(
    ("name", "request_name"),
    [
        ("scale", "patch deployments/scale"),
        ("delete-service", "create services"),
    ],
)
async def test_fight_ends_after_a_few_corrections(
    ns: NamespaceFixture, audit: AuditTrail, name: str, request_name: str
) -> None:
    opponent = OPPONENTS[name]
    message = await reported(ns, opponent)
    assert opponent.message in message
    assert OTHER_MANAGER in message or name.startswith("delete")
    first_creation = 1 if name.startswith("delete") else 0
    assert audit.accepted_writes_of(name)[request_name] == MAX_CORRECTIONS + first_creation


async def test_replicas_stay_with_a_foreign_autoscaler(ns: NamespaceFixture, audit: AuditTrail) -> None:
    opponent = OPPONENTS["autoscaler"]
    ns.apply(opponent.builder)
    ns.wait_ready(opponent.name)
    async with arena(ns) as place, fighting(place, [opponent]):

        def is_scaled() -> bool:
            scaled = ns.get("deployment", opponent.name)["spec"]["replicas"] == 3
            return bool(scaled and ns.condition(opponent.name, "AutoscalerReady") and ns.is_ready(opponent.name))

        await asyncio.to_thread(ns.wait, is_scaled, "3 replicas", within=60, name=opponent.name)
    report = ns.condition(opponent.name, "AutoscalerReady")
    assert (report["status"], report["reason"]) == ("False", "ForeignAutoscaler")
    assert "the operator does not apply spec.replicas" in report["message"]
    assert audit.writes_of(opponent.name)["patch deployments/scale"] == 0
    # Without it the count is that of the spec again.
    ns.kubectl("delete", HORIZONTAL_POD_AUTOSCALER.plural, f"{opponent.name}-theirs")
    ns.wait_field("deployment", opponent.name, "replicas", 2)


async def test_changed_status_is_restored(ns: NamespaceFixture) -> None:
    opponent = OPPONENTS["status"]
    ns.apply(opponent.builder)
    ns.wait_ready(opponent.name)
    async with arena(ns) as place:
        await opponent.undo(place, opponent, ns.get_model_service(opponent.name))
    ns.wait(
        lambda: ns.get_model_service(opponent.name)["status"]["selector"] != "theirs",
        "own status",
        name=opponent.name,
    )
    note = f"Reverted status of ModelService, changed by {OTHER_MANAGER}."
    ns.wait(lambda: note in ns.kubectl("get", "events"), "Event", name=opponent.name)


async def test_co_owned_fields_leave_the_pods_in_one_rollout(ns: NamespaceFixture, audit: AuditTrail) -> None:
    """Variables, arguments and a loader that the spec no longer has, although another manager applied them too."""
    kept = {"name": "KEPT", "value": "1"}
    service = model_service().named("co-owned").with_spec(env=[kept])
    full = service.with_spec(
        env=[kept, {"name": "SECRETISH", "value": "2"}], args=["--debug"], model={"uri": "s3://models/iris"}, replicas=0
    )
    ns.apply(full)
    ns.wait_ready("co-owned")
    async with ApiClient(ns.cluster.kubeconfig) as api:
        await apply_as_it_is(api, DEPLOYMENT, ns.namespace, "co-owned")
    ns.apply(service.with_spec(replicas=0))
    ns.wait(lambda: "args" not in container_of(ns), "no arguments", name="co-owned")
    pod = ns.get("deployment", "co-owned")["spec"]["template"]["spec"]
    names = {variable["name"] for variable in pod["containers"][0]["env"]}
    assert "KEPT" in names
    assert names.isdisjoint({"SECRETISH", "MODEL_URI", "MODEL_PATH"})
    assert "initContainers" not in pod
    ns.wait_ready("co-owned")
    assert len(replica_sets_of(ns, "co-owned")) == 2
    writes = audit.accepted_writes_of("co-owned")
    assert writes["patch deployments"] == len(("managedFields", "apply"))


def container_of(ns: NamespaceFixture) -> dict[str, Any]:
    found: dict[str, Any] = ns.get("deployment", "co-owned")["spec"]["template"]["spec"]["containers"][0]
    return found


def replica_sets_of(ns: NamespaceFixture, name: str) -> list[str]:
    return ns.kubectl("get", "replicasets", "-l", f"app.kubernetes.io/instance={name}", "-o", "name").split()
