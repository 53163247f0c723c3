"""S3, Google Cloud Storage and Azure, by obstore: every object below a prefix, or one object.

Guaranteed: the endpoint that a Secret or the environment names is looked at before it is used (I2), and http is for
admitted ranges alone. Not guaranteed: the connection is not pinned to the address that was looked at, as obstore
resolves names by itself; stores do not redirect elsewhere.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

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
from model_loader.certificates import read_ca_bundle
from model_loader.download import PART_BYTES
from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.manifest import Chunk, Entry, Listing
from model_loader.redaction import redact_url
from model_loader.request import Request, bad_uri_error
from model_loader.sources import AZURE_HOSTS
from model_loader.sources.ranges import changed_file_error, slice_chunks

_CHUNK_BYTES = 64 << 10
"""Bytes: larger chunks are put together by copying."""
_TIMEOUT = timedelta(seconds=60)
_RETRY = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=30),
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=5), "base": 2},
}
_MODIFIED_PREFIX = "modified "
"""Begins the version of an object whose store has no ETags."""
_NO_RANGES_MESSAGE = "non-partial response"
"""How obstore says that a store ignores ranges."""


class ObjectStoreSource:
    """A prefix of a bucket or container."""

    def __init__(self, request: Request, uri: str | None = None) -> None:
        self._uri = uri or request.uri
        self._request = request
        self._scheme = self._uri.partition(":")[0]
        self._bucket, self._prefix = _parse_bucket_and_prefix(self._uri)
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
        """Whether plain http may be used; LoaderError for an address that must not be connected to."""
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise LoaderError(Reason.BAD_URI, f"The endpoint {redact_url(endpoint)!r} of the store is no http(s) URL.")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = egress.resolve_addresses(parts.hostname, port, allowed=self._request.allowed_networks)
        if parts.scheme == "http" and not egress.is_allowed_for_plain_http(found, self._request.allowed_networks):
            message = (
                f"The endpoint {redact_url(endpoint)!r} of the store is not https."
                " Plain http is for ranges that the operator's --allow-cidr admits."
            )
            raise LoaderError(Reason.BAD_URI, message)
        return parts.scheme == "http"

    def list_files(self) -> Listing:
        """Every object below the prefix; or the one object of that name."""
        with _translate_errors(self._uri):
            entries = self._list_single_object() or self._list_prefix()
            large = next((entry for entry in entries if (entry.size or 0) > PART_BYTES), None)
            self.supports_parallel_reads = large is not None and self._supports_ranges(large)
        return Listing(entries=entries, resolved_uri=redact_url(self._uri))

    def _supports_ranges(self, entry: Entry) -> bool:
        """Whether the store answers with a part when it is asked for one; some that call themselves S3 do not."""
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
            # The answer to this request has no body that would say why; the answer to a listing has.
            if not self._version and (found_below := self._list_prefix()):
                return found_below
            raise
        return (_build_entry(found, self._prefix.rpartition("/")[2]),)

    def _list_prefix(self) -> tuple[Entry, ...]:
        if self._version:
            raise bad_uri_error(
                self._uri, "model.revision is the version of one object, and this is a prefix: remove it"
            )
        prefix = f"{self._prefix.rstrip('/')}/"
        entries: list[Entry] = []
        for chunk in obstore.list(self._store, prefix, chunk_size=1000):
            for found in chunk:
                path = found["path"].removeprefix(prefix)
                # Consoles make an empty object of the prefix's own name, and of each folder's, to show folders.
                if not path or path == self._prefix.rstrip("/") or (path.endswith("/") and not found["size"]):
                    continue
                entries.append(_build_entry(found, path))
            if len(entries) > self._request.limits.max_files * 2 + 1000:
                message = f"The store lists more than {self._request.limits.max_files} files at {self._uri}."
                raise LoaderError(Reason.TOO_LARGE, message)
        return tuple(entries)

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        """Buffers of an object that is still the one that was listed."""
        options: dict[str, Any] = {"version": self._version} if self._version else {}
        if not entry.version.startswith(_MODIFIED_PREFIX):
            options["if_match"] = entry.version
        reads_whole = stop is None or (not start and stop == entry.size)
        if not reads_whole and self.supports_parallel_reads:
            options["range"] = (start, stop)
        with _translate_errors(f"{self._scheme}://{self._bucket}/{entry.key}"):
            stream = obstore.get(self._store, entry.key, options=options).stream(min_chunk_size=_CHUNK_BYTES)  # type: ignore[arg-type]
            yield from stream if reads_whole or self.supports_parallel_reads else slice_chunks(stream, start, stop)

    def close(self) -> None:
        """Nothing: obstore closes what nobody refers to."""


def build_s3_config(environment: Mapping[str, str]) -> dict[str, Any]:
    """Settings of an S3 client. Without any credentials it asks as nobody, and never as the node (IMDS)."""
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
    """Settings of a GCS client: a service account's key, or the pod's ServiceAccount, or nobody."""
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
    """Settings of an Azure client: a key, a shared access signature, an application, a federated token, or nobody."""
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
        raise bad_uri_error(uri, "the storage account is not known: set AZURE_STORAGE_ACCOUNT_NAME in the Secret")
    if not any(name in config for name in ("account_key", "sas_key", "client_secret", "federated_token_file")):
        config["skip_signature"] = True
    return config


def _select_variables(environment: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Those that are set. A newline at the end is what a file leaves behind; it would make a header invalid."""
    return {option: text for option, variable in names.items() if (text := environment.get(variable, "").strip())}


def _build_account_url(config: Mapping[str, Any]) -> str | None:
    account = config.get("account_name")
    return f"https://{account}.blob.core.windows.net" if account and "." not in str(account) else None


