"""/metrics over TLS of a real operator: a real API server authenticates and authorizes tokens of service accounts."""

import http.client
import ssl
import time
from asyncio import to_thread
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from modelservice_operator.client.permissions import LEASE_PERMISSIONS
from modelservice_operator.manager.metrics_access import REVIEW_SECONDS
from modelservice_operator.manager.serving_certificate import RELOAD_INTERVAL
from tests.environment.cluster import Cluster
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.cluster.pki import Authority
from tests.environment.cluster.wait import wait_until
from tests.environment.faults.actions import Delay
from tests.environment.faults.proxy import FaultProxy
from tests.environment.faults.rules import Moment, Rule
from tests.support.health import free_port, get_health
from tests.support.installation import ACCOUNT
from tests.support.leases import hold_lease
from tests.support.operator import OperatorProcess, running_operator
from tests.support.roles import (
    apply_all,
    cluster_role_binding,
    create_account,
    create_review_roles,
    grant,
    grant_reviews,
    operator_permissions,
)
from tests.support.secure_metrics import Answer, MountedSecret, scrape, trusting

READER = "modelservice-metrics-reader"
HELD = "held"
SECONDS = 60.0
"""Deadline of each wait: no claim on time."""


@dataclass
class Site:
    """A namespace with an account for the operator, which may review tokens, and accounts of clients."""

    cluster: Cluster
    namespace: str
    port: int
    secret: MountedSecret
    authority: Authority = field(default_factory=lambda: Authority.create("metrics"))

    @classmethod
    def prepare(cls, cluster: Cluster, folder: Path, *, may_review: bool = True) -> "Site":
        site = cls(cluster, create_namespace(cluster, "secure-metrics"), free_port(), MountedSecret(folder / "tls"))
        site.secret.issue(site.authority)
        create_account(cluster, site.namespace)
        permissions = [*operator_permissions(), *LEASE_PERMISSIONS]
        grant(cluster, site.namespace, permissions, account_namespace=site.namespace)
        create_review_roles(cluster)
        if may_review:
            grant_reviews(cluster, site.namespace)
        return site

    @property
    def arguments(self) -> tuple[str, ...]:
        certificate = ("--metrics-cert-path", str(self.secret.path))
        return ("--namespace", self.namespace, "--secure-metrics-port", str(self.port), *certificate)

    @property
    def kubeconfig(self) -> Path:
        return self.cluster.service_account_kubeconfig(self.namespace, ACCOUNT)

    def token(self, name: str, *, reads: bool, audience: str = "") -> str:
        """Create an account and return a token of it."""
        metadata = {"name": name, "namespace": self.namespace}
        bodies: list[Any] = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}]
        if reads:
            bodies.append(cluster_role_binding(READER, name, self.namespace))
        apply_all(self.cluster, bodies)
        options = [f"--audience={audience}"] if audience else []
        return self.cluster.run_kubectl("create", "token", name, f"--namespace={self.namespace}", *options).strip()

    def scrape(self, token: str | None = None) -> Answer:
        """Scrape as a client that verifies the certificate."""
        return scrape(self.port, token, tls=trusting(self.authority))

    def wait_for(self, token: str, status: HTTPStatus) -> Answer:
        """Wait until a scrape has this status: the API server learns of bindings a little later."""
        found: list[Answer] = []

        def is_answered() -> bool:
            found.append(self.scrape(token))
            return found[-1].status == status

        wait_until(is_answered, seconds=SECONDS, what=f"the status {status}", pause=0.5)
        return found[-1]


