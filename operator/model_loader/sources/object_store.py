"""S3, Google Cloud Storage and Azure, by obstore: every object below a prefix, or a single object.

Guaranteed: the endpoint of a Secret or the environment is checked before it is used (I2), and http is only used for
allowed ranges. Not guaranteed: the connection uses the checked address, as obstore resolves names itself. Stores do not
redirect to other hosts.
"""

import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import SplitResult, quote, urlsplit

import obstore
from obstore.exceptions import (
    BaseError,
    GenericError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from model_loader import egress
from model_loader.backoff import RetrySchedule
from model_loader.certificates import read_ca_bundle
from model_loader.download import PART_BYTES
from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.http_client import MAX_FILE_WAIT, http_status_error
from model_loader.manifest import Chunk, Entry, Listing
from model_loader.paths import list_parents
from model_loader.redaction import redact_url
from model_loader.request import Request, bad_uri_error, decode_uri_part
from model_loader.sources import AZURE_HOSTS
from model_loader.sources.ranges import changed_file_error, slice_chunks

_CHUNK_BYTES = 64 << 10
"""obstore assembles larger chunks by copying."""
_TIMEOUT = timedelta(seconds=60)
_RETRY = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=30),
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=5), "base": 2},
}
_Result = TypeVar("_Result")
_MODIFIED_PREFIX = "modified "
"""Prefix of the version of an object whose store has no ETags."""
_NO_RANGES_MESSAGE = "non-partial response"
"""Text of obstore's error for a store that ignores ranges."""