def _parse_azure_account(uri: str) -> str | None:
    host = urlsplit(uri).netloc.rpartition("@")[2]
    return host.partition(".")[0] if host.endswith(AZURE_HOSTS) else None


def _parse_bucket_and_prefix(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    if parts.query or parts.fragment:
        raise bad_uri_error(uri, "a query or fragment has no meaning here: remove it")
    # abfs://container@account.dfs.core.windows.net/path names the container as a user.
    bucket = parts.netloc.partition("@")[0]
    prefix = parts.path.removeprefix("/")
    if parts.scheme == "https":
        # https://account.blob.core.windows.net/container/path
        bucket, _, prefix = prefix.partition("/")
    if not bucket or "." in prefix.split("/") or "//" in prefix:
        raise bad_uri_error(uri, f"write it as {parts.scheme}://BUCKET/PATH")
    if not prefix:
        raise bad_uri_error(uri, "it names a whole bucket: name a folder or an object in it")
    return bucket, prefix


def _build_entry(found: Mapping[str, Any], path: str) -> Entry:
    version = found["e_tag"] or found["version"] or f"{_MODIFIED_PREFIX}{found['last_modified'].isoformat()}"
    return Entry(path=path, key=found["path"], size=found["size"], version=version)


def _read_json_field(text: str, name: str) -> str | None:
    try:
        value = json.loads(text).get(name)
    except (ValueError, AttributeError, RecursionError):
        message = "The key of the Google service account is no JSON: put the whole key file into the Secret."
        raise LoaderError(Reason.INVALID_CREDENTIALS, message) from None
    return str(value) if value else None


_REASON_BY_ERROR_CODE = (
    (("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidSecurity"), Reason.INVALID_CREDENTIALS),
    (("ExpiredToken", "TokenRefreshRequired", "RequestExpired", "AuthenticationFailed"), Reason.INVALID_CREDENTIALS),
    (("invalid_grant", "invalid_client", "InvalidIdentityToken", "InvalidClientTokenId"), Reason.INVALID_CREDENTIALS),
    (("AccessDenied", "Forbidden", "AuthorizationFailure", "AuthorizationPermission"), Reason.ACCESS_DENIED),
    (("NoSuchBucket", "ContainerNotFound", "NoSuchKey", "BlobNotFound", "NotFound"), Reason.MODEL_NOT_FOUND),
    (("SlowDown", "TooManyRequests", "429", "ServerBusy", "rateLimitExceeded"), Reason.STORE_QUOTA_EXCEEDED),
    (("InvalidBucketName", "InvalidResourceName"), Reason.BAD_URI),
)
"""Words of the stores' own error codes, the more telling first."""


_REASON_BY_EXCEPTION: tuple[tuple[type[Exception], Reason], ...] = (
    (FileNotFoundError, Reason.MODEL_NOT_FOUND),
    (UnauthenticatedError, Reason.INVALID_CREDENTIALS),
    (PermissionDeniedError, Reason.ACCESS_DENIED),
    (InvalidPathError, Reason.UNSUPPORTED_KEY),
    (GenericError, Reason.UNREACHABLE),
    (BaseError, Reason.LOADER_FAILED),
    (ValueError, Reason.LOADER_FAILED),
)
"""What obstore raises, and what it means where the store says nothing more telling."""


@contextmanager
def _translate_errors(subject: str) -> Iterator[None]:
    """Turn what obstore raises into our own errors; a panic of it is no Exception."""
    try:
        yield
    except (LoaderError, GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except PreconditionError:
        raise changed_file_error(subject) from None
    except tuple(kind for kind, _ in _REASON_BY_EXCEPTION) as error:
        raise _store_error(subject, error) from None
    except Exception:
        raise
    except BaseException as error:
        # pyo3's PanicException: a token file that ends in a newline is enough for one.
        message = f"{subject}: the client of the store failed. Look for line breaks at the end of keys and tokens."
        raise LoaderError(Reason.INVALID_CREDENTIALS, message) from error


def _classify(error: Exception, otherwise: Reason) -> Reason:
    text = str(error)
    return next((reason for codes, reason in _REASON_BY_ERROR_CODE if any(code in text for code in codes)), otherwise)


_EXPLANATIONS = {
    Reason.MODEL_NOT_FOUND: "does not exist. Check model.uri",
    Reason.ACCESS_DENIED: "may not be read with these credentials. Allow them to read and list it, or name others in"
    " model.credentials",
    Reason.INVALID_CREDENTIALS: "was asked for with credentials that the store does not accept, or that have expired."
    " Check the Secret of model.credentials",
    Reason.STORE_QUOTA_EXCEEDED: "cannot be read now: the store limits requests. The pod tries again by itself",
    Reason.BAD_URI: "has a name that the store does not allow. Check model.uri",
    Reason.UNSUPPORTED_KEY: "has a name that cannot be used",
}


def _store_error(subject: str, error: Exception) -> LoaderError:
    reason = _classify(error, next(reason for kind, reason in _REASON_BY_EXCEPTION if isinstance(error, kind)))
    if reason is Reason.UNREACHABLE:
        return TransferError(f"{redact_url(subject)} cannot be read: {_innermost_cause(error)}.")
    advice = _EXPLANATIONS.get(reason, f"cannot be read ({_innermost_cause(error)})")
    return LoaderError(reason, f"{redact_url(subject)} {advice}.")


def _innermost_cause(error: Exception) -> str:
    """The last cause that an error names: what comes before it wraps it, and may quote requests."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text.rpartition("source: ")[2][:200] if "source: " in text else text[:200]
