"""The failure gallery: real pods that fail in every way that people know, what the status says, and how it heals.

All cases are played at the same time. docs/runbook.md shows what they said.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from bench.api_client import ApiClient

from modelservice_operator.apimachinery.kinds import (
    HORIZONTAL_POD_AUTOSCALER,
    MODEL_SERVICE,
    POD,
    REPLICA_SET,
    ResourceKind,
)
from modelservice_operator.status.reasons import Reason
from tests.e2e.gallery import CASES, LOGIN, Case, Object
from tests.environment.cluster import Cluster, registry
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.faults.history import History, Version
from tests.environment.runbook import Said, compare
from tests.support.builders import IMAGE, ModelServiceBuilder

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENT = ResourceKind(group="", version="v1", kind="Event", plural="events")
SIGNS = (POD, REPLICA_SET, HORIZONTAL_POD_AUTOSCALER, EVENT)
APPLY = "application/apply-patch+yaml"
PROMPT = 3.0 * 3
"""Seconds from an event to the status that tells of it: 3, and a factor of 3 for a machine with other work."""
SECONDS_TO_HEAL = 120.0
NAMES = [case.name for case in CASES]


@dataclass(frozen=True)
class Outcome:
    """What one case said, and when, by the monotonic clock."""

    case: Case
    said: list[tuple[str, str]]
    """Reason and message of the condition, at each change."""
    caused: float
    told: float
    healed: float
    failure: str = ""

    @property
    def delay(self) -> float:
        return max(self.told - self.caused - self.case.grace, 0.0)

    def message(self) -> str:
        """Return what it said when it told."""
        return next((message for reason, message in self.said if self.case.pattern.fullmatch(message)), "")


@dataclass(frozen=True)
class Stage:
    """Where one case is played."""

    case: Case
    namespace: str
    cluster: Cluster
    client: ApiClient
    history: History

    async def play(self) -> Outcome:
        """Have it fail and heal."""
        case = self.case
        for body in case.before:
            await self._apply(body)
        await self._apply_service(case.broken)
        told = await self._until(self._is_told, case.within)
        if told is None:
            return Outcome(case, self._said(), 0.0, 0.0, 0.0, failure="it was never told")
        mended = time.monotonic()
        for body in case.remedy:
            await self._apply(body)
        if case.healed is not None:
            await self._apply_service(case.healed)
        healed = await self._until(self._is_well, SECONDS_TO_HEAL)
        failure = "" if healed is not None else "it did not heal"
        return Outcome(case, self._said(), self._caused(), told, (healed or mended) - mended, failure)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> float | None:
        holds = await self.history.holds_within(condition, seconds=seconds)
        return time.monotonic() if holds else None

    def _is_told(self) -> bool:
        found = self._condition()
        return found.get("reason") == self.case.reason and bool(self.case.pattern.fullmatch(found.get("message", "")))

    def _is_well(self) -> bool:
        service = self.history.live(MODEL_SERVICE, self.namespace, self.case.name) or {}
        found = _condition(service, self.case.kind)
        return found.get("status") == "True" and found["observedGeneration"] == service["metadata"]["generation"]

    def _condition(self) -> dict[str, Any]:
        return _condition(self.history.live(MODEL_SERVICE, self.namespace, self.case.name) or {}, self.case.kind)

    def _said(self) -> list[tuple[str, str]]:
        versions = self.history.versions(MODEL_SERVICE, self.namespace, self.case.name)
        found = [_condition(version.body, self.case.kind) for version in versions]
        said = [(entry.get("reason", ""), entry.get("message", "")) for entry in found if entry]
        return list(dict.fromkeys(said))

    def _caused(self) -> float:
        """Return when the first sign of the trouble was to be seen."""
        return min((version.seen for version in self._signs() if self.case.cause(version.body)), default=0.0)

    def _signs(self) -> Iterator[Version]:
        for kind in SIGNS:
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
        await self.client.request("PATCH", f"{path}?fieldManager=a-person&force=true", body, content_type=APPLY)


def _condition(service: Object, kind: str) -> dict[str, Any]:
    conditions = (service.get("status") or {}).get("conditions") or ()
    return next((entry for entry in conditions if entry["type"] == kind), {})


@pytest.fixture(scope="module")
def namespaces(installed: Cluster, node_namespace: str) -> Iterator[Mapping[str, str]]:
    """Give each case its namespace; some need one for themselves."""
    own = {case.name: create_namespace(installed, f"gallery-{case.name}") for case in CASES if case.own_namespace}
    for name, namespace in own.items():
        installed.run_kubectl("label", "namespace", namespace, f"gallery={name}")
    yield {case.name: own.get(case.name, node_namespace) for case in CASES}
    for namespace in own.values():
        installed.run_kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="module")
def private_registry(installed: Cluster, node_namespace: str) -> str:
    """A registry with one image, and a Secret that opens it."""
    found = registry.start(installed)
    found.push(IMAGE, "iris:1")
    installed.run_kubectl("--namespace", node_namespace, "create", "-f", "-", stdin=json.dumps(found.login(LOGIN)))
    return found.address


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def outcomes(
    installed: Cluster, namespaces: Mapping[str, str], private_registry: str
) -> AsyncIterator[Mapping[str, Outcome]]:
    """Play all cases at the same time."""
    kinds = (MODEL_SERVICE, *SIGNS)
    async with ApiClient(installed.kubeconfig) as client, History(client, kinds) as history:
        cases = [case.at(private_registry) for case in CASES]
        stages = [Stage(case, namespaces[case.name], installed, client, history) for case in cases]
        found = await asyncio.gather(*(stage.play() for stage in stages))
        yield {outcome.case.name: outcome for outcome in found}


@pytest.mark.parametrize("name", NAMES)
async def test_failure_is_reported_and_recovers(
    name: str, outcomes: Mapping[str, Outcome], figure: Callable[[str], None]
) -> None:
    outcome = outcomes[name]
    assert outcome.failure == "", "\n".join(f"{reason}: {message}" for reason, message in outcome.said)
    assert outcome.caused > 0
    assert outcome.delay < PROMPT
    figure(f"gallery {name}: told {outcome.delay:.1f} s after its first sign, healed in {outcome.healed:.1f} s")
    case = outcome.case
    said = Said.of(case.name, case.title, case.kind, str(case.reason), outcome.message())
    assert said == compare(said)  # docs/runbook.md shows it
    figure(f"  {case.reason}: {outcome.message()}")


async def test_slow_start_is_not_reported_as_a_failure(outcomes: Mapping[str, Outcome]) -> None:
    reasons = {reason for reason, _ in outcomes["slow"].said}
    allowed = {Reason.DEPLOYMENT_PENDING, Reason.STARTING, Reason.ROLLOUT_IN_PROGRESS, Reason.ROLLOUT_COMPLETE}
    assert reasons <= {str(reason) for reason in allowed}
