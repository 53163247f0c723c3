"""Stored objects that violate the schema: only these are Stalled, with a message, and recover when corrected."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import yaml

from modelservice_operator.apimachinery.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, MODEL_SERVICE, SERVICE
from tests.environment.audit import STATUS, AuditTrail
from tests.environment.cluster import Cluster, ClusterError, Tier, start
from tests.support.api import MERGE_PATCH, ApiClient, Watcher
from tests.support.builders import IMAGE, model_service
from tests.support.installation import ACCOUNT, NAMESPACE, ROOT, install_without_operator
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess

POISON = 50
ROUNDS, SAMPLES = 5, 30
"""Rounds alternate without and with poison objects; each creates this number of healthy objects."""
CRD = "crds/modelservices.modelservice.dev.yaml"
CASES: dict[str, tuple[Any, str]] = {
    "no-spec": (None, "spec: Field required"),
    "spec-text": ("an image", "spec: Input should be"),
    "no-image": ({"replicas": 1}, "spec.image: Field required"),
    "image-number": ({"image": 5}, "spec.image: Input should be a valid string"),
    "image-empty": ({"image": ""}, "spec.image: String should have at least 1 character"),
    "replicas-text": ({"image": IMAGE, "replicas": "many"}, "spec.replicas: Input should be a valid integer"),
    "replicas-negative": (
        {"image": IMAGE, "replicas": -1},
        "spec.replicas: Input should be greater than or equal to 0",
    ),
    "port-range": (
        {"image": IMAGE, "containerPort": 70_000},
        "spec.containerPort: Input should be less than or equal to",
    ),
    "env-map": ({"image": IMAGE, "env": {"A": "1"}}, "spec.env: Input should be a valid list"),
    "env-unnamed": ({"image": IMAGE, "env": [{"value": "1"}]}, "spec.env.0.name: Field required"),
    "command-text": ({"image": IMAGE, "command": "serve"}, "spec.command: Input should be a valid list"),
    "scaling-text": ({"image": IMAGE, "autoscaling": "yes"}, "spec.autoscaling: Input should be"),
    "cpu-text": (
        {"image": IMAGE, "resources": {"limits": {"cpu": "lots"}}},
        "spec.resources.limits.cpu: String should match",
    ),
    "suspend-text": ({"image": IMAGE, "suspend": "perhaps"}, "spec.suspend: Input should be a valid boolean"),
    "probe-list": ({"image": IMAGE, "probes": []}, "spec.probes: Input should be"),
    "image-list": ({"image": [IMAGE]}, "spec.image: Input should be a valid string"),
}


@pytest.fixture(scope="module")
def control_plane() -> Iterator[Cluster]:
    """A separate control plane, because the CRD is cluster-wide."""
    with start(Tier.CONTROL_PLANE) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def operator_kubeconfig(control_plane: Cluster) -> Path:
    install_without_operator(control_plane)
    return control_plane.service_account_kubeconfig(NAMESPACE, ACCOUNT)


def install_permissive_schema(ns: NamespaceFixture) -> None:
    """Install a schema that accepts any object, as an older one might."""
    crd = yaml.safe_load((ROOT / CRD).read_text())
    [version] = crd["spec"]["versions"]
    version["schema"] = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version["subresources"].pop("scale")  # it requires a number of replicas
    ns.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(crd))
    ns.wait(lambda: is_accepted(ns, {"replicas": "any"}), "schema that accepts everything")
    # Another schema means another storage, whose cache is filled later: until then lists and watches are rejected.
    ns.wait(lambda: is_listed(ns), "storage that is initialized")


def install_schema(ns: NamespaceFixture) -> None:
    ns.kubectl("apply", "-f", str(ROOT / CRD))
    ns.wait(lambda: not is_accepted(ns, {"replicas": "any"}), "schema that validates")


def is_listed(ns: NamespaceFixture) -> bool:
    try:
        ns.kubectl("get", "--raw", f"{MODEL_SERVICE.path(namespace=ns.namespace)}?resourceVersion=0")
    except ClusterError:
        return False
    return True


def is_accepted(ns: NamespaceFixture, spec: object) -> bool:
    """Return True if the API server accepts an object: a new schema takes effect after a delay."""
    try:
        ns.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(poison_object("probe", spec)))
    except ClusterError:
        return False
    return True


def poison_object(name: str, spec: object) -> dict[str, Any]:
    body: dict[str, Any] = {
        "apiVersion": MODEL_SERVICE.api_version,
        "kind": MODEL_SERVICE.kind,
        "metadata": {"name": name},
    }
    return body if spec is None else body | {"spec": spec}


def test_invalid_object_is_isolated_and_recovers(
    ns: NamespaceFixture, operator: OperatorProcess, audit: AuditTrail
) -> None:
    """Objects are created under a permissive schema, reconciled under the real one, and corrected.

    If a CEL rule cannot be evaluated (`spec` is a string), the real schema also rejects the status: a message that was
    not written before is only in the log.
    """
    install_permissive_schema(ns)
    for name, (spec, _) in CASES.items():
        ns.kubectl("create", "-f", "-", stdin=json.dumps(poison_object(name, spec)))
    for name, (_, sentence) in CASES.items():
        assert_stalled(ns, name, sentence)
    install_schema(ns)
    operator.stop()
    operator.start()
    ns.apply(model_service().named("healthy"))
    ns.wait_ready("healthy")
    for name, (_, sentence) in CASES.items():
        assert_stalled(ns, name, sentence)
        assert audit.accepted_writes_of(name) == {STATUS: 1}
    for name in CASES:
        ns.kubectl("replace", "-f", "-", stdin=json.dumps(poison_object(name, {"image": IMAGE})))
    for name in CASES:
        ns.wait_ready(name)
        assert ns.condition(name, "Stalled") == {}
    assert operator.tracebacks == []


def assert_stalled(ns: NamespaceFixture, name: str, sentence: str) -> None:
    ns.wait(lambda: ns.condition(name, "Stalled").get("status") == "True", "complaint", name=name)
    ready = ns.condition(name)
    assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")
    assert ready["message"].startswith("The object does not match the schema: ")
    assert sentence in ready["message"]


async def test_invalid_objects_do_not_slow_others(ns: NamespaceFixture, figure: Callable[[str], None]) -> None:
    """Time from the request to three children, one object after the other, without and with poison objects."""
    install_permissive_schema(ns)
    kinds = [DEPLOYMENT, SERVICE, HORIZONTAL_POD_AUTOSCALER, MODEL_SERVICE]
    async with ApiClient(ns.cluster.kubeconfig) as api, Watcher(api, ns.namespace).watch(kinds) as watcher:
        latencies = LatencyTest(api, watcher, ns.namespace)
        await latencies.round("warm-up", [])
        without_poison: list[list[float]] = []
        with_poison: list[list[float]] = []
        for number in range(ROUNDS):
            without_poison.append(await latencies.round(f"without-{number}", []))
            with_poison.append(
                await latencies.round(f"among-{number}", await latencies.create_poison_objects(f"poison-{number}"))
            )
    figure(
        f"apply to three children, {ROUNDS} rounds of {SAMPLES}: {format_latencies(without_poison)}; among {POISON}"
        f" poison objects {format_latencies(with_poison)}"
    )
    assert best_p99(with_poison) <= 2 * best_p99(without_poison)


def best_p99(rounds: list[list[float]]) -> float:
    """Return the lowest 99th percentile of all rounds: of so few samples it is the slowest.

    Other work on the machine can only add to a time; the operator's own work is in each round.
    """
    return min(max(times) for times in rounds)


def format_latencies(rounds: list[list[float]]) -> str:
    every = [time for times in rounds for time in times]
    return f"median {median(every) * 1000:.0f} ms, p99 {best_p99(rounds) * 1000:.0f} ms"


@dataclass(frozen=True)
class LatencyTest:
    """Creates objects one after the other and measures the time to their children."""

    api: ApiClient
    watcher: Watcher
    namespace: str

    async def create_poison_objects(self, prefix: str) -> list[str]:
        """Create the poison objects and wait until each has a status."""
        specs = [spec for spec, _ in CASES.values()]
        names = [f"{prefix}-{number}" for number in range(POISON)]
        for number, name in enumerate(names):
            await self._post(poison_object(name, specs[number % len(specs)]))
        for name in names:
            assert await self.watcher.wait(MODEL_SERVICE, name, lambda body: "status" in body, within=90)
        return names

    async def round(self, prefix: str, poison_names: list[str]) -> list[float]:
        """Measure a round of objects; with each of them one poison object changes. All are deleted at the end."""
        names = [f"{prefix}-{number}" for number in range(SAMPLES)]
        times = []
        for number, name in enumerate(names):
            if poison_names:
                await self._change_label(poison_names[number % len(poison_names)], number)
            times.append(await self._create(name))
        for name in (*names, *poison_names):
            await self.api.request("DELETE", MODEL_SERVICE.path(namespace=self.namespace, name=name))
        return times

    async def _create(self, name: str) -> float:
        started = time.monotonic()
        await self._post(poison_object(name, {"image": IMAGE, "autoscaling": {"maxReplicas": 3}}))
        waits = (
            self.watcher.wait(kind, name, lambda _: True, within=90)
            for kind in (DEPLOYMENT, SERVICE, HORIZONTAL_POD_AUTOSCALER)
        )
        seen = [moment for moment in await asyncio.gather(*waits) if moment is not None]
        assert len(seen) == 3, f"{name} has no children"
        return max(seen) - started

    async def _change_label(self, name: str, number: int) -> None:
        patch = {"metadata": {"labels": {"touched": str(number)}}}
        await self.api.request(
            "PATCH", MODEL_SERVICE.path(namespace=self.namespace, name=name), patch, content_type=MERGE_PATCH
        )

    async def _post(self, body: dict[str, Any]) -> None:
        await self.api.request("POST", MODEL_SERVICE.path(namespace=self.namespace), body)
