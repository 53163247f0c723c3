"""No request is lost while pods are replaced. `make test-traffic` runs it and writes docs/traffic.md.

Each scenario sends at least 10,000 requests on kept connections and 10,000 on new ones through the cluster IP of the
Service, from before the first change of a pod until after the last. No request is sent twice.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest

from tests.environment.traffic import Figures, Load, write_report
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess
from tests.traffic.scenario import (
    HIGH_RATE,
    RESOURCES,
    Scenario,
    autoscale,
    change_image,
    drain_node,
    evict,
    kill_operator,
    restart,
    scale_down,
    server,
)

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]

REQUESTS = 10_000
LOAD = (f"-requests={REQUESTS}", f"-rate={HIGH_RATE}")
SATURATING_LOAD = (
    *("-requests=3000", "-rate=100", "-clients=4", "-saturate", "-max-age=3s"),
    "-path=/prediction/?f=0.05",
)
"""Clients that keep their connections send the next request immediately after a response."""
FAST_AUTOSCALING = {
    "minReplicas": 1,
    "maxReplicas": 4,
    "targetCPUUtilizationPercentage": 60,
    "behavior": {
        "scaleDown": {
            "stabilizationWindowSeconds": 0,
            "policies": [{"type": "Pods", "value": 4, "periodSeconds": 5}],
        }
    },
}
AUTOSCALED = server(
    replicas=1,
    autoscaling=FAST_AUTOSCALING,
    resources=RESOURCES | {"requests": {"cpu": "50m", "memory": "48Mi"}},
)
UVICORN = model_service().with_spec(replicas=3, probes={"readiness": {"httpGet": {"path": "/isAlive"}}})


class Case(NamedTuple):
    """One way in which pods are replaced."""

    name: str
    title: str
    service: ModelServiceBuilder
    act: Callable[[Scenario, Load], None]


CASES = (
    Case("image", "change of the image", server(), change_image),
    Case("restart", "`kubectl rollout restart`", server(), restart),
    Case("scale", "scale from 5 to 2", server(replicas=5), scale_down),
    Case("eviction", "eviction of 2 of 3 pods", server(), evict),
    Case("drain", "node drain, `maxUnavailable: 1`", server(disruptionBudget={"maxUnavailable": 1}), drain_node),
    Case("operator", "operator killed in a rollout", server(), kill_operator),
    Case("autoscaling", "autoscaling 1 to 4 to 1", AUTOSCALED, autoscale),
)


@dataclass
class Report:
    """Figures by table of the document."""

    scenarios: list[Figures] = field(default_factory=list)
    without_drain: list[Figures] = field(default_factory=list)
    uvicorn: list[Figures] = field(default_factory=list)


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest) -> Iterator[Report]:
    """Collect figures; a complete run without a failure writes them to docs/traffic.md."""
    found = Report()
    yield found
    is_complete = len(found.scenarios) == len(CASES) and found.without_drain and found.uvicorn
    if is_complete and not request.session.testsfailed:
        write_report(vars(found))


@pytest.fixture
def run(
    ns: NamespaceFixture, operator: OperatorProcess, figure: Callable[[str], None]
) -> Iterator[Callable[..., Figures]]:
    """Run one case; its ModelService is deleted at the end of the test."""
    started: list[str] = []

    def measure(case: Case, *options: str) -> Figures:
        started.append(case.name)
        return Scenario(case.name, ns, figure, operator).measure(case.title, case.service, case.act, *options)

    yield measure
    for name in started:
        ns.kubectl("delete", "modelservice", name, "--wait=false")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_request_is_lost(case: Case, run: Callable[..., Figures], report: Report) -> None:
    found = run(case, *LOAD)
    report.scenarios.append(found)
    assert all(result.requests >= REQUESTS for result in found.results.values())
    assert found.failed == {"keep-alive": 0, "new connections": 0}


def test_requests_are_lost_without_drain(run: Callable[..., Figures], report: Report) -> None:
    found = run(Case("control", "`kubectl rollout restart`, `drainSeconds: 0`", server(drainSeconds=0), restart), *LOAD)
    report.without_drain.append(found)
    assert found.failed["new connections"] > 0


def test_uvicorn_loses_only_requests_on_old_connections(run: Callable[..., Figures], report: Report) -> None:
    """Uvicorn closes a kept connection at SIGTERM even if a request has just been sent; no drain prevents that."""
    found = run(Case("uvicorn", "`kubectl rollout restart`, uvicorn", UVICORN, restart), *SATURATING_LOAD)
    report.uvicorn.append(found)
    assert (found.failed["keep-alive, limited age"], found.failed["new connections"]) == (0, 0)
