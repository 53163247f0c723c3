"""HTTP requests to a model: through a connection to one of its pods, or by URL."""

import http.client
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.cluster.port_forward import PodConnection, PodGoneError
from modelservice_cli.errors import CliError, ExitCode


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a model."""

    method: str
    target: str
    """Path and query."""
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a model."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    seconds: float
    """From the first byte of the request to the last one of the answer, without opening the connection."""


class ModelConnection(ABC):
    """Sends requests one after another. A connection is kept if the server keeps it."""

    def __init__(self, description: str, timeout: float) -> None:
        self.description = description
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        """Return the connection; it is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def send(self, request: Request) -> Answer:
        """Send a request. Raises CliError if the server, or the pod, goes away."""
        connection = self._connection if self._connection is not None and self._connection.sock else self._open()
        self._connection = connection
        started = time.perf_counter()
        try:
            connection.request(request.method, request.target, request.body, dict(request.headers))
            response = connection.getresponse()
            body = response.read()
        except TimeoutError as error:
            self.close()
            text = f"{self._subject()} did not answer within {self._timeout:g} s: raise --timeout, or see the log."
            raise CliError(text) from error
        except PodGoneError:
            self.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise CliError(self._lost(error)) from error
        seconds = time.perf_counter() - started
        if response.will_close:
            self.close()
        return Answer(response.status, response.reason, tuple(response.getheaders()), body, seconds)

    @abstractmethod
    def _open(self) -> http.client.HTTPConnection:
        """Return a new connection."""

    def _subject(self) -> str:
        return f"{self.description[:1].upper()}{self.description[1:]}"

    @abstractmethod
    def _lost(self, error: Exception) -> str:
        """Return the sentence for a connection that ended before the answer was complete."""


class PodCalls(ModelConnection):
    """Requests to one pod, with the user's right to forward a port."""

    def __init__(self, cluster: Cluster, pod: str, port: int, *, namespace: str, timeout: float) -> None:
        super().__init__(f"pod {pod}", timeout)
        self._cluster = cluster
        self._pod = pod
        self._port = port
        self._namespace = namespace

    def _open(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("localhost", self._port)
        forwarded = PodConnection(self._cluster, self._pod, self._port, namespace=self._namespace)
        forwarded.settimeout(self._timeout)
        connection.sock = forwarded
        return connection

    def _lost(self, _error: Exception) -> str:
        return (
            f"{self._subject()} ended the connection before its answer was complete: it is gone or restarts, so run the"
            " command again."
        )


class UrlCalls(ModelConnection):
    """Requests to a URL, as a client of the model sends them."""

    def __init__(self, url: str, *, timeout: float) -> None:
        super().__init__(url, timeout)
        self._parts = urlsplit(url)
        if self._parts.scheme not in {"http", "https"} or not self._parts.hostname:
            raise CliError(f"{url!r} is not an http or https URL.", ExitCode.USAGE)

    @property
    def path(self) -> str:
        """Path of the URL, to which that of a request is added."""
        return self._parts.path.rstrip("/")

    def _open(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=self._timeout, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
        try:
            connection.connect()
        except OSError as error:
            raise CliError(self._lost(error), ExitCode.UNREACHABLE) from error
        return connection

    def _lost(self, error: Exception) -> str:
        reason = str(getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")
        return f"Cannot reach {self.description}: {reason}. Without --url, the request goes to a pod."
