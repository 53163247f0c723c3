"""Operations of `ModelService` and `AsyncModelService` with a client, and the decisions of a wait."""

import base64
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlencode

from modelservice.errors import (
    ModelServiceError,
    NotFoundError,
    NotReadyError,
    PredictionError,
    UnreachableError,
    WaitTimeoutError,
    in_python,
    is_outage,
)
from modelservice_cli.cluster.calls import Answer, ModelConnection, PodCalls, Request, UrlCalls
from modelservice_cli.cluster.connection import Cluster as Client
from modelservice_cli.cluster.failures import ApiError
from modelservice_cli.cluster.family import check_pods_readable, read_family
from modelservice_cli.cluster.lookup import model_service_names
from modelservice_cli.errors import CliError, ExitCode
from modelservice_cli.view.conditions import condition, is_met, is_observed, problems
from modelservice_cli.view.pods import choose_ready
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import Object

FIELD_MANAGER = "modelservice-sdk"
POLL_SECONDS = 0.5
_DEFAULT_PORT = 8080
_FIRST_ERROR = 400
_MAX_QUOTED_BYTES = 500
Body = Mapping[str, Any]


def apply(client: Client, manifest: Body, *, force: bool, dry_run: bool) -> Object:
    """Create or change a ModelService by server-side apply, and return it."""
    metadata = manifest["metadata"]
    namespace = metadata.get("namespace") or client.namespace
    query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", "force": "true" if force else "false"}
    if dry_run:
        query["dryRun"] = "All"
    path = MODEL_SERVICE.path(namespace=namespace, name=metadata["name"])
    return client.request("PATCH", path, query=query, body=manifest, content_type="application/apply-patch+yaml")


def read(client: Client, name: str, namespace: str | None) -> Object:
    """Return a ModelService. Raises NotFoundError with similar names."""
    found = client.find(MODEL_SERVICE, name, namespace=namespace)
    if found is None:
        raise NotFoundError(_not_found(client, name, namespace or client.namespace))
    return found


def find_all(client: Client, namespace: str | None, selector: str | None) -> list[Object]:
    """Return the ModelServices of a namespace, that of the cluster if it is None, all if it is empty."""
    return list(client.list(MODEL_SERVICE, namespace=namespace, selector=selector))


def delete(client: Client, name: str, namespace: str | None, *, missing_ok: bool) -> None:
    """Delete a ModelService; its children follow."""
    path = MODEL_SERVICE.path(namespace=namespace or client.namespace, name=name)
    try:
        client.request("DELETE", path)
    except ApiError as error:
        if not error.is_object_missing:
            raise
        if not missing_ok:
            raise NotFoundError(_not_found(client, name, namespace or client.namespace)) from error


def exists(client: Client, name: str, namespace: str | None) -> bool:
    """Return True if there is such a ModelService."""
    return client.find(MODEL_SERVICE, name, namespace=namespace) is not None


def _not_found(client: Client, name: str, namespace: str) -> str:
    try:
        known = [other for _, other in model_service_names(client, namespace=namespace)]
    except CliError:
        known = []  # the user may read single objects only
    close = get_close_matches(name, sorted(known), n=3)
    advice = f": did you mean {' or '.join(close)}?" if close else "."
    return f"There is no ModelService {name} in namespace {namespace}{advice}"


@dataclass(slots=True)
class Wait:
    """A wait for a condition: `is_over` decides after each read. An outage of the API server does not end it."""

    name: str
    condition: str
    timeout: float
    has_answered: bool = False
    """True after the first response of the API server."""
    _started: float = field(default_factory=time.monotonic)

    def is_over(self, body: Body) -> bool:
        """Return True if the condition is True for the newest spec.

        Raises NotReadyError if it is stalled, and WaitTimeoutError.
        """
        self.has_answered = True
        if is_met(body, self.condition):
            return True
        if is_observed(body) and condition(body, "Stalled").get("status") == "True":
            cause = problems(body)[0]
            text = f"ModelService {self.name} is stalled: {cause.reason}: {cause.message}"
            raise NotReadyError(text, reason=cause.reason, message=cause.message)
        if self.is_late():
            raise self._timeout(body)
        return False

    def is_late(self) -> bool:
        """Return True after the timeout."""
        return time.monotonic() - self._started >= self.timeout

    def is_gone(self, *, exists: bool) -> bool:
        """Return True if the object does not exist. Raises WaitTimeoutError if it still does after the timeout."""
        if exists and self.is_late():
            raise WaitTimeoutError(f"ModelService {self.name} still exists after {self.timeout:g} s.")
        return not exists

    def check_outage(self, error: UnreachableError) -> None:
        """Raise `error`, unless the API server has answered before and may answer again before the timeout."""
        if not self.has_answered or not is_outage(error) or self.is_late():
            raise error

    def _timeout(self, body: Body) -> WaitTimeoutError:
        found = condition(body, self.condition)
        if self.condition == "Ready" or not is_observed(body):
            cause = next(iter(problems(body)), None)
            found = {"reason": cause.reason, "message": cause.message} if cause else found
        reason, message = str(found.get("reason", "")), str(found.get("message", ""))
        detail = f"{reason}: {message}" if found else "the status has no such condition."
        text = f"ModelService {self.name}: {self.condition} is not True after {self.timeout:g} s: {detail}"
        return WaitTimeoutError(text, reason=reason, message=message)


