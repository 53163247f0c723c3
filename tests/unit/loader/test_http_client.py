"""I1: a connection goes to an address that was looked at, whatever the name stands for a moment later."""

import socket
from ipaddress import ip_network
from typing import Any

import httpcore2
import pytest

from model_loader.errors import LoaderError
from model_loader.http_client import _PinnedBackend
from tests.unit.loader.test_egress import answering


def test_a_name_is_looked_up_once_and_the_connection_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    connected: list[Any] = []
    answers = iter([answering("93.184.215.14"), answering("127.0.0.1")])

    def look_up(host: str, *_: object, **__: object) -> Any:
        asked.append(host)
        return next(answers)()  # type: ignore[operator]

    def connect(address: Any, *_: object, **__: object) -> Any:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    backend = _PinnedBackend(())
    with pytest.raises(httpcore2.ConnectError):
        backend.connect_tcp("rebind.example", 443)
    assert (asked, connected) == (["rebind.example"], [("93.184.215.14", 443)])
    # The next connection looks again, and is refused.
    with pytest.raises(LoaderError, match="which is refused: it is loopback"):
        backend.connect_tcp("rebind.example", 443)
    assert len(connected) == 1


def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[str] = []

    def connect(address: Any, *_: object, **__: object) -> Any:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", answering("10.0.0.1", "10.0.0.2"))
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(httpcore2.ConnectError):
        _PinnedBackend((ip_network("10.0.0.0/8"),)).connect_tcp("store.example", 443)
    assert connected == ["10.0.0.1", "10.0.0.2"]