@pytest.fixture(scope="module")
def site(control_plane: Cluster, operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    assert operator_kubeconfig.exists()  # the CRD is installed
    return Site.prepare(control_plane, tmp_path_factory.mktemp("secure-metrics"))


@pytest.fixture(scope="module")
def standby(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """A replica that does not lead, so it must not write anything."""
    hold_lease(site.cluster, site.namespace, HELD)
    lease = ("--lease-namespace", site.namespace, "--lease-name", HELD)
    log = tmp_path_factory.mktemp("standby") / "operator.log"
    with running_operator(site.kubeconfig, log, *site.arguments, *lease) as operator:
        yield operator
        assert operator.is_running


@pytest.fixture(scope="module")
def prometheus(site: Site, standby: OperatorProcess) -> str:
    """The token of an account that may read, after the standby has accepted it once."""
    assert standby.is_running
    token = site.token("prometheus", reads=True)
    site.wait_for(token, HTTPStatus.OK)
    return token


def test_account_with_the_right_reads_the_metrics_of_a_standby(site: Site, prometheus: str) -> None:
    answer = site.scrape(prometheus)
    assert answer.status == HTTPStatus.OK
    assert f'leader_election_master_status{{name="{HELD}"}} 0.0' in answer.text
    assert 'rest_client_requests_total{code="201",method="POST"}' in answer.text


@pytest.mark.usefixtures("standby")
def test_request_without_a_token_is_unauthorized(site: Site) -> None:
    answer = site.scrape()
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (HTTPStatus.UNAUTHORIZED, "Bearer")
    assert answer.text.startswith("A bearer token is required: ")


@pytest.mark.usefixtures("standby")
def test_wrong_token_is_unauthorized(site: Site, prometheus: str) -> None:
    header, payload, signature = prometheus.split(".")
    other = f"{signature[:-4]}{'AAAA' if signature[-4:] != 'AAAA' else 'BBBB'}"
    for token in ("wrong", f"{header}.{payload}.{other}", f"{header}.{payload}."):
        answer = site.scrape(token)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (HTTPStatus.UNAUTHORIZED, "Bearer")
        assert answer.text.startswith("The bearer token is not valid for this cluster")


@pytest.mark.usefixtures("prometheus")
def test_token_for_another_audience_is_unauthorized(site: Site) -> None:
    token = site.token("prometheus", reads=True, audience="https://vault.example.com")
    assert site.scrape(token).status == HTTPStatus.UNAUTHORIZED


@pytest.mark.usefixtures("standby")
def test_account_without_the_right_is_forbidden_until_granted(site: Site) -> None:
    token = site.token("curious", reads=False)
    answer = site.scrape(token)
    assert answer.status == HTTPStatus.FORBIDDEN
    user = f"system:serviceaccount:{site.namespace}:curious"
    assert answer.text == f"{user} is not allowed to get /metrics: bind the ClusterRole {READER} to it.\n"
    apply_all(site.cluster, [cluster_role_binding(READER, "curious", site.namespace)])
    site.wait_for(token, HTTPStatus.OK)


def test_deleted_account_is_unauthorized(site: Site, prometheus: str) -> None:
    """A token of an account that is gone; one that is in use counts for a minute more."""
    token = site.token("short-lived", reads=True)
    site.cluster.run_kubectl("--namespace", site.namespace, "delete", "serviceaccount", "short-lived")
    site.wait_for(token, HTTPStatus.UNAUTHORIZED)
    assert site.scrape(prometheus).status == HTTPStatus.OK


def test_scrapes_of_a_minute_share_a_review(site: Site, prometheus: str) -> None:
    def created() -> float:
        [line] = [
            line
            for line in site.scrape(prometheus).text.splitlines()
            if line.startswith('rest_client_requests_total{code="201",method="POST"}')
        ]
        return float(line.rpartition(" ")[2])

    before = created()
    assert [created() for _ in range(20)][-1] <= before + len(("TokenReview", "SubjectAccessReview"))


def test_replaced_certificate_is_used(site: Site, prometheus: str) -> None:
    after = Authority.create("after")
    site.secret.issue(after)
    site.authority = after

    def is_trusted() -> bool:
        try:
            return site.scrape(prometheus).status == HTTPStatus.OK
        except ssl.SSLCertVerificationError:
            return False

    wait_until(is_trusted, seconds=RELOAD_INTERVAL + SECONDS, what="the new certificate", pause=0.5)


def test_port_of_the_probes_has_no_metrics(site: Site, tmp_path: Path) -> None:
    probe, metrics = free_port(), free_port()
    arguments = ("--namespace", site.namespace, "--probe-port", str(probe), "--secure-metrics-port", str(metrics))
    with running_operator(site.kubeconfig, tmp_path / "operator.log", *arguments) as operator:
        assert get_health(probe, "/readyz") == (HTTPStatus.OK, [])
        with closing(http.client.HTTPConnection("127.0.0.1", probe, timeout=30)) as connection:
            connection.request("GET", "/metrics")
            response = connection.getresponse()
            assert (response.status, response.read()) == (
                HTTPStatus.NOT_FOUND,
                f"/metrics is served over TLS on port {metrics} (--secure-metrics-port).\n".encode(),
            )
        # Without TLS: the connection ends, and the log has no error.
        with closing(http.client.HTTPConnection("127.0.0.1", metrics, timeout=30)) as connection:
            connection.request("GET", "/metrics")
            with pytest.raises((http.client.HTTPException, ConnectionError)):
                connection.getresponse()
        assert scrape(metrics).status == HTTPStatus.UNAUTHORIZED
    assert "with a self-signed certificate, which clients cannot verify" in operator.log


def test_operator_without_the_right_to_review_names_it(
    control_plane: Cluster, operator_kubeconfig: Path, tmp_path: Path
) -> None:
    assert operator_kubeconfig.exists()
    site = Site.prepare(control_plane, tmp_path, may_review=False)
    with running_operator(site.kubeconfig, tmp_path / "operator.log", *site.arguments) as operator:
        token = site.token("prometheus", reads=True)
        answer = site.scrape(token)
        assert answer.status == HTTPStatus.INTERNAL_SERVER_ERROR
        assert "grant them (manifests/components/secure-metrics)" in answer.text
        missing = "the operator is not allowed to create tokenreviews.authentication.k8s.io in all namespaces"
        wait_until(lambda: missing in operator.log, seconds=SECONDS, what="the missing permission in the log")
        assert "(manifests/components/secure-metrics/roles.yaml)" in operator.log
        grant_reviews(control_plane, site.namespace)
        site.wait_for(token, HTTPStatus.OK)


async def timed_scrape(site: Site, token: str) -> tuple[Answer, float]:
    started = time.monotonic()
    answer = await to_thread(site.scrape, token)
    return answer, time.monotonic() - started


async def test_api_server_that_is_away_is_not_waited_for(
    control_plane: Cluster, operator_kubeconfig: Path, tmp_path: Path
) -> None:
    """A client that was allowed remains so: an outage is what the metrics must show. Others get a sentence, in time."""
    assert operator_kubeconfig.name  # the CRD is installed
    site = await to_thread(Site.prepare, control_plane, tmp_path)
    known, fresh = [await to_thread(site.token, name, reads=True) for name in ("known", "fresh")]
    async with FaultProxy.before(site.kubeconfig) as proxy:
        kubeconfig = proxy.kubeconfig(site.kubeconfig, tmp_path / "kubeconfig")
        operator = OperatorProcess(kubeconfig, tmp_path / "operator.log", site.arguments)
        try:
            await to_thread(operator.start)
            _, normal = await timed_scrape(site, "wrong")
            await to_thread(site.wait_for, known, HTTPStatus.OK)
            hang = Rule("create", "tokenreviews", None, Moment.BEFORE, Delay(3600))
            proxy.rules.arm(hang)
            answer, seconds = await timed_scrape(site, fresh)
            assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE
            assert answer.text == "The API server did not say who may read /metrics: try again later.\n"
            assert seconds < REVIEW_SECONDS + max(5.0, 10 * normal)
            assert (await timed_scrape(site, known))[0].status == HTTPStatus.OK
            proxy.rules.disarm(hang)
            async with proxy.down():
                answer, _ = await timed_scrape(site, fresh)
                assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE
                assert (await timed_scrape(site, known))[0].status == HTTPStatus.OK
            await to_thread(site.wait_for, fresh, HTTPStatus.OK)
        finally:
            if operator.is_running:
                await to_thread(operator.stop)
    assert operator.tracebacks == []
