"""No value of any field makes the operator write again: ModelServices are created, become ready, and all is quiet.

The values are generated from the schema: the empty and the zero value of each field at every depth, and odd spellings.
Many values that go together are in one ModelService. Where one is not quiet, its values are tried one by one.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE, OPTIONAL_CHILD_KINDS, ResourceKind
from modelservice_operator.apimachinery.quantity import parse_quantity
from modelservice_operator.resources import build_children
from modelservice_operator.status.reasons import ConditionType, Reason
from tests.environment.audit import AuditTrail
from tests.environment.cluster import Cluster, Tier, start
from tests.environment.cluster.programs import Program
from tests.support.api import ApiClient, Object, RequestRejectedError
from tests.support.field_values import Case, empty_cases, name_of, odd_cases
from tests.support.foreign_crds import HTTP_ROUTES, POD_MONITORS, minimal_crd
from tests.support.installation import ACCOUNT, NAMESPACE, USER, install_without_operator
from tests.support.operator import OperatorProcess, running_operator
from tests.support.value_packing import Pack, Spec, pack, spec_of

pytestmark = pytest.mark.timeout(1800)

LIMITS = ("--kube-api-qps=5000", "--kube-api-burst=5000")
FLAGS: dict[str, tuple[str, ...]] = {
    # A CronJob writes at its own times.
    Program.CONTROLLER_MANAGER: (*LIMITS, "--controllers=*,-cronjob-controller"),
    Program.SCHEDULER: LIMITS,
}
CONCURRENCY = 16
WINDOW = 10.0
SETTLED_SECONDS, ENDLESS_SECONDS = 35.0, 90.0
DEADLINE = 600.0
ROOM = {"cpu": 4, "memory": 2**32}
"""Most CPUs and bytes that a container may ask for: all pods fit on the nodes."""
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
UNMET_FIELDS = (
    *("suspend", "nodeSelector", "resourceClaims", "resources.claims", "schedulerName", "topologySpreadConstraints"),
    *(f"affinity.{kind}.{_REQUIRED}" for kind in ("nodeAffinity", "podAffinity", "podAntiAffinity")),
    *("serviceAccountName", "priorityClassName", "runtimeClassName", "rollout.minReadySeconds"),
    *("mounts[].persistentVolumeClaim", "mounts[].ephemeral", "model.cache.persistentVolumeClaim"),
)
"""Fields that ask for what the cluster does not have, such as a class, a label of a node, a claim or a long time."""
ACCOUNT_OF_PODS = "iris"


def lets_pods_start(case: Case) -> bool:
    """Return True if the simulated nodes can run the pods: nothing prevents that Ready becomes True."""
    return not any(_prevents_start(name, value) for name, value in _leaves(spec_of(case)))


def _prevents_start(name: str, value: Any) -> bool:
    if ".requests." in name or ".limits." in name:
        return (parse_quantity(str(value)) or 0) > ROOM.get(name.rpartition(".")[2], 0)
    if value == ACCOUNT_OF_PODS or (name in UNMET_FIELDS and value in ({}, [])):
        return False
    return any(name == unmet or name.startswith((f"{unmet}.", f"{unmet}[")) for unmet in UNMET_FIELDS)


def _leaves(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, value) of all values that contain no others."""
    if node and isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, f"{name}.{key}".lstrip("."))
    elif node and isinstance(node, list):
        for item in node:
            yield from _leaves(item, f"{name}[]")
    else:
        yield name, node


@pytest.fixture(scope="module")
def control_plane() -> Iterator[Cluster]:
    """A separate control plane, which serves the optional kinds and runs no CronJobs."""
    with start(Tier.CONTROL_PLANE, flags=FLAGS) as cluster:
        install_without_operator(cluster)
        crds = "---\n".join((minimal_crd(HTTP_ROUTES, "HTTPRoute"), minimal_crd(POD_MONITORS, "PodMonitor")))
        cluster.run_kubectl("apply", "-f", "-", stdin=crds)
        for name in (HTTP_ROUTES, POD_MONITORS):
            cluster.run_kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")
        yield cluster