def build_request(
    data: object,
    *,
    path: str,
    params: Mapping[str, object] | Sequence[tuple[str, object]] | None,
    headers: Mapping[str, str] | None,
    method: str | None,
) -> Request:
    """Return a request. Bytes and text are sent as they are, anything else as JSON; arrays become lists."""
    body, content_type = _encoded(data)
    merged = {"Accept": "*/*"} | ({"Content-Type": content_type} if body is not None else {})
    for name, value in (headers or {}).items():
        merged = {key: old for key, old in merged.items() if key.lower() != name.lower()} | {name: value}
    target = path if path.startswith("/") else f"/{path}"
    if params:
        target += ("&" if "?" in target else "?") + urlencode(params, doseq=True)
    return Request(method or ("GET" if body is None else "POST"), target, merged, body)


def _encoded(data: object) -> tuple[bytes | None, str]:
    if data is None:
        return None, ""
    if isinstance(data, bytes | bytearray):
        return bytes(data), "application/octet-stream"
    if isinstance(data, str):
        return data.encode(), "text/plain; charset=utf-8"
    return json.dumps(data, default=_as_list, ensure_ascii=False).encode(), "application/json"


def _as_list(value: Any) -> object:
    """Return what JSON has for arrays of numpy and others, dataframes of pandas, and bytes (base64)."""
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    for name, arguments in (("tolist", ()), ("to_dict", ("records",))):
        convert = getattr(value, name, None)
        if callable(convert):
            return convert(*arguments)
    raise TypeError(f"{type(value).__name__} is not JSON: convert it to lists, dicts, numbers or strings.")


def send(
    client: Client, name: str, namespace: str | None, request: Request, *, url: str | bool, timeout: float
) -> Answer:
    """Send a request to a ready pod, or to a URL, and return the answer.

    Raises NotReadyError if no pod is ready, PredictionError if the connection fails.
    """
    model = _connection(client, name, namespace, url=url, timeout=timeout)
    if isinstance(model, UrlCalls):
        request = Request(request.method, model.path + request.target, request.headers, request.body)
    with model:
        try:
            return model.send(request)
        except ApiError:
            raise  # the right to forward a port is missing
        except CliError as error:
            if error.code is ExitCode.UNREACHABLE and isinstance(model, PodCalls):
                raise  # the API server
            raise PredictionError(in_python(str(error))) from error


def _connection(
    client: Client, name: str, namespace: str | None, *, url: str | bool, timeout: float
) -> ModelConnection:
    if isinstance(url, str):
        return UrlCalls(url, timeout=timeout)
    service = read(client, name, namespace)
    if url:
        found = (service.get("status") or {}).get("url")
        if not found:
            reason = condition(service, "Exposed").get("message") or "the operator has not reported one yet."
            raise ModelServiceError(f"ModelService {name} has no URL: {reason}")
        return UrlCalls(str(found), timeout=timeout)
    family = read_family(client, service, with_events=False)
    check_pods_readable(family)
    pod = choose_ready(family.pods, family.current_hash)
    if pod is None:
        cause = next(iter(problems(service)), None)
        reason, message = (cause.reason, cause.message) if cause else ("NoReadyReplica", "No replica is ready.")
        raise NotReadyError(f"ModelService {name} is not ready: {reason}: {message}", reason=reason, message=message)
    port = int(family.spec.get("containerPort") or _DEFAULT_PORT)
    return PodCalls(client, str(pod["metadata"]["name"]), port, namespace=family.namespace, timeout=timeout)


def result_of(answer: Answer, name: str) -> Any:
    """Return the body of an answer: JSON decoded, other text as a string, else bytes. Raises PredictionError."""
    if answer.status >= _FIRST_ERROR:
        shown = answer.body[:_MAX_QUOTED_BYTES].decode(errors="replace").strip()
        text = f"The model {name} answered {answer.status} {answer.reason}" + (f": {shown}" if shown else ".")
        raise PredictionError(text, status=answer.status, body=answer.body)
    kind = next((value for key, value in answer.headers if key.lower() == "content-type"), "").lower()
    is_text = kind.startswith("text/") or not kind
    try:
        return json.loads(answer.body) if answer.body and ("json" in kind or is_text) else _text(answer.body, is_text)
    except ValueError:
        return _text(answer.body, is_text=True)


def _text(body: bytes, is_text: bool) -> str | bytes:  # noqa: FBT001
    if not is_text:
        return body
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body
