"""The probes of an operator that is a process of this machine."""

import http.client
import json
import socket

from modelservice_operator.manager import health


def listen(port: int) -> socket.socket:
    """Listen as the operator does."""
    return health.listen(port, serves="/healthz and /readyz", flag="--probe-port", users="probes of the pod")


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        port: int = opened.getsockname()[1]
        return port


def get_health(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, list[str]]:
    """Return status and problems; status 0 while the port is closed."""
    connection = http.client.HTTPConnection(host, port, timeout=60)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())["problems"]
    except ConnectionError:
        return 0, []
    finally:
        connection.close()