@pytest.fixture(scope="module")
def operator(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """The operator of this control plane."""
    kubeconfig = control_plane.service_account_kubeconfig(NAMESPACE, ACCOUNT)
    with running_operator(kubeconfig, tmp_path_factory.mktemp("operator") / "operator.log") as operator:
        yield operator


@dataclass
class Sweep:
    """ModelServices with many values in one namespace."""

    api: ApiClient
    cluster: Cluster
    namespace: str
    packs: dict[str, Pack] = field(default_factory=dict)
    """The created packs by the names of their ModelServices."""
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENCY))

    async def accepted(self, cases: Iterable[Case]) -> list[Case]:
        """Return the cases that the API server accepts."""
        cases = list(cases)
        errors = await asyncio.gather(*(self._refusal(MODEL_SERVICE, self._body(spec_of(case))) for case in cases))
        return [case for case, error in zip(cases, errors, strict=True) if not error]

    async def stored_packs(self, cases: Iterable[Case]) -> tuple[list[Pack], list[Case]]:
        """Return packs whose children the API server accepts, and the cases whose children it rejects."""
        found, rejected, waiting = [], [], pack(cases)
        while waiting:
            accepted = await asyncio.gather(*(self._has_valid_children(one) for one in waiting))
            pairs = list(zip(waiting, accepted, strict=True))
            found += [one for one, is_valid in pairs if is_valid]
            invalid = [one for one, is_valid in pairs if not is_valid]
            rejected += [one.cases[0] for one in invalid if len(one.cases) == 1]
            waiting = [half for one in invalid if len(one.cases) > 1 for half in one.halves()]
        return found, rejected

    async def create(self, packs: Iterable[Pack], prefix: str) -> list[str]:
        """Create a ModelService for each pack; return their names."""
        named = {f"{prefix}{number}": one for number, one in enumerate(packs)}
        await asyncio.gather(*(self._post(MODEL_SERVICE, self._body(one.spec, name)) for name, one in named.items()))
        self.packs |= named
        return list(named)

    async def settle(self, ready: Iterable[str] = ()) -> None:
        """Wait until the status of each ModelService is written, `ready` ones are ready, and the writes have ended.

        Writes that do not end within ENDLESS_SECONDS are left to the window that follows.
        """
        trail, since, written, end = AuditTrail(self.cluster, USER), time.monotonic(), -1, time.monotonic() + DEADLINE
        complete: float | None = None
        while time.monotonic() < end:
            conditions = await self._conditions()
            missing = [name for name in self.packs if name not in conditions]
            missing += [name for name in ready if conditions.get(name, {}).get("status") != "True"]
            missing += await self._starting_autoscalers()
            # A difference that no write ends: the operator waits, and a window is quiet.
            missing += [name for name, one in conditions.items() if one["reason"] == Reason.DRIFT_DETECTED]
            count = sum(trail.writes(self.namespace).values())
            if count != written:
                written, since = count, time.monotonic()
            complete = (complete or time.monotonic()) if not missing else None
            now = time.monotonic()
            if complete and (now - since >= SETTLED_SECONDS or now - complete >= ENDLESS_SECONDS):
                return
            await asyncio.sleep(1)
        told = "\n".join(f"{conditions.get(name, {}).get('message')}: {self.packs[name]}" for name in missing)
        raise AssertionError(f"{len(missing)} ModelServices are not ready, or differ from their stored form:\n{told}")

    def writes(self, trail: AuditTrail) -> Counter[str]:
        """Count the writes of a window as "verb resource name"."""
        calls = (one.call for one in trail.requests() if one.is_write and one.call.namespace == self.namespace)
        return Counter(f"{call} {call.name}" for call in calls)

    async def loud_values(self, writes: Counter[str]) -> str:
        """Return the values for which the operator writes again, found one by one."""
        names = {write.rpartition(" ")[2] for write in writes}
        cases = [case for name in names if name in self.packs for case in self.packs[name].cases]
        singles = await self.create((Pack((case,), spec_of(case)) for case in cases), "single")
        await self.settle()
        trail = AuditTrail(self.cluster, USER)
        await asyncio.sleep(WINDOW)
        again = self.writes(trail)
        loud = [f"{name_of(self.packs[name].cases[0])}: {again}" for name in singles if any(name in it for it in again)]
        return "\n".join(loud) or f"only several values together: {writes}"

    def _body(self, spec: Spec, name: str = "iris") -> Object:
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": MODEL_SERVICE.api_version, "kind": MODEL_SERVICE.kind, "metadata": metadata, "spec": spec}

    async def _has_valid_children(self, one: Pack) -> bool:
        try:
            service = ModelService.parse(await self._post(MODEL_SERVICE, self._body(one.spec), dry_run=True))
        except RequestRejectedError:
            return False
        built_in = (child for child in build_children(service) if child.kind not in OPTIONAL_CHILD_KINDS)
        return not any([await self._refusal(child.kind, child.create_body()) for child in built_in])

    async def _refusal(self, kind: ResourceKind, body: Object) -> str:
        try:
            await self._post(kind, body, dry_run=True)
        except RequestRejectedError as error:
            return str(error)
        return ""

    async def _post(self, kind: ResourceKind, body: Object, *, dry_run: bool = False) -> Any:
        options = "?fieldValidation=Strict" + "&dryRun=All" * dry_run
        async with self._slots:
            return await self.api.request("POST", kind.path(namespace=self.namespace) + options, body)

    async def _conditions(self, kind: str = ConditionType.READY) -> dict[str, Object]:
        """Return a condition of each ModelService whose newest generation is observed."""
        found = {}
        for service in (await self.api.request("GET", MODEL_SERVICE.path(namespace=self.namespace)))["items"]:
            for condition in service.get("status", {}).get("conditions", ()):
                is_new = condition.get("observedGeneration") == service["metadata"]["generation"]
                if condition["type"] == kind and is_new:
                    found[service["metadata"]["name"]] = condition
        return found

    async def _starting_autoscalers(self) -> list[str]:
        """Return the ModelServices whose status will change when an autoscaler without metrics is not new anymore."""
        found = await self._conditions(ConditionType.AUTOSCALER_READY)
        return [name for name, one in found.items() if one["reason"] == Reason.AUTOSCALER_STARTING]


