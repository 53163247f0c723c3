"""A restart under load loses no request. `make test-traffic` has more requests, and more ways to replace pods."""

from collections.abc import Callable

import pytest

from tests.environment.cluster import Tier
from tests.support.namespace import NamespaceFixture
from tests.traffic.scenario import Scenario, restart, server

NAME = "restarted"


def test_restart_loses_no_request(ns: NamespaceFixture, figure: Callable[[str], None]) -> None:
    if ns.cluster.tier is not Tier.NODE:
        pytest.skip("the load generator runs in the network of a node that is built here")
    scenario = Scenario(NAME, ns, figure)
    found = scenario.measure("restart", server(replicas=2), restart, "-requests=1000", "-rate=100")
    ns.kubectl("delete", "modelservice", NAME, "--wait=false")
    assert found.failed == {"keep-alive": 0, "new connections": 0}
