"""Identities for Google Cloud Storage: the key of a service account, or Workload Identity on GKE.

A key signs the tokens itself, so that no request to a token service is needed (https://google.aip.dev/auth/4111). The
credentials of the node are never used.
"""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from model_loader.errors import LoaderError, Reason
from model_loader.request import Request
from model_loader.sources.identities import FixedToken, RenewableToken, Token, read_variable
from model_loader.sources.identity_agents import has_declared_identity, open_agent_client
from model_loader.sources.store_errors import StoreAnswer
from model_loader.text import as_object, decode_json, text_field

KEY_VARIABLES = ("GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CREDENTIALS")
METADATA_ADDRESS = "169.254.169.254"
"""The metadata server of GKE, which is only used with Workload Identity (metadata.google.internal).

https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity
"""
_METADATA_URL = "http://{}/computeMetadata/v1/instance/service-accounts/default/{}"
_NODE_ACCOUNT_SUFFIX = "-compute@developer.gserviceaccount.com"
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
_LIFETIME = 3600
"""Seconds; the longest that Google allows."""
_CLOCK_SKEW = 60
_MAX_KEY_BYTES = 64 << 10
_OK = 200
_GOOGLE_UNIVERSE = "googleapis.com"


def open_token(request: Request) -> Token[str]:
    """Return the bearer token of the identity that the environment contains; empty for anonymous requests.

    Raises LoaderError for a key that cannot be used.
    """
    for name in KEY_VARIABLES:
        if value := read_variable(request.environment, name):
            key = ServiceAccountKey(_parse_key(name, value), name)
            return RenewableToken(partial(_issue_token, request, key))
    if has_declared_identity(request.environment):
        return RenewableToken(lambda: _hide(request, _ask_metadata_server(request)))
    return FixedToken("")


def _issue_token(request: Request, key: "ServiceAccountKey") -> tuple[str, float]:
    return _hide(request, key.issue_token())


def _hide(request: Request, issued: tuple[str, float]) -> tuple[str, float]:
    """Remove an issued token from all output."""
    request.hide(issued[0])
    return issued


def _parse_key(variable: str, value: str) -> Mapping[str, Any]:
    """Return the fields of a key, which is given as JSON, or as the name of a file with it."""
    if not value.startswith("{"):
        value = _read_key_file(variable, value)
    try:
        return as_object(decode_json(value.encode()))
    except (ValueError, RecursionError):
        message = "The key of the Google service account is not valid JSON. Put the entire key file into the Secret."
        raise LoaderError(Reason.INVALID_CREDENTIALS, message) from None


def _read_key_file(variable: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(_MAX_KEY_BYTES).decode()
    except (OSError, ValueError):
        message = f"{variable} is neither the JSON of a key nor the name of a file that can be read."
        raise LoaderError(Reason.INVALID_CREDENTIALS, f"{message} Put the entire key file into the Secret.") from None


class ServiceAccountKey:
    """The private key of a service account."""

    def __init__(self, fields: Mapping[str, Any], variable: str) -> None:
        """Read the fields of a key file. Raises LoaderError naming the field that is missing or not supported."""
        kind = fields.get("type", "service_account")
        if kind != "service_account":
            message = f"{variable} has the type {str(kind)[:50]!r}. Only the key of a service account is supported; for"
            message += " Workload Identity on GKE, set serviceAccountName instead of credentials."
            raise LoaderError(Reason.INVALID_CREDENTIALS, message)
        if fields.get("universe_domain", _GOOGLE_UNIVERSE) != _GOOGLE_UNIVERSE:
            raise LoaderError(Reason.INVALID_CREDENTIALS, f"{variable} is a key of another cloud than Google's.")
        missing = [
            name for name in ("client_email", "private_key_id", "private_key") if not isinstance(fields.get(name), str)
        ]
        if missing:
            message = f"{variable} is a key without {' and '.join(missing)}. Put the entire key file into the Secret."
            raise LoaderError(Reason.INVALID_CREDENTIALS, message)
        self._email = str(fields["client_email"])
        self._key_id = str(fields["private_key_id"])
        self._key = _load_private_key(str(fields["private_key"]), variable)

    def issue_token(self) -> tuple[str, float]:
        """Return a token, and the time of the wall clock at which it ends."""
        issued = int(time.time()) - _CLOCK_SKEW
        header = {"alg": "RS256", "typ": "JWT", "kid": self._key_id}
        claims = {"iss": self._email, "sub": self._email, "scope": _SCOPE, "iat": issued, "exp": issued + _LIFETIME}
        text = f"{_encode_json(header)}.{_encode_json(claims)}"
        return f"{text}.{_encode(self._sign(text.encode()))}", issued + _LIFETIME

    def _sign(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        signature: bytes = self._key.sign(data, PKCS1v15(), SHA256())
        return signature


def _load_private_key(pem: str, variable: str) -> Any:  # noqa: ANN401 - a type of cryptography, imported when used
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode("utf-8", "surrogatepass"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        message = f"The private_key of {variable} is not an RSA key in PEM. Put the entire key file into the Secret."
        raise LoaderError(Reason.INVALID_CREDENTIALS, message)
    return key


def _encode_json(value: Mapping[str, Any]) -> str:
    return _encode(json.dumps(value, separators=(",", ":")).encode())


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _ask_metadata_server(request: Request) -> tuple[str, float]:
    """Return the token of the service account of the pod. Raises LoaderError for that of the node."""
    email = _read_metadata(request, "email").decode("ascii", "replace").strip()
    if email.endswith(_NODE_ACCOUNT_SUFFIX):
        message = (
            "The metadata server offers the account of the node: Workload Identity is not enabled on its node pool."
        )
        raise LoaderError(Reason.INVALID_CREDENTIALS, f"{message} Enable it, or use a key in model.credentials.")
    return parse_metadata_token(_read_metadata(request, "token"))


def _read_metadata(request: Request, name: str) -> bytes:
    url = _METADATA_URL.format(METADATA_ADDRESS, name)
    with (
        open_agent_client(request, METADATA_ADDRESS) as http,
        http.get(url, {"metadata-flavor": "Google"}, follow_redirects=False) as response,
    ):
        if response.status != _OK:
            raise StoreAnswer.read(response).to_error("The identity of the service account")
        return response.read()


def parse_metadata_token(body: bytes) -> tuple[str, float]:
    """Parse the answer of the metadata server. Raises LoaderError."""
    try:
        answer = as_object(decode_json(body))
        seconds = answer.get("expires_in")
        if type(seconds) is not int:
            raise ValueError(seconds)  # noqa: TRY301 - the one error of this function
        return text_field(answer, "access_token"), time.time() + seconds
    except (ValueError, RecursionError, OverflowError):
        raise LoaderError(Reason.UNREACHABLE, "The metadata server does not answer as it should.") from None
