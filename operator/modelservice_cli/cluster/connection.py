"""Requests to an API server with the user's own rights: objects as JSON. Methods raise CliError with a sentence.

A list is read by pages of 500 objects and decoded by orjson: 1,000 ModelServices take a fraction of a second.
"""

import argparse
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Self, TypeVar
from urllib.parse import urlencode

from modelservice_cli.cluster.failures import ApiError, response_error, unreachable_error
from modelservice_cli.cluster.kubeconfig import Choice, Endpoint, load_endpoint
from modelservice_cli.cluster.network import CONNECT_TIMEOUT, Dialer, Socket
from modelservice_operator.apimachinery.kinds import ResourceKind
from modelservice_operator.apimachinery.objects import Object

__all__ = ["ApiError", "Cluster"]

PAGE_SIZE = 500
"""Objects of one response to a list, as kubectl asks for them (--chunk-size)."""
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
FIELD_MANAGER = "modelservice-cli"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
"""Media type of a list of metadata only."""
_MAX_RETRIES = 4
_MAX_PARALLEL = 8
_DEFAULT_RETRY_SECONDS = 1.0
_MAX_RETRY_SECONDS = 10.0
_FIRST_ERROR = 400
_GONE, _UNAVAILABLE = 410, 503
_TOO_MANY = 429

Value = TypeVar("Value")
Objects = list[Object]
Results = list[Value]


class _Connection(http.client.HTTPConnection):
    """An HTTP connection over a socket of the dialer."""

    def __init__(self, dialer: Dialer) -> None:
        super().__init__(dialer.host, dialer.port)
        self._dialer = dialer

    def connect(self) -> None:
        """Open the socket."""
        self.sock: Socket = self._dialer.open()


