"""Proxies, against small servers of the protocols, and sentences for networks that fail."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.cluster.failures import response_error, unreachable_error
from modelservice_cli.cluster.kubeconfig import Endpoint
from modelservice_cli.cluster.network import Dialer, find_proxy
from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from tests.support.cli_proxies import http_proxy, socks_proxy

VERSION = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@contextmanager
def server() -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers each request with {} and ends the connection; it keeps the requests."""
    listener = socket.create_server(("127.0.0.1", 0))
    received: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                data = b""
                while b"\r\n\r\n" not in data and (chunk := connection.recv(65_536)):
                    data += chunk
                received.append(data)
                connection.sendall(VERSION)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", received
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def read(endpoint: Endpoint) -> Any:
    with Cluster(endpoint) as cluster:
        return cluster.request("GET", "/version")


@pytest.mark.parametrize("login", ["", "me:p%40ss@"], ids=["open", "login"])
@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_request_passes_the_proxy_of_the_kubeconfig(scheme: str, login: str) -> None:
    proxy = http_proxy if scheme == "http" else socks_proxy
    with server() as (url, received), proxy(login="me:p@ss" if login else "") as (port, targets):
        assert read(Endpoint(server=url, proxy=f"{scheme}://{login}127.0.0.1:{port}")) == {}
        assert targets == [url.removeprefix("http://")]
        assert received[0].startswith(b"GET /version HTTP/1.1\r\n")


@pytest.mark.parametrize(("scheme", "proxy"), [("http", http_proxy), ("socks5", socks_proxy)], ids=["http", "socks5"])
def test_rejected_login_of_a_proxy_is_one_sentence(scheme: str, proxy: Any) -> None:
    with proxy(login="me:secret") as (port, _), pytest.raises(CliError) as caught:
        read(Endpoint(server="http://127.0.0.1:1", proxy=f"{scheme}://me:wrong@127.0.0.1:{port}"))
    assert caught.value.code is ExitCode.UNREACHABLE
    assert "wrong" not in str(caught.value)
    assert "proxy 127.0.0.1" in str(caught.value)


def test_proxy_of_the_environment_is_used_unless_excluded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    endpoint = Endpoint(server="https://api.example.com")
    monkeypatch.delenv("https_proxy", raising=False)
    assert find_proxy(endpoint) is None
    monkeypatch.setenv("https_proxy", "proxy.example.com:3128")
    found = find_proxy(endpoint)
    assert found is not None
    assert (found.scheme, found.hostname, found.port) == ("http", "proxy.example.com", 3128)
    monkeypatch.setenv("no_proxy", "example.com")
    assert find_proxy(endpoint) is None
    assert find_proxy(Endpoint(server="https://api.example.com", proxy="http://p")) is not None


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://x:99999"])
def test_unusable_proxy_is_one_sentence(url: str) -> None:
    with pytest.raises(CliError, match="is not one of http, https, socks5 and socks5h"):
        find_proxy(Endpoint(server="https://api.example.com", proxy=url))


def test_path_of_the_server_is_kept() -> None:
    with server() as (url, received):
        read(Endpoint(server=f"{url}/k8s/clusters/c-1"))
    assert received[0].startswith(b"GET /k8s/clusters/c-1/version HTTP/1.1\r\n")


def test_closed_port_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(
        CliError, match=f"Cannot reach the API server http://127.0.0.1:{port}: the connection was refused"
    ):
        read(Endpoint(server=f"http://127.0.0.1:{port}"))


def test_silent_server_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener, pytest.raises(TimeoutError):
        Dialer(Endpoint(server=f"https://127.0.0.1:{listener.getsockname()[1]}"), connect_timeout=0.2).open()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (TimeoutError(), "no answer in time: check the network, such as a VPN."),
        (socket.gaierror(-2, "Name or service not known"), "cannot resolve its name"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "TLS failed"),
        (OSError(113, "No route to host"), "No route to host: check the network"),
    ],
    ids=["timeout", "name", "TLS", "route"],
)
def test_network_failure_is_one_sentence(error: Exception, sentence: str) -> None:
    text = str(unreachable_error(error, Endpoint(server="https://a")))
    assert text.startswith("Cannot reach the API server https://a: ")
    assert sentence in text
    assert text.endswith(".")


def test_page_of_a_proxy_is_no_status() -> None:
    error = response_error(502, b"<html>\x1b[31m\n Bad Gateway</html>", Endpoint(server="https://a"), path="/version")
    assert str(error) == "The API server answered 502: <html> Bad Gateway</html>"
    assert error.code is ExitCode.NEGATIVE


def test_damaged_certificate_authority_is_one_sentence() -> None:
    with pytest.raises(CliError, match="A certificate or key of the kubeconfig is damaged"):
        Dialer(Endpoint(server="https://a", authorities=b"no PEM"))


def test_missing_kind_names_the_definition() -> None:
    error = response_error(
        404, b"404 page not found", Endpoint(server="https://a"), path=MODEL_SERVICE.path(namespace="a", name="b")
    )
    assert error.is_kind_missing
    assert MODEL_SERVICE.group_resource in str(error)
    assert error.code is ExitCode.UNREACHABLE
