"""Connections use an address that was checked, even if the name resolves to another one later (I1)."""

import socket
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from model_loader.connections import Connector
from model_loader.errors import LoaderError, TransferError
from model_loader.http_client import HttpClient, build_tls_context, prepare_redirect
from model_loader.proxies import Origin
from model_loader.request import Request
from tests.unit.loader.test_egress import fake_getaddrinfo

ORIGIN = Origin("https", "rebind.example", 443)


def build_connector(*allowed: str) -> Connector:
    return Connector(tuple(ip_network(one) for one in allowed), lambda: build_tls_context({}))


def refuse_connections(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Refuse every connection; return the list of the addresses of all attempts."""
    connected: list[Any] = []

    def connect(_: object, address: Any) -> None:
        connected.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket.socket, "connect", connect)
    return connected


def test_connection_uses_the_checked_address(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved: list[str] = []
    answers = iter([fake_getaddrinfo("93.184.215.14"), fake_getaddrinfo("127.0.0.1")])

    def resolve(host: str, *_: object, **__: object) -> Any:
        resolved.append(host)
        return next(answers)()  # type: ignore[operator]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    connected = refuse_connections(monkeypatch)
    connector = build_connector()
    with pytest.raises(TransferError, match="cannot be reached: connection refused"):
        connector.connect(ORIGIN)
    assert (resolved, connected) == (["rebind.example"], [("93.184.215.14", 443)])
    # The next connection resolves the name again, and is refused.
    with pytest.raises(LoaderError, match="which is refused: it is loopback"):
        connector.connect(ORIGIN)
    assert len(connected) == 1


def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", fake_getaddrinfo("10.0.0.1", "10.0.0.2"))
    connected = refuse_connections(monkeypatch)
    with pytest.raises(TransferError):
        build_connector("10.0.0.0/8").connect(ORIGIN)
    assert connected == [("10.0.0.1", 443), ("10.0.0.2", 443)]


BROKEN_URLS = (
    "https://[x/a",
    "https://store.example:99999/a",
    "https://store.example:0/a",
    "https://store%2fexample/a",
    "https://store example/a",
    "https://[2001:db8::1/a",
    "https://u:canary@[x/a?canary",
)


@pytest.mark.parametrize("url", BROKEN_URLS)
def test_broken_url_is_an_error_of_the_loader(url: str) -> None:
    client = HttpClient(Request(uri="https://store.example/a", target=Path("x")))
    for check in (client.check_url, lambda found: prepare_redirect("https://store.example/", found, {})):
        with pytest.raises(LoaderError, match="is not a valid URL") as error:
            check(url)
        assert "canary" not in error.value.message
