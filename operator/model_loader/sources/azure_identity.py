"""Identities for Azure Storage: an account key, a shared access signature, or an application (Microsoft Entra ID).

The identity of the node is never used: its metadata service has no address here.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote

from model_loader.errors import LoaderError, Reason
from model_loader.http_client import HttpClient
from model_loader.sources.identities import (
    Identity,
    RenewableToken,
    choose_identity,
    invalid_identity,
    parse_expiry,
    read_token_file,
    read_variable,
)
from model_loader.sources.shared_key import decode_account_key
from model_loader.sources.store import parse_endpoint
from model_loader.sources.store_errors import StoreAnswer
from model_loader.text import as_object, decode_json, text_field

ALIASES = {"AZURE_STORAGE_KEY": "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCOUNT": "AZURE_STORAGE_ACCOUNT_NAME"}
"""Other names of variables."""
_APPLICATION = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID")
IDENTITIES = (
    Identity("account key", ("AZURE_STORAGE_ACCOUNT_KEY",)),
    Identity("signature", ("AZURE_STORAGE_SAS_TOKEN",)),
    Identity("client secret", ("AZURE_CLIENT_SECRET",), shared=_APPLICATION),
    Identity("federated token", ("AZURE_FEDERATED_TOKEN_FILE",), shared=_APPLICATION),
)
_AUTHORITY = "https://login.microsoftonline.com"
_SCOPE = "https://storage.azure.com/.default"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_SIGNATURE_FIELD = re.compile(r"[a-z]{2,6}")
_REQUEST_FIELDS = frozenset({"comp", "restype", "prefix", "marker", "include", "timeout"})
_MAX_LIFETIME = 86_400
_OK = 200


@dataclass(frozen=True, slots=True)
class AzureIdentity:
    """Exactly one of the fields is set; none for anonymous requests."""

    account_key: bytes | None = field(default=None, repr=False)
    signature: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Parameters of a shared access signature."""
    token: RenewableToken[str] | None = None


def open_identity(
    environment: Mapping[str, str], http: HttpClient, hide: Callable[[str], None] = lambda _: None
) -> AzureIdentity:
    """Return the identity that the environment contains. Raises LoaderError for one that is incomplete or ambiguous."""
    environment = resolve_aliases(environment)
    key, signature = (
        read_variable(environment, name) for name in ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN")
    )
    if key and signature:
        raise invalid_identity("AZURE_STORAGE_ACCOUNT_KEY and AZURE_STORAGE_SAS_TOKEN exclude each other")
    match choose_identity(environment, IDENTITIES):
        case "account key":
            return AzureIdentity(account_key=decode_account_key(key))
        case "signature":
            return AzureIdentity(signature=parse_signature(signature))
        case "client secret" | "federated token" as kind:
            _read_tenant(environment)
            return AzureIdentity(token=RenewableToken(lambda: _request_token(http, environment, kind, hide)))
        case _:
            return AzureIdentity()


def resolve_aliases(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the main name of each variable."""
    aliases = {name: environment[alias] for alias, name in ALIASES.items() if environment.get(alias)}
    return aliases | {name: text for name, text in environment.items() if name not in aliases or text.strip()}


def parse_signature(text: str) -> tuple[tuple[str, str], ...]:
    """Return the parameters of a shared access signature, decoded. Raises LoaderError if it cannot be one."""
    pairs = [one.partition("=") for one in text.removeprefix("?").split("&") if one]
    fields = {name: unquote(value) for name, _, value in pairs}
    problem = ""
    if not all(_SIGNATURE_FIELD.fullmatch(name) and name not in _REQUEST_FIELDS for name in fields):
        problem = "has a field that no signature has"
    elif len(fields) != len(pairs):
        problem = "has a field twice"
    elif missing := [name for name in ("sv", "sig") if not fields.get(name)]:
        problem = f"has no {' and no '.join(missing)}"
    elif not fields.get("se") and not fields.get("si"):
        problem = "has neither an end (se) nor a policy (si)"
    if problem:
        message = f"AZURE_STORAGE_SAS_TOKEN {problem}: it must be the query of the address that Azure shows."
        raise LoaderError(Reason.INVALID_CREDENTIALS, message)
    return tuple(fields.items())


def expired_signature_error(signature: tuple[tuple[str, str], ...]) -> LoaderError | None:
    """Return the error for a signature whose time is over, or None."""
    end = dict(signature).get("se", "")
    try:
        expires = parse_expiry(end if "T" in end else f"{end}T00:00:00Z")
    except ValueError:
        return None
    if expires > time.time():
        return None
    moment = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    message = (
        f"The shared access signature expired at {moment}. Put a new one into AZURE_STORAGE_SAS_TOKEN of the Secret"
    )
    return LoaderError(Reason.INVALID_CREDENTIALS, f"{message} of model.credentials.")


def _read_tenant(environment: Mapping[str, str]) -> str:
    tenant = read_variable(environment, "AZURE_TENANT_ID")
    if not _TENANT.fullmatch(tenant):
        raise LoaderError(Reason.INVALID_CREDENTIALS, "AZURE_TENANT_ID is neither the ID nor the domain of a tenant.")
    return tenant


def _request_token(
    http: HttpClient, environment: Mapping[str, str], kind: str, hide: Callable[[str], None]
) -> tuple[str, float]:
    """Request a token for an application.

    https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
    """
    authority = read_variable(environment, "AZURE_AUTHORITY_HOST") or _AUTHORITY
    scheme, host, path = parse_endpoint(
        authority if "://" in authority else f"https://{authority}", "AZURE_AUTHORITY_HOST"
    )
    client = read_variable(environment, "AZURE_CLIENT_ID")
    form = {"grant_type": "client_credentials", "client_id": client, "scope": _SCOPE}
    if kind == "client secret":
        form["client_secret"] = read_variable(environment, "AZURE_CLIENT_SECRET")
    else:
        name = "AZURE_FEDERATED_TOKEN_FILE"
        form["client_assertion_type"] = _ASSERTION_TYPE
        form["client_assertion"] = read_token_file(name, read_variable(environment, name))
        hide(form["client_assertion"])
    with http.post_form(f"{scheme}://{host}{path}/{_read_tenant(environment)}/oauth2/v2.0/token", form) as response:
        if response.status != _OK:
            raise _application_error(StoreAnswer.read(response), client)
        token, expires = parse_token(response.read())
    hide(token)
    return token, expires


def _application_error(answer: StoreAnswer, client: str) -> LoaderError:
    error = answer.to_error(f"The application {client}")
    if answer.is_redirect or error.reason in {Reason.UNREACHABLE, Reason.STORE_QUOTA_EXCEEDED}:
        return error
    message = (
        f"The application {client!r} did not get a token (HTTP {answer.status} {answer.code}). Check AZURE_CLIENT_ID,"
    )
    return LoaderError(Reason.INVALID_CREDENTIALS, f"{message} AZURE_TENANT_ID and its secret or federated credential.")


def parse_token(body: bytes) -> tuple[str, float]:
    """Parse the answer of the token service. Raises LoaderError."""
    try:
        answer = as_object(decode_json(body))
        seconds = answer.get("expires_in")
        lifetime = int(seconds) if isinstance(seconds, int | str) else 0
        return text_field(answer, "access_token"), time.time() + min(max(lifetime, 0), _MAX_LIFETIME)
    except (ValueError, RecursionError):
        raise LoaderError(Reason.UNREACHABLE, "The token service of Azure does not answer as it should.") from None
