import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.environment.cluster.wait import wait_until
from tests.environment.traffic import SERVER

TIMEOUT = 10


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def server(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The server as a process that listens."""
    environment = os.environ | {"PORT": str(port)}
    with subprocess.Popen([sys.executable, "-c", SERVER], env=environment) as process:
        wait_until(lambda: is_listening(port), seconds=TIMEOUT, what="the server to listen")
        yield process
        process.kill()


def is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def ask(client: http.client.HTTPConnection) -> http.client.HTTPResponse:
    client.request("GET", "/")
    response = client.getresponse()
    response.read()
    return response


def test_server_drains_kept_connections_after_sigterm(server: subprocess.Popen[bytes], port: int) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    assert ask(client).headers.get("Connection") is None
    server.terminate()
    wait_until(lambda: not is_listening(port), seconds=TIMEOUT, what="the end of listening")
    assert server.poll() is None
    response = ask(client)
    assert (response.status, response.headers["Connection"]) == (200, "close")
    assert server.wait(TIMEOUT) == 0


def test_server_without_connections_ends_at_sigterm(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    assert server.wait(TIMEOUT) == 0
