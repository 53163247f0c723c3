"""Sentences for requests that fail: no connection, an expired login, no permission, a missing kind or object."""

import json
import re
import socket
import ssl
from typing import Any

from modelservice_cli.cluster.kubeconfig import Endpoint
from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.apimachinery.text import sanitize

_FORBIDDEN = re.compile(
    r'User "[^"]*" cannot \S+ resource "[^"]+" in API group "[^"]*"(?: in the namespace "[^"]+"| at the cluster scope)?'
)
"""Message of the RBAC authorizer (apiserver, endpoints/handlers/responsewriters)."""
_MAX_MESSAGE_CHARS = 2048
_HTTP_UNAUTHORIZED, _HTTP_FORBIDDEN, _HTTP_NOT_FOUND = 401, 403, 404


class ApiError(CliError):
    """The API server rejected a request. `status` is its metav1.Status, `http_code` the code of the response."""

    def __init__(self, message: str, code: ExitCode, *, http_code: int, status: Object) -> None:
        super().__init__(message, code)
        self.http_code = http_code
        self.status = status

    @property
    def is_object_missing(self) -> bool:
        """Return True if the kind is served and the object does not exist."""
        return self.http_code == _HTTP_NOT_FOUND and bool((self.status.get("details") or {}).get("name"))

    @property
    def is_kind_missing(self) -> bool:
        """Return True if the API server does not serve the kind."""
        return self.http_code == _HTTP_NOT_FOUND and not self.is_object_missing


def unreachable_error(error: Exception, endpoint: Endpoint) -> CliError:
    """Return the error for a connection that cannot be opened or has ended."""
    return CliError(f"Cannot reach the API server {endpoint.server}: {_network_reason(error)}", ExitCode.UNREACHABLE)


def _network_reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed ({error.verify_message}): check certificate-authority of the kubeconfig."
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or error
        return f"TLS failed ({reason}): check the address of the server in the kubeconfig."
    if isinstance(error, TimeoutError):
        return "no answer in time: check the network, such as a VPN."
    if isinstance(error, socket.gaierror):
        return "cannot resolve its name: check the network, such as a VPN, and the context of the kubeconfig."
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused: check that the cluster is running, and the context of the kubeconfig."
    text = sanitize(str(getattr(error, "strerror", None) or str(error) or type(error).__name__), _MAX_MESSAGE_CHARS)
    return f"{text.rstrip('.')}: check the network, and the context of the kubeconfig."


def response_error(http_code: int, body: bytes, endpoint: Endpoint, *, path: str) -> ApiError:
    """Return the error for a response with `http_code`, 400 or above, whatever its body is."""
    status = _parse(body)
    message = str(status.get("message") or "")
    if http_code == _HTTP_UNAUTHORIZED:
        text = f"The API server {endpoint.server} does not accept the login ({message or 'expired'}): log in again."
        code = ExitCode.UNREACHABLE
    elif http_code == _HTTP_FORBIDDEN:
        text, code = _forbidden_sentence(message), ExitCode.FORBIDDEN
    elif http_code == _HTTP_NOT_FOUND and not (status.get("details") or {}).get("name"):
        text = f"The API server {endpoint.server} does not serve {_resource_of(path)}{_installation(path)}."
        code = ExitCode.UNREACHABLE
    elif http_code == _HTTP_NOT_FOUND:
        text, code = f"{_capitalized(message)}.", ExitCode.NOT_FOUND
    elif status.get("reason") == "Invalid":
        text, code = _invalid_sentence(status), ExitCode.NEGATIVE
    else:
        text, code = f"The API server answered {http_code}: {message or 'no reason given'}", ExitCode.NEGATIVE
    return ApiError(text, code, http_code=http_code, status=status)


def _resource_of(path: str) -> str:
    """Return `plural.group` of a path, such as /apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL/NAME."""
    group, _, *rest = (
        path.strip("/").partition("/")[2].split("/") if path.startswith("/apis/") else ["", *path.split("/")[2:]]
    )
    plural = rest[2] if rest[:1] == ["namespaces"] and len(rest) > 2 else "".join(rest[:1])  # noqa: PLR2004
    return f"{plural}.{group}" if group else plural


def _installation(path: str) -> str:
    """Return what to do about a kind that is not served."""
    if path.startswith(f"/apis/{MODEL_SERVICE.group}/"):
        return ": install its CustomResourceDefinition with the operator (docs/install.md), or choose another context"
    return ": install its CustomResourceDefinition"


def _forbidden_sentence(message: str) -> str:
    match = _FORBIDDEN.search(message)
    if match is None:
        return _capitalized(message) or "The API server forbids the request."
    return f"{match[0]}: ask an administrator for a role that allows it, or choose another namespace with -n."


def _invalid_sentence(status: Object) -> str:
    """Return the message that kubectl prints for an object that is not valid, on one line."""
    details = status.get("details") or {}
    causes = [f"{cause.get('field', '')}: {cause.get('message', '')}" for cause in details.get("causes") or ()]
    if not causes:
        return str(status.get("message", ""))
    return f'The {details.get("kind")} "{details.get("name")}" is invalid: {"; ".join(dict.fromkeys(causes))}'


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _parse(body: bytes) -> Object:
    """Return a metav1.Status; text that is none, as HTML of a proxy, becomes the message of one."""
    try:
        parsed: Any = json.loads(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict) or parsed.get("kind") != "Status":
        return {"message": sanitize(" ".join(body[:200].decode(errors="replace").split()), _MAX_MESSAGE_CHARS)}
    return parsed | {"message": sanitize(str(parsed.get("message") or ""), _MAX_MESSAGE_CHARS)}
