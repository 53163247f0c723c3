"""The cluster's certificate authority and the operator's client certificate are replaced: no restart is needed."""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from tests.environment.cluster import Cluster, ClusterError, Tier, pki, start
from tests.environment.cluster.wait import wait_until
from tests.support.builders import model_service
from tests.support.installation import USER, install_without_operator
from tests.support.namespace import NamespaceFixture
from tests.support.operator import running_operator

KEPT = "those in use are kept: A certificate or key is damaged, or they do not match"
RELOAD_TIMEOUT = 75
"""Seconds: the API server reads its files again each minute, and when it notices that they changed."""


@pytest.fixture(scope="module")
def control_plane() -> Iterator[Cluster]:
    """A separate control plane, whose certificates can be replaced."""
    with start(Tier.CONTROL_PLANE) as cluster:
        install_without_operator(cluster)
        yield cluster


@dataclass(frozen=True)
class Identity:
    """The operator's kubeconfig, which names files in its directory: their paths are relative."""

    directory: Path

    def write_kubeconfig(self, server: str) -> Path:
        config = {
            "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority": "ca.crt"}}],
            "users": [{"name": "u", "user": {"client-certificate": "client.crt", "client-key": "client.key"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = self.directory / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def trust(self, certificates: bytes) -> None:
        (self.directory / "ca.crt").write_bytes(certificates)

    def write_key(self, pair: pki.KeyPair) -> None:
        (self.directory / "client.key").write_bytes(pair.key)

    def write_certificate(self, pair: pki.KeyPair) -> None:
        (self.directory / "client.crt").write_bytes(pair.certificate)


@dataclass(frozen=True)
class ServerFiles:
    """Files of the API server, which it reads again while it runs."""

    cluster: Cluster

    @property
    def directory(self) -> Path:
        assert self.cluster.state is not None
        return self.cluster.state / "pki"

    def accept(self, certificates: bytes) -> None:
        """Accept client certificates of these authorities only."""
        (self.directory / "ca.crt").write_bytes(certificates)

    def present(self, authority: pki.Authority) -> None:
        """Present a certificate of this authority; wait until new connections get it."""
        authority.issue("kube-apiserver", names=("127.0.0.1", "localhost")).write(self.directory, "apiserver")
        context = ssl.create_default_context(cadata=authority.pair.certificate.decode())
        wait_until(lambda: self._is_trusted_by(context), seconds=RELOAD_TIMEOUT, what="new certificate of the server")

    def _is_trusted_by(self, context: ssl.SSLContext) -> bool:
        with suppress(httpx.TransportError):
            httpx.get(f"{self.cluster.server}/readyz", verify=context, trust_env=False)
            return True
        return False

    def renew_administrator(self, authority: pki.Authority, trusted: bytes) -> None:
        """Issue a kubeconfig for the tests by another authority; wait until its certificate is accepted."""
        user = pki.certificate_user(authority.issue("admin", groups=("system:masters",)))
        self.cluster.kubeconfig.write_text(pki.kubeconfig(self.cluster.server, trusted, user))
        wait_until(self._is_accepted, seconds=RELOAD_TIMEOUT, what="new authority for clients")

    def wait_rejected(self, authority: pki.Authority) -> None:
        """Wait until no certificate of an authority is accepted."""
        user, trusted = pki.certificate_user(authority.issue("nobody")), (self.directory / "ca.crt").read_bytes()
        kubeconfig = self.directory / "nobody.kubeconfig"
        kubeconfig.write_text(pki.kubeconfig(self.cluster.server, trusted, user))
        who = (f"--kubeconfig={kubeconfig}", "auth", "whoami")
        wait_until(lambda: self._is_refused(*who), seconds=RELOAD_TIMEOUT, what="end of the old authority")

    def _is_refused(self, *arguments: str) -> bool:
        with suppress(ClusterError):
            self.cluster.run_kubectl(*arguments)
            return False
        return True

    def _is_accepted(self) -> bool:
        with suppress(ClusterError):
            self.cluster.run_kubectl("get", "namespace", "default")
            return True
        return False


def test_rotation_of_authority_and_client_certificate(
    control_plane: Cluster, namespace: str, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    server, identity = ServerFiles(control_plane), Identity(tmp_path)
    original = (server.directory / "ca.crt").read_bytes()
    first, second = pki.Authority.create("first"), pki.Authority.create("second")
    server.accept(original + first.pair.certificate + second.pair.certificate)
    server.renew_administrator(second, original + second.pair.certificate)
    pair = first.issue(USER)
    identity.trust(original)
    identity.write_key(pair)
    identity.write_certificate(pair)
    kubeconfig = identity.write_kubeconfig(control_plane.server)
    with running_operator(kubeconfig, tmp_path / "log", "--namespace", namespace) as operator:
        ns = NamespaceFixture(control_plane, namespace, lambda: operator.log)
        process = operator.process
        server.present(second)
        ns.apply(model_service().named("before"))
        ns.wait(lambda: has_deployment(ns, "before"), "Deployment by old connections", name="before")
        # The new files arrive one after the other, as the old certificate is no longer accepted.
        pair = second.issue(USER)
        identity.trust(second.pair.certificate)
        identity.write_key(pair)
        server.accept(second.pair.certificate)
        server.wait_rejected(first)
        started = time.monotonic()
        ns.apply(model_service().named("after"))
        ns.wait(lambda: KEPT in operator.log, "credentials that are kept", within=RELOAD_TIMEOUT, name="after")
        assert not has_deployment(ns, "after")
        identity.write_certificate(pair)
        written = time.monotonic()
        ns.wait(lambda: has_deployment(ns, "after"), "Deployment by new connections", name="after")
        now = time.monotonic()
        assert operator.process is process
        assert operator.is_running
    figure(f"control plane: rotated certificates in use after {now - written:.1f} s ({now - started:.1f} s in all)")


def has_deployment(ns: NamespaceFixture, name: str) -> bool:
    return bool(ns.kubectl("get", "deployment", name, "--ignore-not-found", "-o", "name"))
