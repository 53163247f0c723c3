"""Connections use an address that was checked, even if the name resolves to another one later (I1)."""

import socket
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpcore2
import pytest

from model_loader.errors import LoaderError
from model_loader.http_client import HttpClient, _PinnedBackend
from model_loader.request import Request
from tests.unit.loader.test_egress import fake_getaddrinfo


def test_connection_uses_the_checked_address(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved: list[str] = []
    connected: list[Any] = []
    answers = iter([fake_getaddrinfo("93.184.215.14"), fake_getaddrinfo("127.0.0.1")])

    def resolve(host: str, *_: object, **__: object) -> Any:
        resolved.append(host)
        return next(answers)()  # type: ignore[operator]

    def connect(address: Any, *_: object, **__: object) -> Any:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    backend = _PinnedBackend(())
    with pytest.raises(httpcore2.ConnectError):
        backend.connect_tcp("rebind.example", 443)
    assert (resolved, connected) == (["rebind.example"], [("93.184.215.14", 443)])
    # The next connection resolves the name again, and is refused.
    with pytest.raises(LoaderError, match="which is refused: it is loopback"):
        backend.connect_tcp("rebind.example", 443)
    assert len(connected) == 1


def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[str] = []

    def connect(address: Any, *_: object, **__: object) -> Any:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", fake_getaddrinfo("10.0.0.1", "10.0.0.2"))
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(httpcore2.ConnectError):
        _PinnedBackend((ip_network("10.0.0.0/8"),)).connect_tcp("store.example", 443)
    assert connected == ["10.0.0.1", "10.0.0.2"]


BROKEN_URLS = (
    "https://[x/a",
    "https://store.example:99999/a",
    "https://[2001:db8::1/a",
    "https://u:canary@[x/a?canary",
)


@pytest.mark.parametrize("url", BROKEN_URLS)
def test_broken_url_is_an_error_of_the_loader(url: str) -> None:
    client = HttpClient(Request(uri="https://store.example/a", target=Path("x")))
    for check in (client.check_url, lambda found: client.prepare_redirect("https://store.example/", found, {})):
        with pytest.raises(LoaderError, match="is not a valid URL") as error:
            check(url)
        assert "canary" not in error.value.message