async def test_no_value_makes_the_operator_write_again(
    control_plane: Cluster, namespace: str, operator: OperatorProcess, figure: Callable[[str], None]
) -> None:
    # Host namespaces and user 0 are values like others.
    control_plane.run_kubectl("label", "--overwrite", "ns", namespace, "pod-security.kubernetes.io/enforce=privileged")
    control_plane.run_kubectl("--namespace", namespace, "create", "serviceaccount", ACCOUNT_OF_PODS)
    async with ApiClient(control_plane.kubeconfig) as api:
        sweep = Sweep(api, control_plane, namespace)
        cases = [*empty_cases(), *odd_cases()]
        accepted = await sweep.accepted(cases)
        startable, rejected = await sweep.stored_packs(case for case in accepted if lets_pods_start(case))
        others, more_rejected = await sweep.stored_packs(case for case in accepted if not lets_pods_start(case))
        ready = await sweep.create(startable, "ready")
        await sweep.create(others, "other")
        await sweep.settle(ready)
        trail = AuditTrail(control_plane, USER)
        await asyncio.sleep(WINDOW)
        writes = sweep.writes(trail)
        assert not writes, await sweep.loud_values(writes)

        operator.stop()
        trail = AuditTrail(control_plane, USER)
        operator.start()
        await asyncio.sleep(WINDOW)
        writes = sweep.writes(trail)
        assert not writes, await sweep.loud_values(writes)
    counts = [sum(len(one.cases) for one in packs) for packs in (startable, others)]
    fields = {one.name for packs in (startable, others) for each in packs for one, _ in each.cases}
    refused, never = len(cases) - len(accepted), [name_of(case) for case in (*rejected, *more_rejected)]
    figure(
        f"stored values: {sum(counts)} values of {len(fields)} fields in {len(sweep.packs)} ModelServices: "
        f"{counts[0]} in {len(startable)} that became ready, {counts[1]} in {len(others)} only quiet; 0 writes in "
        f"{WINDOW:.0f} s and 0 after a restart; {refused} refused, {len(never)} with rejected children: {never}"
    )
    assert counts[0] > counts[1]