class ObjectStoreSource:
    """A prefix of a bucket or container."""

    def __init__(self, request: Request, uri: str | None = None) -> None:
        self._uri = uri or request.uri
        self._request = request
        self._scheme = self._uri.partition(":")[0]
        self._bucket, self._prefix = _parse_bucket_and_prefix(self._uri, is_encoded=uri is None)
        self._version = request.revision if uri is None else None
        self.supports_parallel_reads = True
        with _translate_errors(self._uri):
            self._store = self._open_store()

    def _open_store(self) -> Any:  # noqa: ANN401 - three unrelated classes
        environment = self._request.environment
        options: dict[str, Any] = {"timeout": _TIMEOUT, "connect_timeout": timedelta(seconds=10)}
        match self._scheme:
            case "s3":
                config = build_s3_config(environment)
                kind: Any = S3Store
            case "gs":
                config = build_gcs_config(environment)
                kind = GCSStore
            case _:
                config = build_azure_config(environment, self._uri)
                kind = AzureStore
        endpoint = config.get("endpoint") or config.get("base_url") or _build_account_url(config)
        plain_http = [self._validate_endpoint(one) for one in (endpoint, config.get("endpoint_url_sts")) if one]
        options["allow_http"] = any(plain_http)
        if bundle := read_ca_bundle(environment):
            options["root_certificate"] = bundle
        return kind(self._bucket, config=config, client_options=options, retry_config=_RETRY)

    def _validate_endpoint(self, endpoint: str) -> bool:
        """Return True if the endpoint is plain http. Raises LoaderError if its address or scheme is not allowed."""
        try:
            parts = urlsplit(endpoint)
            port = parts.port
        except ValueError:
            parts, port = SplitResult("", "", "", "", ""), None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise LoaderError(Reason.BAD_URI, f"The store endpoint {redact_url(endpoint)!r} is not an http(s) URL.")
        port = port or (443 if parts.scheme == "https" else 80)
        found = egress.resolve_addresses(parts.hostname, port, allowed=self._request.allowed_networks)
        if parts.scheme == "http" and not egress.is_allowed_for_plain_http(found, self._request.allowed_networks):
            message = (
                f"The store endpoint {redact_url(endpoint)!r} is not https."
                " Plain http is allowed only for ranges of the operator's --allow-cidr."
            )
            raise LoaderError(Reason.BAD_URI, message)
        return parts.scheme == "http"

    def list_files(self) -> Listing:
        """List the object of that name, or every object below the prefix."""
        entries = self._repeat_while_busy(self._uri, lambda: self._list_single_object() or self._list_prefix())
        with _translate_errors(self._uri):
            large = next((entry for entry in entries if (entry.size or 0) > PART_BYTES), None)
            self.supports_parallel_reads = large is not None and self._supports_ranges(large)
        return Listing(entries=entries, resolved_uri=redact_url(self._uri))

    def _repeat_while_busy(self, subject: str, call: Callable[[], _Result], *, max_wait: float = math.inf) -> _Result:
        """Return the result of a call, which is repeated while the store is too busy. Raises LoaderError."""
        retries = RetrySchedule(self._request.deadline, max_wait=max_wait)
        while True:
            try:
                with _translate_errors(subject):
                    return call()
            except LoaderError as error:
                # obstore has repeated it already, but not for long; and it does not report Retry-After.
                delay = retries.next_delay() if error.reason is Reason.STORE_QUOTA_EXCEEDED else None
                if delay is None:
                    raise
            time.sleep(delay)

    def _supports_ranges(self, entry: Entry) -> bool:
        """Return True if the store supports ranges; some S3-compatible stores do not."""
        try:
            obstore.get(self._store, entry.key, options={"range": (0, 1)}).bytes()
        except GenericError as error:
            if _NO_RANGES_MESSAGE in str(error):
                return False
            raise
        return True

    def _list_single_object(self) -> tuple[Entry, ...]:
        if self._prefix.endswith("/"):
            return ()
        options = {"head": True} | ({"version": self._version} if self._version else {})
        try:
            found = obstore.get(self._store, self._prefix, options=options).meta  # type: ignore[arg-type]
        except FileNotFoundError:
            if self._version:
                raise
            return ()
        except (PermissionDeniedError, UnauthenticatedError):
            # The response to this request has no body with the cause; the response to a listing has one.
            if not self._version and (found_below := self._list_prefix()):
                return found_below
            raise
        # An empty object may represent a directory: Azure has one for each, if the account has directories.
        below = () if found["size"] or self._version else self._list_prefix()
        return below or (_build_entry(found, self._prefix.rpartition("/")[2]),)

    def _list_prefix(self) -> tuple[Entry, ...]:
        if self._version:
            raise bad_uri_error(
                self._uri, "model.revision is the version of an object, but this is a prefix: remove it"
            )
        prefix = f"{self._prefix.rstrip('/')}/"
        entries: list[Entry] = []
        for chunk in obstore.list(self._store, prefix, chunk_size=1000):
            for found in chunk:
                path = found["path"].removeprefix(prefix)
                # The object that represents the prefix itself.
                if not path or path == self._prefix.rstrip("/"):
                    continue
                entries.append(_build_entry(found, path))
            if len(entries) > self._request.limits.max_files * 2 + 1000:
                message = f"The store lists more than {self._request.limits.max_files} files at {self._uri}."
                raise LoaderError(Reason.TOO_LARGE, message)
        return tuple(remove_directory_markers(entries))

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        """Yield the bytes of an object. Raises LoaderError if it is not the listed version."""
        options: dict[str, Any] = {"version": self._version} if self._version else {}
        if not entry.version.startswith(_MODIFIED_PREFIX):
            options["if_match"] = entry.version
        reads_whole = stop is None or (not start and stop == entry.size)
        if not reads_whole and self.supports_parallel_reads:
            options["range"] = (start, stop)
        subject = f"{self._scheme}://{self._bucket}/{quote(entry.key)}"
        found = self._repeat_while_busy(
            subject,
            lambda: obstore.get(self._store, entry.key, options=options),  # type: ignore[arg-type]
            max_wait=MAX_FILE_WAIT,
        )
        with _translate_errors(subject):
            stream = found.stream(min_chunk_size=_CHUNK_BYTES)
            yield from stream if reads_whole or self.supports_parallel_reads else slice_chunks(stream, start, stop)

    def close(self) -> None:
        """Do nothing: obstore closes unreferenced connections."""


