"""Requests to an API server with the user's kubeconfig, by the official client: exec plugins, proxies, impersonation.

The bodies are JSON objects. Every failure is a CliError: its message says in one sentence what failed and what to do.
"""

import argparse
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.kinds import ResourceKind
from modelservice_operator.apimachinery.objects import Object

PAGE_SIZE = 500
"""Objects of one response to a list, as kubectl asks for them (--chunk-size)."""
_TIMEOUT_SECONDS = (10.0, 60.0)
"""Time limits of a request: to connect, and between two reads."""
_HTTP_UNAUTHORIZED, _HTTP_FORBIDDEN, _HTTP_NOT_FOUND = 401, 403, 404


class ApiError(CliError):
    """The API server rejected a request. `status` is its metav1.Status, `http_code` the code of the response."""

    def __init__(self, message: str, code: ExitCode, *, http_code: int, status: Object) -> None:
        super().__init__(message, code)
        self.http_code = http_code
        self.status = status


class Cluster:
    """One API server, one user and the namespace of the command."""

    def __init__(self, client: Any, *, namespace: str, headers: Mapping[str, str], groups: Sequence[str] = ()) -> None:
        self._client = client
        self._headers = headers
        self._groups = groups
        self.namespace = namespace
        self.server: str = client.configuration.host

    @classmethod
    def connect(cls, options: argparse.Namespace) -> Self:
        """Read the kubeconfig that the options of `arguments.add_cluster` choose. Sends no request.

        Raises CliError if the kubeconfig or the context is missing or broken, or a login program fails.
        """
        path = str(options.kubeconfig) if options.kubeconfig else os.environ.get("KUBECONFIG") or None
        try:
            client, namespace = _load(path, options.context)
        except CliError:
            raise
        except Exception as error:  # the official client raises whatever it meets
            raise CliError(_kubeconfig_problem(error, path, options.context), ExitCode.UNREACHABLE) from error
        headers: dict[str, str] = {}
        if options.impersonate:
            headers["Impersonate-User"] = options.impersonate
        if options.impersonate_groups and not options.impersonate:
            raise CliError("--as-group needs --as.", ExitCode.USAGE)
        groups = tuple(options.impersonate_groups)
        return cls(client, namespace=options.namespace or namespace, headers=headers, groups=groups)

    def get(self, kind: ResourceKind, name: str, *, namespace: str | None = None) -> Object:
        """Read one object. Raises ApiError with the exit code NOT_FOUND if there is none."""
        return self.request("GET", kind.path(namespace=self.namespace if namespace is None else namespace, name=name))

    def find(self, kind: ResourceKind, name: str, *, namespace: str | None = None) -> Object | None:
        """Read one object; return None if there is none."""
        try:
            return self.get(kind, name, namespace=namespace)
        except ApiError as error:
            if error.http_code == _HTTP_NOT_FOUND and error.status.get("details", {}).get("name"):
                return None
            raise

    def find_served(self, kind: ResourceKind, name: str, *, namespace: str) -> Object | None:
        """Read one object; return an empty one if there is none, and None if the kind is not served."""
        try:
            return self.get(kind, name, namespace=namespace)
        except ApiError as error:
            if error.http_code != _HTTP_NOT_FOUND:
                raise
            return {} if error.status.get("details", {}).get("name") else None

    def list(
        self,
        kind: ResourceKind,
        *,
        namespace: str | None = None,
        selector: str | None = None,
        fields: str | None = None,
    ) -> Iterator[Object]:
        """Yield the objects of a kind page by page; all namespaces if `namespace` is empty."""
        path = kind.path(namespace=self.namespace if namespace is None else namespace)
        query = {"limit": str(PAGE_SIZE)}
        if selector:
            query["labelSelector"] = selector
        if fields:
            query["fieldSelector"] = fields
        while True:
            page = self.request("GET", path, query=query)
            for item in page.get("items") or ():
                yield {"apiVersion": kind.api_version, "kind": kind.kind} | item
            token = page.get("metadata", {}).get("continue")
            if not token:
                return
            query["continue"] = token

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> Object:
        """Send a request and return the JSON body of the response. Raises ApiError or CliError."""
        return json.loads(self.request_text(method, path, query=query, body=body, content_type=content_type))  # type: ignore[no-any-return]

    def request_text(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> str:
        """Send a request and return the response as text, such as logs. Raises ApiError or CliError."""
        from urllib3 import HTTPHeaderDict
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json", **self._headers}
        if body is not None:
            headers["Content-Type"] = content_type
        method, url, sent, *rest = self._client.param_serialize(
            method, path, query_params=list((query or {}).items()), header_params=headers, body=body,
            auth_settings=["BearerToken"],
        )  # fmt: skip
        with_groups = HTTPHeaderDict(sent)
        for group in self._groups:
            with_groups.add("Impersonate-Group", group)  # a header for each
        try:
            response = self._client.call_api(method, url, with_groups, *rest, _request_timeout=_TIMEOUT_SECONDS)
            data: bytes = response.read()
        except (HTTPError, OSError) as error:
            raise CliError(
                f"Cannot reach the API server {self.server}: {_cause(error)}.", ExitCode.UNREACHABLE
            ) from error
        except Exception as error:
            if type(error).__module__.startswith("kubernetes."):
                reason = _cause(error.__context__ or error)
                message = f"Cannot reach the API server {self.server}: {reason}."
                raise CliError(message, ExitCode.UNREACHABLE) from error
            raise
        text = data.decode("utf-8", errors="replace")
        if response.status >= 400:  # noqa: PLR2004  RFC 9110
            raise self._error(response.status, text, path)
        return text

    def _error(self, code: int, text: str, path: str) -> ApiError:
        status = _status(text)
        message = str(status.get("message") or text.strip().partition("\n")[0] or f"HTTP {code}")
        if code == _HTTP_UNAUTHORIZED:
            message = f"The API server {self.server} does not accept the login ({message}): log in again."
            exit_code = ExitCode.UNREACHABLE
        elif code == _HTTP_FORBIDDEN:
            exit_code = ExitCode.FORBIDDEN
        elif code == _HTTP_NOT_FOUND and not status.get("details", {}).get("name"):
            what = _resource_of(path)
            message = f"The API server {self.server} does not serve {what}: install its CustomResourceDefinition."
            exit_code = ExitCode.UNREACHABLE
        elif code == _HTTP_NOT_FOUND:
            exit_code = ExitCode.NOT_FOUND
        elif status.get("reason") == "Invalid":
            message, exit_code = _as_kubectl(status), ExitCode.NEGATIVE
        else:
            exit_code = ExitCode.NEGATIVE
        return ApiError(message, exit_code, http_code=code, status=status)


def _load(path: str | None, context: str | None) -> tuple[Any, str]:
    """Return a client of the official library and the namespace of the context."""
    from kubernetes import config
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import kube_config

    library: Any = config  # has no types
    configuration = type.__call__(Configuration)
    location = path or config.KUBE_CONFIG_DEFAULT_LOCATION
    if not any(Path(part).expanduser().is_file() for part in location.split(os.pathsep) if part):
        if path is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
            library.load_incluster_config(client_configuration=configuration)
            namespace = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
            return ApiClient(configuration=configuration), namespace.read_text(encoding="utf-8").strip()
        raise CliError(
            f"There is no kubeconfig {location}: name one with --kubeconfig or KUBECONFIG.", ExitCode.UNREACHABLE
        )
    read: Any = kube_config._get_kube_config_loader  # noqa: SLF001  the public functions do not return the context
    loader = read(filename=location, active_context=context, persist_config=False)
    with _logged_errors() as errors:
        loader.load_and_set(configuration)
    if errors:  # of a login program: the library would send requests without credentials
        reason = errors[0].strip().partition("\n")[0].removeprefix("exec: ").rstrip(".")
        raise CliError(f"The login program in {location} failed: {reason}. Log in again.", ExitCode.UNREACHABLE)
    configuration.retries = False
    return ApiClient(configuration=configuration), loader.current_context["context"].get("namespace") or "default"


@contextmanager
def _logged_errors() -> Iterator[list[str]]:
    """Collect the errors that the official library logs, instead of printing them."""
    messages: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield messages
    finally:
        root.removeHandler(handler)


def _kubeconfig_problem(error: Exception, path: str | None, context: str | None) -> str:
    where = f"the kubeconfig {path}" if path else "the default kubeconfig"
    reason = _first_line(error)
    if context and "contexts" in reason:
        return f"{where[0].upper()}{where[1:]} has no context {context!r}."
    return f"Cannot use {where}: {reason}"


def _resource_of(path: str) -> str:
    """Return `plural.group` of a path, such as /apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL/NAME."""
    group, _, *rest = path.removeprefix("/apis/").split("/")
    plural = rest[2] if rest[0] == "namespaces" and len(rest) > 2 else rest[0]  # noqa: PLR2004
    return plural if path.startswith("/api/") else f"{plural}.{group}"


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _cause(error: BaseException) -> str:
    """Return the cause of a failed connection without urllib3's description of its objects."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _cause(reason)
    text = _first_line(error)
    for marker in ("Failed to establish a new connection: ", "Failed to resolve ", "Caused by "):
        if marker in text:
            text = ("cannot resolve " if "resolve" in marker else "") + text.rpartition(marker)[2]
    return text.rstrip(".") or type(error).__name__


def _as_kubectl(status: Object) -> str:
    """Return the message that kubectl prints for an object that is not valid, on one line."""
    details = status.get("details") or {}
    causes = [f"{cause.get('field', '')}: {cause.get('message', '')}" for cause in details.get("causes") or ()]
    if not causes:
        return str(status.get("message", ""))
    return f'The {details.get("kind")} "{details.get("name")}" is invalid: {"; ".join(dict.fromkeys(causes))}'


def _status(text: str) -> Object:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) and body.get("kind") == "Status" else {}
