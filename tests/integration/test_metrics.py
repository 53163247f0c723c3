"""/metrics of a live operator: the numbers are those of what it did, and a scrape costs no request."""

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.environment.cluster import Cluster
from tests.support.builders import model_service
from tests.support.health import free_port
from tests.support.leases import hold_lease
from tests.support.namespace import NamespaceFixture
from tests.support.operator import running_operator

OPENMETRICS = "application/openmetrics-text"
SCRAPES = 5


class Exposed:
    """The metrics of the operator on one port."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, accept: str = "text/plain") -> tuple[str, str]:
        """Return content type and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/metrics", headers={"Accept": accept})
            response = connection.getresponse()
            assert response.status == http.HTTPStatus.OK
            return response.headers["Content-Type"], response.read().decode()
        finally:
            connection.close()

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of this name that have these labels."""
        families = parse_text(self.get()[1])
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


@pytest.fixture(scope="module")
def exposed() -> Exposed:
    return Exposed(free_port())


@pytest.fixture(scope="module")
def alone(
    control_plane: Cluster,
    namespace: str,
    operator_kubeconfig: Path,
    exposed: Exposed,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[NamespaceFixture]:
    """The namespace of an operator that serves no other one, with a ready ModelService."""
    arguments = ("--namespace", namespace, "--probe-port", str(exposed.port))
    log = tmp_path_factory.mktemp("metrics") / "operator.log"
    with running_operator(operator_kubeconfig, log, *arguments) as operator:
        ns = NamespaceFixture(control_plane, namespace, lambda: operator.log)
        ns.apply(model_service())
        ns.wait_ready()
        yield ns


def test_metrics_count_what_the_operator_did(alone: NamespaceFixture, exposed: Exposed) -> None:
    for kind in ("Deployment", "Service"):
        assert exposed.value("modelservice_writes_total", kind=kind, reason="create") == 1
    assert exposed.value("modelservice_corrections_total") == 0
    assert exposed.value("rest_client_requests_total", method="POST", code="201") >= len(("Deployment", "Service"))
    alone.wait(lambda: exposed.value("modelservice_models", ready="True") == 1, "a ready model in the metrics")
    assert exposed.value("modelservice_models") == 1
    assert exposed.value("leader_election_master_status") == 1
    alone.kubectl("delete", "service", "iris")
    created_again = {"kind": "Service", "action": "create"}
    alone.wait(lambda: exposed.value("modelservice_corrections_total", **created_again) == 1, "a correction")
    assert exposed.value("modelservice_writes_total", kind="Service", reason="create") == 1 + 1


@pytest.mark.usefixtures("alone")
def test_metrics_are_served_in_both_formats(exposed: Exposed) -> None:
    (text_type, text), (open_type, openmetrics) = exposed.get(), exposed.get(OPENMETRICS)
    assert (text_type.partition(";")[0], open_type.partition(";")[0]) == ("text/plain", OPENMETRICS)
    described = {family.name for family in parse_text(text)}
    parsed = parse_openmetrics(openmetrics)  # type: ignore[no-untyped-call]
    assert {family.name for family in parsed} == described
    assert "modelservice_models" in described


def test_no_label_names_an_object(alone: NamespaceFixture, exposed: Exposed) -> None:
    """The number of series must not grow with the number of ModelServices."""

    def series() -> set[str]:
        return {line.rpartition(" ")[0] for line in exposed.get()[1].splitlines() if not line.startswith("#")}

    before = series()
    alone.apply(model_service().named("another"))
    alone.wait_ready("another")
    alone.wait(lambda: exposed.value("modelservice_models", ready="True") == 1 + 1, "two ready models")
    assert not [line for line in series() if "another" in line or alone.namespace in line]
    grown = {line.partition("{")[0] for line in series() - before}
    assert grown <= {"modelservice_models", "modelservice_writes_total", "rest_client_requests_total"}


def test_scrape_sends_no_request(alone: NamespaceFixture, exposed: Exposed) -> None:
    def is_constant() -> bool:
        """Return True if the scrapes report one number. If each sent a request, no two would be equal."""
        return len({exposed.value("rest_client_requests_total") for _ in range(SCRAPES)}) == 1

    alone.wait(is_constant, "scrapes without a request between them")


def test_standby_has_no_queue(alone: NamespaceFixture, tmp_path: Path) -> None:
    """It has keys that wait, but for no worker: an alert about them would never end."""
    hold_lease(alone.cluster, alone.namespace, "held")
    standby = Exposed(free_port())
    lease = ("--lease-namespace", alone.namespace, "--lease-name", "held", "--probe-port", str(standby.port))
    kubeconfig = alone.cluster.kubeconfig  # the account of the operator may read no Lease of this namespace
    with running_operator(kubeconfig, tmp_path / "operator.log", "--namespace", alone.namespace, *lease):
        alone.wait(lambda: standby.value("modelservice_cached_objects", kind="ModelService") > 0, "a full cache")
        alone.wait(lambda: standby.value("workqueue_adds_total") > 0, "keys in the queue")
        assert standby.value("leader_election_master_status") == 0
        names = ("workqueue_depth", "modelservice_workqueue_oldest_wait_seconds")
        assert [standby.value(name) for name in names] == [0, 0]
