"""The proxy of an administrator: every hop goes through it, and is checked as without it (I1 to I3)."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment.cluster.pki import Authority
from tests.environment.stores.proxy import Proxy, proxying
from tests.environment.stores.web import Web
from tests.loader.conftest import Loader

MODEL = os.urandom(300_000)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with proxying() as proxy:
        yield proxy


@pytest.fixture
def tls_proxy(tmp_path: Path) -> Iterator[tuple[Proxy, Path]]:
    """A proxy with TLS, and the file of its authority."""
    authority = Authority.create("proxies of the tests")
    authority.issue("proxy", names=("localhost",)).write(tmp_path, "proxy")
    trusted = tmp_path / "authority.crt"
    trusted.write_bytes(authority.pair.certificate)
    with proxying(tmp_path / "proxy") as proxy:
        yield proxy, trusted


def test_https_is_sent_through_a_tunnel(load: Loader, web: Web, proxy: Proxy) -> None:
    url = web.redirect("/proxied", web.file("/proxied/model", MODEL))
    outcome = load(url, {**web.environment, **proxy.environment, "HTTP_BEARER_TOKEN": "canary-token"})
    assert outcome.files == {"proxied": MODEL}, outcome.log
    assert set(proxy.requests) == {f"CONNECT localhost:{web.server.server_port} HTTP/1.1"}
    assert all(b"canary" not in head and b"Authorization" not in head for head in proxy.heads)


def test_http_is_forwarded(load: Loader, plain_web: Web, proxy: Proxy) -> None:
    url = plain_web.file("/forwarded", MODEL)
    outcome = load(url, proxy.environment)
    assert outcome.files == {"forwarded": MODEL}, outcome.log
    assert set(proxy.requests) == {f"GET {url} HTTP/1.1"}


def test_tls_inside_tls(load: Loader, web: Web, tls_proxy: tuple[Proxy, Path]) -> None:
    proxy, authority = tls_proxy
    outcome = load(
        web.file("/nested", MODEL), {**web.environment, **proxy.environment, "MODEL_CA_BUNDLE": str(authority)}
    )
    assert outcome.files == {"nested": MODEL}, outcome.log
    assert proxy.requests
    untrusted = load(web.file("/nested", MODEL), {**web.environment, **proxy.environment}, key="other")
    assert "The certificate of the host 'localhost' is not trusted" in untrusted.message


@pytest.mark.parametrize("hosts", ["localhost", "example.com, localhost", "*", "127.0.0.0/8,localhost"])
def test_direct_hosts_are_not_proxied(load: Loader, web: Web, proxy: Proxy, hosts: str) -> None:
    outcome = load(web.file("/direct", MODEL), {**web.environment, **proxy.environment}, no_proxy=hosts)
    assert (outcome.files, proxy.requests) == ({"direct": MODEL}, []), outcome.log


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("https://169.254.169.254/x", "link-local, a metadata service"),
        ("https://[fd00:ec2::254]/x", "link-local, a metadata service"),
        ("https://10.0.0.1/x", "it is private"),
        ("https://localhost/x", "it is loopback"),
        ("https://2130706433/x", "unusual way to write an address"),
        ("http://unknown.invalid/x", "cannot be resolved"),
    ],
)
def test_proxied_hosts_are_checked(load: Loader, proxy: Proxy, uri: str, why: str) -> None:
    outcome = load(uri, proxy.environment, allowed_cidrs="")
    assert (outcome.reason, proxy.requests) == ("Unreachable", [])
    assert why in outcome.message


def test_redirects_are_checked_behind_a_proxy(load: Loader, web: Web, proxy: Proxy) -> None:
    url = web.redirect("/meta-proxied", "https://169.254.169.254/latest")
    outcome = load(url, {**web.environment, **proxy.environment})
    assert (outcome.code, len(proxy.requests)) == (1, 1)
    assert "169.254.169.254, which is refused" in outcome.message


def test_only_the_proxy_may_resolve_a_host(load: Loader, web: Web, proxy: Proxy) -> None:
    """TLS verifies the name in the tunnel, so the proxy cannot choose another store."""
    proxy.hosts["store.invalid"] = ("127.0.0.1", web.server.server_port)
    outcome = load("https://store.invalid/x", {**web.environment, **proxy.environment})
    assert "The certificate of the host 'store.invalid' is not trusted" in outcome.message
    assert proxy.requests[0] == "CONNECT store.invalid:443 HTTP/1.1"


@pytest.mark.parametrize(
    ("refusal", "why"),
    [
        (b"407 Proxy Authentication Required", "requires a login"),
        (b"403 Forbidden", "HTTP 403"),
        (b"502 -", "HTTP 502"),
    ],
)
def test_refusal_of_the_proxy_is_reported(load: Loader, web: Web, proxy: Proxy, refusal: bytes, why: str) -> None:
    proxy.refusal = refusal
    outcome = load(web.file("/refused", MODEL), {**web.environment, **proxy.environment})
    assert (outcome.code, outcome.reason) == (1, "Unreachable")
    assert "The proxy 'localhost' refused to connect to localhost" in outcome.message
    assert why in outcome.message


@pytest.mark.parametrize("url", ["proxy:3128", "http://user:canary-password@proxy", "socks5://proxy", "http://[x"])
def test_invalid_proxy_is_reported(load: Loader, url: str) -> None:
    outcome = load("https://store.invalid/x", {"MODEL_PROXY": url})
    assert (outcome.code, outcome.reason) == (1, "LoaderFailed")
    assert "MODEL_PROXY must be http://HOST:PORT or https://HOST:PORT" in outcome.message
    assert "canary" not in outcome.log


def test_metadata_service_is_no_proxy(load: Loader) -> None:
    outcome = load("https://store.invalid/x", {"MODEL_PROXY": "http://169.254.169.254"})
    assert "169.254.169.254, which is refused" in outcome.message
