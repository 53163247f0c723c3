"""Reports the progress to the operator: each connection receives one line of JSON and is closed. Nothing is read.

A pod has no token, and nothing in its status is text while a container runs. The operator therefore connects to the
address of the pod. Without a request there is no request to parse, so a peer can do no more than read the figures.
"""

import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Self

PROGRESS_PORT = 9413
"""Port from which the operator reads (`modelservice_operator.resources.model_volume`)."""
_BACKLOG = 4
_PAUSE = 0.02
"""Seconds between two connections: a peer that connects endlessly takes no noticeable CPU time of the load."""
_MAX_PORT = 65_535


def parse_port(environment: Mapping[str, str], *, is_pod: bool) -> int:
    """Return MODEL_PROGRESS_PORT, which defaults to PROGRESS_PORT in a pod, and to 0 elsewhere.

    Any other text counts as 0, which disables it: a load does not fail because of its display.
    """
    text = environment.get("MODEL_PROGRESS_PORT")
    if text is None:
        return PROGRESS_PORT if is_pod else 0
    is_port = text.isascii() and text.isdecimal() and len(text) <= len(str(_MAX_PORT)) and int(text) <= _MAX_PORT
    return int(text) if is_port else 0


class ProgressServer:
    """Sends `describe()` as a line of JSON to each peer that connects to `port`, as long as the `with` block runs.

    Port 0 disables it. A port that cannot be opened is ignored.
    """

    def __init__(self, port: int, describe: Callable[[], Mapping[str, int | None]], *, host: str | None = None) -> None:
        """`host` is the address to listen on; None means all of the pod, IPv4 and IPv6."""
        self._describe = describe
        self._stopped = threading.Event()
        self._socket = _listen(host, port) if port or host else None

    @property
    def port(self) -> int:
        """Port that it listens on; 0 if it does not."""
        return int(self._socket.getsockname()[1]) if self._socket is not None else 0

    def __enter__(self) -> Self:
        if self._socket is not None:
            threading.Thread(target=self._serve, args=(self._socket,), name="progress server", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)  # ends accept(), unlike close() (shutdown(2))
            self._socket.close()

    def _serve(self, listener: socket.socket) -> None:
        while not self._stopped.wait(_PAUSE):
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.setblocking(False)  # noqa: FBT003 - a line fits into the send buffer
                    connection.send(json.dumps(dict(self._describe())).encode() + b"\n")


def _listen(host: str | None, port: int) -> socket.socket | None:
    """Return a listening socket; None if there is none to be had."""
    dual = host is None and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    try:
        return socket.create_server((host or "", port), family=family, dualstack_ipv6=dual, backlog=_BACKLOG)
    except OSError:
        return None
