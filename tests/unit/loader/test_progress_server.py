"""The port at which a loader reports its progress: one line for each connection, whatever the peer does."""

import json
import os
import socket
import struct
import threading
import time

import pytest

from model_loader.progress_server import PROGRESS_PORT, ProgressServer, parse_port
from modelservice_operator.resources.model_volume import PROGRESS_PORT as OPERATOR_PORT

FIGURES: dict[str, int | None] = {"bytes": 250, "total": 1000, "secondsLeft": 15}


def read(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        received = b""
        while chunk := connection.recv(4096):
            received += chunk
        return received


def test_connection_receives_one_line() -> None:
    with ProgressServer(0, lambda: FIGURES, host="127.0.0.1") as server:
        assert [json.loads(read(server.port)) for _ in range(3)] == [FIGURES] * 3


def test_port_is_closed_after_the_load() -> None:
    with ProgressServer(0, lambda: FIGURES, host="127.0.0.1") as server:
        port = server.port
        read(port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_hostile_peers_do_not_end_the_server() -> None:
    """Peers that send, that reset the connection, that read nothing and that keep the connection open."""
    with ProgressServer(0, lambda: FIGURES, host="127.0.0.1") as server:
        address = ("127.0.0.1", server.port)
        kept = [socket.create_connection(address, timeout=5) for _ in range(5)]
        for _ in range(20):
            with socket.create_connection(address, timeout=5) as peer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.sendall(b"GET / HTTP/1.1\r\n" + os.urandom(4096))
        assert json.loads(read(server.port)) == FIGURES
        for peer in kept:
            peer.close()


def test_flood_of_connections_takes_little_time() -> None:
    with ProgressServer(0, lambda: FIGURES, host="127.0.0.1") as server:
        end, started = time.monotonic() + 1, time.thread_time()
        answered = 0
        while time.monotonic() < end:
            read(server.port)
            answered += 1
        assert answered <= 60
        assert time.thread_time() - started < 1


def test_server_without_a_port_does_nothing() -> None:
    threads = threading.active_count()
    with ProgressServer(0, lambda: FIGURES) as server:
        assert (server.port, threading.active_count()) == (0, threads)


def test_port_in_use_is_ignored() -> None:
    with (
        ProgressServer(0, lambda: FIGURES, host="127.0.0.1") as first,
        ProgressServer(first.port, dict, host="127.0.0.1") as second,
    ):
        assert second.port == 0
        assert json.loads(read(first.port)) == FIGURES


@pytest.mark.parametrize(
    ("text", "port"),
    [("9413", 9413), ("", 0), ("0", 0), ("65536", 0), ("-1", 0), ("x", 0), ("9" * 5000, 0), ("\u0669", 0)],
)
def test_port_variable_is_parsed(text: str, port: int) -> None:
    assert parse_port({"MODEL_PROGRESS_PORT": text}, is_pod=True) == port


def test_default_port_is_open_only_in_a_pod() -> None:
    assert parse_port({}, is_pod=True) == PROGRESS_PORT == OPERATOR_PORT
    assert parse_port({}, is_pod=False) == 0
