"""A connection to a port of a pod through the API server, with the user's own rights (pods/portforward).

The protocol is v4.channel.k8s.io over a WebSocket (kubelet, pkg/kubelet/server/portforward/websocket.go). The first
byte of a frame is the channel: 0 for data, 1 for errors. The first frame of each channel has the number of the port.
The official client speaks it too, but passes no other header than that of the token: it would not impersonate.
"""

import http.client
import io
from typing import Any
from urllib.parse import urlencode

from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.cluster.failures import response_error, unreachable_error
from modelservice_cli.errors import CliError
from modelservice_operator.apimachinery.kinds import POD

_PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
_PORT_BYTES = 2
_FRAME_BYTES = 32_768
"""Bytes of a frame; a proxy may limit it."""
_NOT_RUNNING_HINTS = ("not found", "not running", "does not exist", "terminated", "no such container")


class PodGoneError(CliError):
    """The pod does not exist any longer, or has ended the connection."""


class _Stream(io.RawIOBase):
    """The bytes that a pod sends."""

    def __init__(self, connection: "PodConnection") -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._connection.receive(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class PodConnection:
    """A connection to a port of a pod, with the methods of a socket that http.client uses."""

    def __init__(self, cluster: Cluster, pod: str, port: int, *, namespace: str) -> None:
        self._description = f"pod {pod} in namespace {namespace}"
        self._port = port
        self._buffer = b""
        self._failure = ""
        self._opened: set[int] = set()
        self._socket = self._open(cluster, pod, namespace)

    def _open(self, cluster: Cluster, pod: str, namespace: str) -> Any:
        from websocket import WebSocket, WebSocketBadStatusException, WebSocketException

        path = POD.path(namespace=namespace, name=pod, subresource="portforward")
        target = f"{cluster.dialer.path_prefix}{path}?{urlencode({'ports': self._port})}"
        host = f"[{cluster.dialer.host}]" if ":" in cluster.dialer.host else cluster.dialer.host
        url = f"{'wss' if cluster.dialer.is_tls else 'ws'}://{host}:{cluster.dialer.port}{target}"
        opened: Any = WebSocket(skip_utf8_validation=True, enable_multithread=False)
        try:
            opened.connect(
                url,
                socket=cluster.dialer.open(),
                header=[f"{name}: {value}" for name, value in cluster.headers],
                subprotocols=[_PROTOCOL],
                suppress_origin=True,
            )
        except WebSocketBadStatusException as error:
            body = error.resp_body or b""
            failure = response_error(error.status_code, body, cluster.endpoint, path=path)
            if failure.http_code in {404, 500} and any(hint in str(failure) for hint in _NOT_RUNNING_HINTS):
                raise PodGoneError(self._gone()) from error
            raise failure from error
        except (OSError, WebSocketException, http.client.HTTPException) as error:
            raise unreachable_error(error, cluster.endpoint) from error
        return opened

    def sendall(self, data: bytes) -> None:
        """Send bytes to the pod."""
        from websocket import WebSocketException

        content = memoryview(bytes(data))
        try:
            for start in range(0, len(content), _FRAME_BYTES):
                self._socket.send_binary(bytes([_DATA]) + content[start : start + _FRAME_BYTES])
        except (OSError, WebSocketException) as error:
            raise PodGoneError(self._gone()) from error

    def receive(self, limit: int) -> bytes:
        """Return at most `limit` bytes; none at the end.

        Raises PodGoneError if the kubelet reports an error, TimeoutError if nothing is received in time.
        """
        while not self._buffer:
            frame = self._receive_frame()
            if frame is None:
                if self._failure:
                    raise PodGoneError(self._failure)
                return b""
            self._take(frame)
        data, self._buffer = self._buffer[:limit], self._buffer[limit:]
        return data

    def _receive_frame(self) -> bytes | None:
        from websocket import ABNF, WebSocketException, WebSocketTimeoutException

        try:
            opcode, data = self._socket.recv_data()
        except WebSocketTimeoutException as error:
            raise TimeoutError from error
        except (OSError, WebSocketException):
            return None
        return None if opcode == ABNF.OPCODE_CLOSE else bytes(data)

    def _take(self, frame: bytes) -> None:
        channel, data = frame[:1], frame[1:]
        if not channel:
            return
        if channel[0] not in self._opened and len(data) == _PORT_BYTES:
            self._opened.add(channel[0])
        elif channel[0] == _DATA:
            self._buffer += data
        elif channel[0] == _ERROR and data:
            self._failure = self._failed(data.decode(errors="replace"))

    def makefile(self, mode: str = "rb", *_: object, **__: object) -> io.BufferedReader:
        """Return a reader; http.client asks for no other mode."""
        if mode != "rb":
            raise ValueError(mode)
        return io.BufferedReader(_Stream(self))

    def settimeout(self, seconds: float | None) -> None:
        """Set the seconds after which a read fails."""
        self._socket.settimeout(seconds)

    def close(self) -> None:
        """Close the connection."""
        self._socket.shutdown()

    def _gone(self) -> str:
        return f"The {self._description} is gone or does not answer on port {self._port}: run the command again."

    def _failed(self, text: str) -> str:
        """Return the sentence for an error of the kubelet about the port."""
        if "refused" in text:
            return (
                f"Nothing listens on port {self._port} of {self._description}: check containerPort, or wait until the"
                " server has started."
            )
        line = " ".join(text.split())
        return f"The connection to port {self._port} of {self._description} failed: {line.rstrip('.')}."