class Cluster:
    """One API server, one user and the namespace of the command. Threads may share it: each has a connection.

    Namespaces of methods: None is that of the command, "" is all of them, or a kind without a namespace.
    """

    def __init__(self, endpoint: Endpoint, *, connect_timeout: float = CONNECT_TIMEOUT) -> None:
        self._opened: list[_Connection] = []
        self.endpoint = endpoint
        self.namespace = endpoint.namespace
        self.server = endpoint.server
        self.dialer = Dialer(endpoint, connect_timeout=connect_timeout)
        self._local = threading.local()

    @classmethod
    def connect(cls, options: argparse.Namespace) -> Self:
        """Read the kubeconfig that the options of `arguments.add_cluster` choose. Sends no request.

        Raises CliError if the kubeconfig or the context is missing or broken, or a login program fails.
        """
        return cls(load_endpoint(choice_of(options)))

    def __enter__(self) -> Self:
        """Return the cluster; its connections are closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        """Close the connections of a cluster that was not used as a context manager."""
        self.close()

    def close(self) -> None:
        """Close all connections; a later request opens one."""
        while self._opened:
            self._opened.pop().close()
        self._local = threading.local()

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Headers that identify the user."""
        return self.endpoint.identity.headers

    def get(self, kind: ResourceKind, name: str, *, namespace: str | None = None) -> Object:
        """Read one object. Raises ApiError with the exit code NOT_FOUND if there is none."""
        return self.request("GET", kind.path(namespace=self._chosen(namespace), name=name))

    def find(self, kind: ResourceKind, name: str, *, namespace: str | None = None) -> Object | None:
        """Read one object; return None if there is none."""
        try:
            return self.get(kind, name, namespace=namespace)
        except ApiError as error:
            if error.is_object_missing:
                return None
            raise

    def find_served(self, kind: ResourceKind, name: str, *, namespace: str) -> Object | None:
        """Read one object; return an empty one if there is none, and None if the kind is not served."""
        try:
            return self.get(kind, name, namespace=namespace)
        except ApiError as error:
            if error.is_kind_missing:
                return None
            if error.is_object_missing:
                return {}
            raise

    def list(
        self,
        kind: ResourceKind,
        *,
        namespace: str | None = None,
        selector: str | None = None,
        fields: str | None = None,
    ) -> Iterator[Object]:
        """Yield the objects of a kind, which are read page by page."""
        yield from self.snapshot(kind, namespace=namespace, selector=selector, fields=fields)[0]

    def snapshot(
        self,
        kind: ResourceKind,
        *,
        namespace: str | None = None,
        selector: str | None = None,
        fields: str | None = None,
        accept: str = "application/json",
    ) -> tuple[Objects, str]:
        """Return the objects of a kind, and the resourceVersion of the list, from which a watch can start."""
        path = kind.path(namespace=self._chosen(namespace))
        query = _present(limit=str(PAGE_SIZE), labelSelector=selector, fieldSelector=fields)
        items: Objects = []
        while True:
            try:
                page = self.request("GET", path, query=query, accept=accept)
            except ApiError as error:
                if error.http_code != _GONE or "continue" not in query:
                    raise
                # The list expired between two pages (5 minutes). In one piece, it cannot expire again.
                items, query = [], _present(labelSelector=selector, fieldSelector=fields)
                continue
            # Objects of a list have neither apiVersion nor kind.
            items += [{"apiVersion": kind.api_version, "kind": kind.kind} | item for item in page.get("items") or ()]
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return items, str(metadata.get("resourceVersion", ""))
            query["continue"] = metadata["continue"]

    def watch(
        self,
        kind: ResourceKind,
        *,
        version: str,
        namespace: str | None = None,
        selector: str | None = None,
        fields: str | None = None,
    ) -> Iterator[tuple[str, Object]]:
        """Yield changes since `version`: ADDED, MODIFIED or DELETED, and the object. It ends when the server ends it.

        Raises ApiError with the HTTP code 410 if `version` is too old.
        """
        query = _present(watch="1", resourceVersion=version, labelSelector=selector, fieldSelector=fields)
        path = kind.path(namespace=self._chosen(namespace))
        for line in self.stream(path, query=query):
            event = _decode(line)
            if event["type"] == "ERROR":
                status = event["object"]
                raise response_error(
                    int(status.get("code") or 500), json.dumps(status).encode(), self.endpoint, path=path
                )
            yield event["type"], event["object"]

    def patch(
        self,
        kind: ResourceKind,
        name: str,
        body: object,
        *,
        namespace: str | None = None,
        subresource: str = "",
        content_type: str = MERGE_PATCH,
    ) -> Object:
        """Patch an object and return it."""
        path = kind.path(namespace=self._chosen(namespace), name=name, subresource=subresource)
        query = {"fieldManager": FIELD_MANAGER}
        return self.request("PATCH", path, query=query, body=body, content_type=content_type)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Object:
        """Send a request and return the JSON body of the response. Raises ApiError or CliError."""
        data = self._request(method, path, query=query, body=body, content_type=content_type, accept=accept)
        return _decode(data) if data else {}

    def request_text(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> str:
        """Send a request and return the response as text, such as a log. Raises ApiError or CliError."""
        data = self._request(method, path, query=query, body=body, content_type=content_type, accept="*/*")
        return data.decode(errors="replace")

    def stream(self, path: str, *, query: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """Yield the lines of a response without an end, such as a watch or a followed log."""
        connection = _Connection(self.dialer)
        try:
            self._send(connection, "GET", _target(path, query), {"Accept": "*/*"}, None)
            response = connection.getresponse()
            if response.status >= _FIRST_ERROR:
                raise response_error(response.status, response.read(), self.endpoint, path=path)
            if connection.sock is not None:
                connection.sock.settimeout(None)  # nothing may happen for hours
            while line := response.readline():
                yield line
        except (OSError, http.client.HTTPException) as error:
            raise unreachable_error(error, self.endpoint) from error
        finally:
            connection.close()

    def gather(self, reads: Iterable[Callable[[], Value]]) -> Results[Value]:
        """Return the results of reads that run at the same time: a status needs a dozen of them."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_MAX_PARALLEL) as pool:
            return [future.result() for future in [pool.submit(read) for read in reads]]

    def _chosen(self, namespace: str | None) -> str:
        return self.namespace if namespace is None else namespace

    def _request(
        self, method: str, path: str, *, query: Mapping[str, str] | None, body: object, content_type: str, accept: str
    ) -> bytes:
        """Send a request, again if the API server asks to wait (429, 503), and return the body of the response."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Accept": accept} | ({} if content is None else {"Content-Type": content_type})
        for attempt in range(_MAX_RETRIES + 1):
            status, retry_after, data = self._exchange(method, _target(path, query), headers, content)
            if status < _FIRST_ERROR:
                return data
            if status not in {_TOO_MANY, _UNAVAILABLE} or attempt == _MAX_RETRIES:
                break
            time.sleep(_retry_seconds(retry_after))
        raise response_error(status, data, self.endpoint, path=path)

    def _exchange(
        self, method: str, target: str, headers: Mapping[str, str], content: bytes | None
    ) -> tuple[int, str | None, bytes]:
        """Send a request and return status, Retry-After and body.

        A connection that was kept may have been closed by the server: a read is sent again on another one.
        """
        kept: _Connection | None = getattr(self._local, "connection", None)
        if kept is not None and method == "GET":
            with suppress(OSError, http.client.HTTPException):
                return self._exchange_on(kept, method, target, headers, content)
        if kept is not None:
            self._close(kept)
        self._local.connection = connection = _Connection(self.dialer)
        self._opened.append(connection)
        try:
            return self._exchange_on(connection, method, target, headers, content)
        except (OSError, http.client.HTTPException) as error:
            self._close(connection)
            raise unreachable_error(error, self.endpoint) from error

    def _close(self, connection: _Connection) -> None:
        self._local.connection = None
        self._opened.remove(connection)
        connection.close()

    def _exchange_on(
        self, connection: _Connection, method: str, target: str, headers: Mapping[str, str], content: bytes | None
    ) -> tuple[int, str | None, bytes]:
        self._send(connection, method, target, headers, content)
        response = connection.getresponse()
        return response.status, response.getheader("Retry-After"), response.read()

    def _send(
        self, connection: _Connection, method: str, target: str, headers: Mapping[str, str], content: bytes | None
    ) -> None:
        connection.putrequest(method, self.dialer.path_prefix + target, skip_accept_encoding=True)
        for name, value in (*headers.items(), *self.headers, ("User-Agent", FIELD_MANAGER)):
            connection.putheader(name, value)
        if content is not None:
            connection.putheader("Content-Length", str(len(content)))
        connection.endheaders(content)


def choice_of(options: argparse.Namespace) -> Choice:
    """Return what the options choose (see `arguments.add_cluster`)."""
    return Choice(
        kubeconfig=options.kubeconfig,
        context=options.context,
        namespace=options.namespace,
        impersonate=options.impersonate,
        impersonate_groups=tuple(options.impersonate_groups),
    )


def _decode(data: bytes) -> Object:
    """Decode JSON. orjson is imported with the first response: a start without a network does not need it."""
    import orjson

    decoded: Object = orjson.loads(data)
    return decoded


def _present(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _target(path: str, query: Mapping[str, str] | None) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _retry_seconds(header: str | None) -> float:
    return min(float(header), _MAX_RETRY_SECONDS) if header and header.isdecimal() else _DEFAULT_RETRY_SECONDS