def remove_directory_markers(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries without empty ones that have others below them: web consoles create such for directories."""
    found = list(entries)
    directories = list_parents(entry.path for entry in found)
    return [entry for entry in found if entry.size or entry.path.rstrip("/") not in directories]


def build_s3_config(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of an S3 client. Without credentials it is anonymous and never uses the node's (IMDS)."""
    given = {
        "access_key_id": "AWS_ACCESS_KEY_ID",
        "secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "session_token": "AWS_SESSION_TOKEN",
        "endpoint": "AWS_ENDPOINT_URL",
        "role_arn": "AWS_ROLE_ARN",
        "role_session_name": "AWS_ROLE_SESSION_NAME",
        "web_identity_token_file": "AWS_WEB_IDENTITY_TOKEN_FILE",
        "container_credentials_full_uri": "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "container_authorization_token_file": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "endpoint_url_sts": "AWS_ENDPOINT_URL_STS",
    }
    config: dict[str, Any] = _select_variables(environment, given)
    if endpoint := environment.get("AWS_ENDPOINT_URL_S3"):
        config["endpoint"] = endpoint.strip()
    config["region"] = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    identities = ("access_key_id", "web_identity_token_file", "container_credentials_full_uri")
    if not any(name in config for name in identities):
        config["skip_signature"] = True
    if environment.get("AWS_S3_ADDRESSING_STYLE") == "virtual":
        config["virtual_hosted_style_request"] = True
    return config


def build_gcs_config(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of a GCS client: key of a service account, the pod's ServiceAccount, or anonymous."""
    key = next(
        (
            text
            for name in ("GOOGLE_SERVICE_ACCOUNT_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CREDENTIALS")
            if (text := environment.get(name, "").strip())
        ),
        "",
    )
    config: dict[str, Any] = _select_variables(environment, {"base_url": "GOOGLE_BASE_URL"})
    if emulator := environment.get("STORAGE_EMULATOR_HOST", "").strip():
        config["base_url"] = emulator if "://" in emulator else f"http://{emulator}"
    if key.startswith("{"):
        config["service_account_key"] = key
        base = _read_json_field(key, "gcs_base_url")
        config |= {"base_url": base} if base else {}
    elif key:
        config["service_account"] = key
    elif environment.get("MODEL_IDENTITY") != "ServiceAccount":
        config["skip_signature"] = True
    return config


def build_azure_config(environment: Mapping[str, str], uri: str) -> dict[str, Any]:
    """Return the settings of an Azure client.

    Its identity is a key, a shared access signature, an application or a federated token; otherwise it is anonymous.
    """
    given = {
        "account_name": "AZURE_STORAGE_ACCOUNT_NAME",
        "account_key": "AZURE_STORAGE_ACCOUNT_KEY",
        "sas_key": "AZURE_STORAGE_SAS_TOKEN",
        "endpoint": "AZURE_STORAGE_ENDPOINT",
        "client_id": "AZURE_CLIENT_ID",
        "client_secret": "AZURE_CLIENT_SECRET",
        "tenant_id": "AZURE_TENANT_ID",
        "federated_token_file": "AZURE_FEDERATED_TOKEN_FILE",
        "authority_host": "AZURE_AUTHORITY_HOST",
    }
    short = {"account_name": "AZURE_STORAGE_ACCOUNT", "account_key": "AZURE_STORAGE_KEY"}
    config: dict[str, Any] = _select_variables(environment, short) | _select_variables(environment, given)
    if account := _parse_azure_account(uri):
        config["account_name"] = account
    if "account_name" not in config:
        raise bad_uri_error(uri, "the storage account is unknown: set AZURE_STORAGE_ACCOUNT_NAME in the Secret")
    if not any(name in config for name in ("account_key", "sas_key", "client_secret", "federated_token_file")):
        config["skip_signature"] = True
    return config


def _select_variables(environment: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are set. A newline at the end, as files have, would make a header invalid."""
    return {option: text for option, variable in names.items() if (text := environment.get(variable, "").strip())}


def _build_account_url(config: Mapping[str, Any]) -> str | None:
    account = config.get("account_name")
    return f"https://{account}.blob.core.windows.net" if account and "." not in str(account) else None


def _parse_azure_account(uri: str) -> str | None:
    host = urlsplit(uri).netloc.rpartition("@")[2]
    return host.partition(".")[0] if host.endswith(AZURE_HOSTS) else None


def _parse_bucket_and_prefix(uri: str, *, is_encoded: bool = True) -> tuple[str, str]:
    """Return the bucket and the path; model.uri is percent-encoded, the URI of a tracking server is not."""
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise bad_uri_error(uri, f"its host is not valid: {error}") from None
    if parts.query or parts.fragment:
        raise bad_uri_error(uri, "a query or fragment is not supported: remove it")
    # abfs://container@account.dfs.core.windows.net/path has the container as the user.
    bucket = parts.netloc.partition("@")[0]
    prefix = parts.path.removeprefix("/")
    if is_encoded:
        prefix = decode_uri_part(prefix, uri)
    if parts.scheme == "https":
        # https://account.blob.core.windows.net/container/path
        bucket, _, prefix = prefix.partition("/")
    if not bucket or "." in prefix.split("/") or "//" in prefix:
        raise bad_uri_error(uri, f"write it as {parts.scheme}://BUCKET/PATH")
    if not prefix:
        raise bad_uri_error(uri, "it names an entire bucket: add the path of a directory or an object")
    return bucket, prefix


def _build_entry(found: Mapping[str, Any], path: str) -> Entry:
    version = found["e_tag"] or found["version"] or f"{_MODIFIED_PREFIX}{found['last_modified'].isoformat()}"
    return Entry(path=path, key=found["path"], size=found["size"], version=version)


def _read_json_field(text: str, name: str) -> str | None:
    try:
        value = json.loads(text).get(name)
    except (ValueError, AttributeError, RecursionError):
        message = "The key of the Google service account is not valid JSON. Put the entire key file into the Secret."
        raise LoaderError(Reason.INVALID_CREDENTIALS, message) from None
    return str(value) if value else None


_CODES = {
    Reason.INVALID_CREDENTIALS: "InvalidAccessKeyId SignatureDoesNotMatch InvalidToken InvalidSecurity ExpiredToken"
    " ExpiredTokenException TokenRefreshRequired RequestExpired RequestTimeTooSkewed AuthenticationFailed"
    " InvalidAuthenticationInfo invalid_grant invalid_client unauthorized_client InvalidIdentityToken"
    " InvalidClientTokenId",
    Reason.ACCESS_DENIED: "AccessDenied AllAccessDisabled AuthorizationFailure AuthorizationPermissionMismatch"
    " AuthorizationProtocolMismatch AuthorizationResourceTypeMismatch AuthorizationServiceMismatch"
    " AuthorizationSourceIPMismatch InsufficientAccountPermissions AccountIsDisabled PublicAccessNotPermitted"
    " NoAuthenticationInformation Forbidden forbidden",
    Reason.MODEL_NOT_FOUND: "NoSuchBucket NoSuchKey NoSuchVersion ContainerNotFound BlobNotFound ResourceNotFound"
    " NotFound notFound",
    Reason.STORE_QUOTA_EXCEEDED: "SlowDown TooManyRequests RequestLimitExceeded Throttling ThrottlingException"
    " ServerBusy rateLimitExceeded userRateLimitExceeded",
    Reason.BAD_URI: "InvalidBucketName InvalidResourceName",
}
_REASON_BY_ERROR_CODE = {code: reason for reason, codes in _CODES.items() for code in codes.split()}
"""Error codes of the stores and their token services."""
_DEBUG_HEADING = "\n\nDebug source:\n"
"""Precedes the fields of obstore's error. In them texts are quoted on one line, so that a server cannot forge one."""
_STATUS = re.compile(
    r'^ *inner: Status \{\n *status: (?P<status>[0-9]{3}),\n *body: (?:None|Some\(\n *"(?P<body>(?:[^"\\\n]|\\.)*)")',
    re.MULTILINE,
)
_XML_CODE = re.compile(r"<Code>\s*(\w{1,100})\s*</Code>")
_INVALID_KEY = re.compile(
    r"^ *source: (?:InvalidAccessKey|ReadPem|InvalidKey|DecodeSasKey|MissingSasComponent)\b", re.MULTILINE
)
"""Errors of obstore for a key that it cannot use."""
_SYSTEM_MESSAGE = re.compile(r'^ *message: "([^"\\\n]{1,200})",$', re.MULTILINE)
"""Text of the operating system, such as Connection refused."""


_REASON_BY_EXCEPTION: tuple[tuple[type[Exception], Reason], ...] = (
    (FileNotFoundError, Reason.MODEL_NOT_FOUND),
    (UnauthenticatedError, Reason.INVALID_CREDENTIALS),
    (PermissionDeniedError, Reason.ACCESS_DENIED),
    (InvalidPathError, Reason.UNSUPPORTED_KEY),
    (GenericError, Reason.UNREACHABLE),
    (BaseError, Reason.LOADER_FAILED),
    (ValueError, Reason.LOADER_FAILED),
)
"""Exceptions of obstore, for errors without a known code of the store."""


@contextmanager
def _translate_errors(subject: str) -> Iterator[None]:
    """Convert exceptions of obstore to LoaderError, including its panics, which are not of type Exception."""
    try:
        yield
    except (LoaderError, GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except PreconditionError:
        raise changed_file_error(subject) from None
    except tuple(kind for kind, _ in _REASON_BY_EXCEPTION) as error:
        raise store_error(subject, error) from None
    except Exception:
        raise
    except BaseException as error:
        # pyo3's PanicException: a token file that ends in a newline is sufficient to cause one.
        message = f"{subject}: the store client failed. Check for line breaks at the end of keys and tokens."
        raise LoaderError(Reason.INVALID_CREDENTIALS, message) from error


_EXPLANATIONS = {
    Reason.MODEL_NOT_FOUND: "does not exist. Check model.uri",
    Reason.ACCESS_DENIED: "cannot be read with these credentials. Grant them permission to read and list it, or use"
    " others in model.credentials",
    Reason.INVALID_CREDENTIALS: "was requested with credentials that the store rejects or that have expired."
    " Check the Secret of model.credentials",
    Reason.STORE_QUOTA_EXCEEDED: "cannot be read now: the store is rate limiting requests. The pod retries"
    " automatically",
    Reason.BAD_URI: "has a name that the store does not allow. Check model.uri",
    Reason.UNSUPPORTED_KEY: "has a name that is not supported",
}


def store_error(subject: str, error: Exception) -> LoaderError:
    """Return the error for an exception of obstore: by the status and the code of the response, never by other text."""
    reason = next(reason for kind, reason in _REASON_BY_EXCEPTION if isinstance(error, kind))
    summary, _, fields = str(error).rpartition(_DEBUG_HEADING)
    found = _STATUS.search(fields)
    if found is not None:
        code = _parse_error_code(found["body"] or "")
        status = int(found["status"])
        reason = _REASON_BY_ERROR_CODE.get(code) or http_status_error(status, subject).reason
        cause = f"the store responded with HTTP {status}" + (f" ({code})" if code else "")
    elif _INVALID_KEY.search(fields):
        reason, cause = Reason.INVALID_CREDENTIALS, "the key cannot be used"
    else:
        system = _SYSTEM_MESSAGE.search(fields)
        cause = system[1].lower() if system else _describe_failure(summary)
    if reason is Reason.UNREACHABLE:
        return TransferError(f"{redact_url(subject)} cannot be read: {cause}.")
    advice = _EXPLANATIONS.get(reason, f"cannot be read ({cause})")
    return LoaderError(reason, f"{redact_url(subject)} {advice}.")


def _parse_error_code(body: str) -> str:
    """Return the code of an error in XML (S3, GCS, Azure) or JSON (token services); `body` is quoted as by Rust."""
    if xml := _XML_CODE.search(body):
        return xml[1]
    try:
        error = json.loads(re.sub(r"\\(.)", _unescape, body)).get("error")
    except (ValueError, AttributeError, RecursionError):
        return ""
    if isinstance(error, dict):
        errors = error.get("errors")
        first = errors[0] if isinstance(errors, list) and errors else None
        error = first.get("reason") if isinstance(first, dict) else None
    return error if isinstance(error, str) and re.fullmatch(r"\w{1,100}", error) else ""


def _unescape(found: re.Match[str]) -> str:
    return {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}.get(found[1], found[1])


def _describe_failure(summary: str) -> str:
    """Return the kind of failure of a request that got no response. The text before it quotes the request."""
    lines = summary.splitlines()
    return lines[0].rpartition(" - ")[2][:200] if lines and " - " in lines[0] else "the response is not that of a store"
