import http.client
import json
import socket
from asyncio import to_thread
from contextlib import closing

import pytest

from modelservice_operator.apimachinery.kinds import CRON_JOB, MODEL_SERVICE, ResourceKind
from modelservice_operator.cache.informer import InformerContext
from modelservice_operator.cache.reflector import Refusal
from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.rest import RestClient
from modelservice_operator.controller.watches import EventHandlers, build_informers
from modelservice_operator.controller.workqueue import WorkQueue
from modelservice_operator.errors import PortUnavailableError
from modelservice_operator.manager.health import LIVENESS_SECONDS, HealthChecks, HealthReport, serve_health
from modelservice_operator.settings import Settings
from tests.support.clock import ManualClock
from tests.support.health import free_port, listen


class Fixture:
    """The health checks of an operator that serves the namespaces a and b; nothing is read yet."""

    def __init__(self) -> None:
        self.clock, settings = ManualClock(1000), Settings(namespaces=("a", "b"))
        self.client = RestClient(lambda: Credentials("http://127.0.0.1:9", None, None), settings)
        context = InformerContext(self.client, settings, self.clock)
        self.informers = build_informers(context, EventHandlers(WorkQueue(), settings))
        self.checks = HealthChecks(self.informers, WorkQueue(), self.client, clock=self.clock)

    def sync(self, namespace: str) -> None:
        """Let every list of a namespace be complete."""
        for informer in self.informers:
            if informer.namespace == namespace:
                informer.reflector.has_synced.set()
                informer.reflector.mark_initialized()

    def refuse(self, namespace: str, kind: ResourceKind) -> None:
        """Let the lists of a kind be refused."""
        for informer in self.informers:
            if (informer.namespace, informer.kind) == (namespace, kind):
                informer.reflector.has_synced.clear()
                informer.reflector.refused = Refusal("list", is_missing=False)

    @property
    def problems(self) -> list[str]:
        return self.checks.check_readiness().problems


@pytest.fixture
def fixture() -> Fixture:
    return Fixture()


def test_liveness_fails_without_any_contact(fixture: Fixture) -> None:
    fixture.clock.seconds += LIVENESS_SECONDS
    assert fixture.checks.check_liveness().status == http.HTTPStatus.OK
    fixture.clock.seconds += 1
    assert fixture.checks.check_liveness().status == http.HTTPStatus.SERVICE_UNAVAILABLE
    next(iter(fixture.informers)).reflector.last_activity = fixture.clock.seconds
    assert fixture.checks.check_liveness().status == http.HTTPStatus.OK


def test_not_ready_until_all_namespaces_are_read(fixture: Fixture) -> None:
    assert fixture.problems
    fixture.sync("a")
    assert "Reading modelservices.modelservice.dev in namespace b." in fixture.problems
    fixture.sync("b")
    assert fixture.problems == []


def test_refused_namespace_does_not_count_while_others_work(fixture: Fixture) -> None:
    for namespace in ("a", "b"):
        fixture.sync(namespace)
    fixture.refuse("a", MODEL_SERVICE)
    fixture.refuse("a", CRON_JOB)
    assert fixture.problems == []
    fixture.refuse("b", MODEL_SERVICE)
    assert len(fixture.problems) == 2
    assert "not allowed to list modelservices.modelservice.dev in namespace a" in fixture.problems[0]


def test_not_ready_while_credentials_are_rejected(fixture: Fixture) -> None:
    for namespace in ("a", "b"):
        fixture.sync(namespace)
    fixture.client.is_unauthorized = True
    assert fixture.problems == ["The API server rejects the credentials."]


def get(host: str, port: int, path: str) -> tuple[int, object]:
    with closing(http.client.HTTPConnection(host, port, timeout=5)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_endpoints_answer_on_both_families(host: str) -> None:
    if ":" in host and not socket.has_dualstack_ipv6():
        pytest.skip("This system has no IPv6.")
    port = free_port()
    async with serve_health(port, lambda: HealthReport(figures={"queue": 2}), lambda: HealthReport(["No."])):
        assert await to_thread(get, host, port, "/healthz") == (200, {"problems": [], "queue": 2})
        assert await to_thread(get, host, port, "/readyz") == (503, {"problems": ["No."]})


async def test_metrics_leave_the_port_when_they_have_a_secure_one() -> None:
    port = free_port()

    def scrape() -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", "/metrics")
            response = connection.getresponse()
            return response.status, response.read()

    async with serve_health(port, HealthReport, HealthReport, secure_metrics_port=8443):
        expected = b"/metrics is served over TLS on port 8443 (--secure-metrics-port).\n"
        assert await to_thread(scrape) == (404, expected)
        assert await to_thread(get, "127.0.0.1", port, "/readyz") == (200, {"problems": []})


async def test_metrics_are_served_with_the_health_endpoints() -> None:
    port = free_port()

    def scrape() -> tuple[int, str, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", "/metrics")
            response = connection.getresponse()
            return response.status, response.headers["Content-Type"], response.read()

    async with serve_health(port, HealthReport, HealthReport):
        status, content_type, body = await to_thread(scrape)
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b"\nworkqueue_adds_total" in body


def test_ipv4_is_used_on_a_system_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with listen(0) as opened:
        assert opened.family is socket.AF_INET


async def test_port_in_use_is_an_error() -> None:
    with (
        listen(0) as taken,
        pytest.raises(PortUnavailableError, match=r"in use.* Choose another port with --probe-port"),
    ):
        async with serve_health(taken.getsockname()[1], HealthReport, HealthReport):
            pass
