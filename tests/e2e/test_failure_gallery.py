"""The failure gallery: real pods fail in every known way; the status reports each failure, and a fix recovers it.

All cases run concurrently. docs/runbook.md shows the reported messages.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import pytest
import pytest_asyncio
from bench.api_client import ApiClient
from bench.errors import BenchError

from modelservice_operator.apimachinery.kinds import (
    HORIZONTAL_POD_AUTOSCALER,
    MODEL_SERVICE,
    POD,
    REPLICA_SET,
    ResourceKind,
)
from modelservice_operator.events.pod_events import read_interval
from modelservice_operator.status.reasons import Reason
from tests.e2e.gallery import CASES, QUEUE_LABEL, REGISTRY_LOGIN, FailureCase, Object
from tests.environment.cluster import Cluster, registry
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.faults.history import History, Version
from tests.environment.runbook import Said, compare
from tests.support.builders import IMAGE, ModelServiceBuilder

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

EVENT = ResourceKind(group="", version="v1", kind="Event", plural="events")
OBSERVED_KINDS = (POD, REPLICA_SET, HORIZONTAL_POD_AUTOSCALER, EVENT)
APPLY = "application/apply-patch+yaml"
MAX_REPORT_DELAY = 3.0 * 3
"""Seconds from an event to the status that reports it: 3, times 3 for a machine with other work."""
MAX_CASE_DELAY = 30.0 + MAX_REPORT_DELAY
"""The same for one case: its first sign may be another error, and the kubelet tries again after 10 s, then 20 s."""
RECOVERY_TIMEOUT = 240.0
DENIAL_TIMEOUT = 120.0
NAMES = [case.name for case in CASES]


@dataclass(frozen=True)
class Outcome:
    """Messages of one case, and their times by the monotonic clock."""

    case: FailureCase
    reported: list[tuple[str, str]]
    """Reason and message of each version of the condition."""
    first_sign_at: float
    reported_at: float
    recovery_seconds: float
    error: str = ""
    read_interval: float = 0.0
    """Seconds between two reads of the Events of the pod, which become rarer while it waits."""

    @property
    def delay(self) -> float:
        return max(self.reported_at - self.first_sign_at - self.case.report_delay, 0.0)

    def message(self) -> str:
        """Return the first reported message that matches the expected one; empty if there is none."""
        return next((message for reason, message in self.reported if self.case.pattern.fullmatch(message)), "")


@dataclass(frozen=True)
class CaseRun:
    """Runs one case in a namespace."""

    case: FailureCase
    namespace: str
    cluster: Cluster
    client: ApiClient
    history: History

    async def run(self) -> Outcome:
        """Cause the failure, wait for the report, apply the fix, and wait for the recovery."""
        case = self.case
        for body in case.prerequisites:
            await self._apply(body)
        if case.denies_pods or case.gates_pods:
            await self._wait_for_admission_policy()
        applied_at = time.monotonic()
        await self._apply_service(case.failing)
        reported_at = await self._until(self._is_reported, case.report_timeout)
        if reported_at is None:
            return Outcome(case, self._reported_messages(), 0.0, 0.0, 0.0, error="the failure was never reported")
        fixed_at = time.monotonic()
        for body in case.fix:
            await self._apply(body)
        if case.corrected is not None:
            await self._apply_service(case.corrected)
        recovered_at = await self._until(self._has_recovered, RECOVERY_TIMEOUT)
        failure = "" if recovered_at is not None else "it did not recover"
        return Outcome(
            case,
            self._reported_messages(),
            self._first_sign(),
            reported_at,
            (recovered_at or fixed_at) - fixed_at,
            failure,
            read_interval(reported_at - applied_at),
        )

    async def _wait_for_admission_policy(self) -> None:
        """Wait until the API server enforces a policy: it compiles a new one in the background."""
        # It complies with Pod Security, which is checked before policies.
        container = {
            "name": "probe",
            "image": "probe:1",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "probe", "labels": QUEUE_LABEL},
            "spec": {"containers": [container], "securityContext": security},
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods?dryRun=All"
        async with asyncio.timeout(DENIAL_TIMEOUT):
            while True:
                if await self._is_policy_enforced(path, pod):
                    return
                await asyncio.sleep(0.1)

    async def _is_policy_enforced(self, path: str, pod: Object) -> bool:
        try:
            created = await self.client.request("POST", path, pod)
        except BenchError as error:
            return "denied request" in str(error)
        return "schedulingGates" in created["spec"]

    async def _until(self, condition: Callable[[], bool], seconds: float) -> float | None:
        holds = await self.history.holds_within(condition, seconds=seconds)
        return time.monotonic() if holds else None

    def _is_reported(self) -> bool:
        found = self._condition()
        return found.get("reason") == self.case.reason and bool(self.case.pattern.fullmatch(found.get("message", "")))

    def _has_recovered(self) -> bool:
        service = self.history.live(MODEL_SERVICE, self.namespace, self.case.name) or {}
        found = _condition(service, self.case.kind)
        return found.get("status") == "True" and found["observedGeneration"] == service["metadata"]["generation"]

    def _condition(self) -> dict[str, Any]:
        return _condition(self.history.live(MODEL_SERVICE, self.namespace, self.case.name) or {}, self.case.kind)

    def _reported_messages(self) -> list[tuple[str, str]]:
        versions = self.history.versions(MODEL_SERVICE, self.namespace, self.case.name)
        found = [_condition(version.body, self.case.kind) for version in versions]
        messages = [(entry.get("reason", ""), entry.get("message", "")) for entry in found if entry]
        return list(dict.fromkeys(messages))

    def _first_sign(self) -> float:
        """Return the time at which the first sign of the failure was observed."""
        return min(
            (version.seen for version in self._observed_versions() if self.case.cause(version.body)), default=0.0
        )

    def _observed_versions(self) -> Iterator[Version]:
        for kind in OBSERVED_KINDS:
            for name in list(self.history.names(kind, self.namespace)):
                if (
                    name == self.case.name
                    or name.startswith(f"{self.case.name}-")
                    or (kind is EVENT and name.startswith(f"{self.case.name}."))
                ):
                    yield from self.history.versions(kind, self.namespace, name)

    async def _apply(self, body: Object) -> None:
        text = json.dumps(body)
        arguments = ("--namespace", self.namespace, "apply", "-f", "-")
        await asyncio.to_thread(lambda: self.cluster.run_kubectl(*arguments, stdin=text))

    async def _apply_service(self, service: ModelServiceBuilder) -> None:
        path = MODEL_SERVICE.path(namespace=self.namespace, name=self.case.name)
        body = service.named(self.case.name, namespace=self.namespace).manifest()
        await self.client.request("PATCH", f"{path}?fieldManager=user&force=true", body, content_type=APPLY)


def _condition(service: Object, kind: str) -> dict[str, Any]:
    conditions = (service.get("status") or {}).get("conditions") or ()
    return next((entry for entry in conditions if entry["type"] == kind), {})


@pytest.fixture(scope="module")
def namespaces(installed: Cluster, node_namespace: str) -> Iterator[Mapping[str, str]]:
    """Namespace of each case; some cases need a separate one."""
    own = {case.name: create_namespace(installed, f"gallery-{case.name}") for case in CASES if case.needs_own_namespace}
    for name, namespace in own.items():
        installed.run_kubectl("label", "namespace", namespace, f"gallery={name}")
    yield {case.name: own.get(case.name, node_namespace) for case in CASES}
    for namespace in own.values():
        installed.run_kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="module")
def private_registry(installed: Cluster, node_namespace: str) -> str:
    """Address of a registry with one image, and a Secret with its credentials."""
    found = registry.start(installed)
    found.push(IMAGE, "iris:1")
    installed.run_kubectl(
        "--namespace", node_namespace, "create", "-f", "-", stdin=json.dumps(found.login(REGISTRY_LOGIN))
    )
    return found.address


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def outcomes(
    installed: Cluster, namespaces: Mapping[str, str], private_registry: str
) -> AsyncIterator[Mapping[str, Outcome]]:
    """Run all cases concurrently."""
    kinds = (MODEL_SERVICE, *OBSERVED_KINDS)
    async with ApiClient(installed.kubeconfig) as client, History(client, kinds) as history:
        cases = [case.with_registry(private_registry) for case in CASES]
        stages = [CaseRun(case, namespaces[case.name], installed, client, history) for case in cases]
        found = await asyncio.gather(*(stage.run() for stage in stages))
        yield {outcome.case.name: outcome for outcome in found}


@pytest.mark.parametrize("name", NAMES)
async def test_failure_is_reported_and_recovers(
    name: str, outcomes: Mapping[str, Outcome], figure: Callable[[str], None]
) -> None:
    outcome = outcomes[name]
    assert outcome.error == "", "\n".join(f"{reason}: {message}" for reason, message in outcome.reported)
    assert outcome.first_sign_at > 0
    typical = median(other.delay for other in outcomes.values())
    assert typical < MAX_REPORT_DELAY
    assert outcome.delay < max(MAX_CASE_DELAY, typical + outcome.read_interval)
    seconds = f"{outcome.delay:.1f} s after its first sign, recovered in {outcome.recovery_seconds:.1f} s"
    figure(f"gallery {name}: reported {seconds}")
    case = outcome.case
    entry = Said.of(case.name, case.title, case.kind, str(case.reason), outcome.message())
    assert entry == compare(entry)  # docs/runbook.md shows it
    figure(f"  {case.reason}: {outcome.message()}")


async def test_slow_start_is_not_reported_as_a_failure(outcomes: Mapping[str, Outcome]) -> None:
    reasons = {reason for reason, _ in outcomes["slow"].reported}
    allowed = {Reason.DEPLOYMENT_PENDING, Reason.STARTING, Reason.ROLLOUT_IN_PROGRESS, Reason.ROLLOUT_COMPLETE}
    assert reasons <= {str(reason) for reason in allowed}
