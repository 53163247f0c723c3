"""Google Cloud Storage, by its JSON API: its listings have checksums and generations.

https://cloud.google.com/storage/docs/json_api/v1
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

from model_loader.errors import LoaderError, Reason
from model_loader.http_client import COMPRESSED_FILE_SUFFIXES, HttpClient, Response
from model_loader.manifest import Json
from model_loader.request import Request, bad_uri_error
from model_loader.sources.google_identity import open_token
from model_loader.sources.identities import read_variable
from model_loader.sources.sigv4 import encode_key, encode_query
from model_loader.sources.store import Found, ObjectOptions, Page, parse_endpoint, parse_size, send_request
from model_loader.sources.store_errors import StoreAnswer, unexpected_response_error
from model_loader.text import as_list, as_object, decode_json, text_field

_ENDPOINT = "https://storage.googleapis.com"
_BUCKET = re.compile(r"[a-z0-9](?!.*\.\.)[a-z0-9._-]{1,220}[a-z0-9]")
_GENERATION = re.compile("[0-9]{1,20}")
_FIELDS = "name,size,generation,etag,md5Hash,crc32c"
_UNAUTHORIZED = 401


class GcsStore:
    """A bucket."""

    always_supports_ranges = True

    def __init__(self, request: Request, http: HttpClient, uri: str, bucket: str) -> None:
        if not _BUCKET.fullmatch(bucket):
            raise bad_uri_error(
                uri, "the name of a bucket has lower-case letters, digits, dots, hyphens and underscores"
            )
        environment = request.environment
        scheme, host, path = parse_endpoint(_read_endpoint(environment))
        self._http = http
        self._uri = uri
        self._bucket = bucket
        self._url = f"{scheme}://{host}{path}/storage/v1/b/{quote(bucket, safe='')}/o"
        self._payer = read_variable(environment, "GOOGLE_CLOUD_QUOTA_PROJECT")
        self._token = open_token(request)

    def list_page(self, prefix: str, token: str) -> Page:
        """Return a part of the objects below a prefix. Raises LoaderError."""
        parameters = {"prefix": prefix, "maxResults": "1000", "fields": f"items({_FIELDS}),nextPageToken"}
        if token:
            parameters["pageToken"] = token
        with self._send("", parameters, ObjectOptions(), self._uri) as response:
            return parse_list_page(response.read(), self._uri)

    def stat_object(self, key: str, revision: str | None) -> Found:
        """Return an object. Raises LoaderError (ModelNotFound) if there is none."""
        parameters = self._revision_parameters(revision) | {"fields": _FIELDS}
        subject = f"gs://{self._bucket}/{encode_key(key)}"
        with self._send(_object_path(key), parameters, ObjectOptions(), subject) as response:
            return parse_object(response.read(), subject)

    @contextmanager
    def get_object(self, key: str, options: ObjectOptions) -> Iterator[Response]:
        """Send a request for an object, and yield a successful response. Raises LoaderError."""
        parameters = self._revision_parameters(options.revision) | {"alt": "media"}
        if _GENERATION.fullmatch(options.version):
            parameters["ifGenerationMatch"] = options.version
        subject = f"gs://{self._bucket}/{encode_key(key)}"
        with self._send(_object_path(key), parameters, options, subject) as response:
            _check_stored_encoding(response.headers, subject)
            yield response

    def _revision_parameters(self, revision: str | None) -> dict[str, str]:
        if revision is None:
            return {}
        if not _GENERATION.fullmatch(revision):
            raise bad_uri_error(self._uri, "model.revision of an object in Google Cloud Storage is its generation")
        return {"generation": revision}

    @contextmanager
    def _send(
        self, path: str, parameters: Mapping[str, str], options: ObjectOptions, subject: str
    ) -> Iterator[Response]:
        sent = {**parameters, "userProject": self._payer} if self._payer else parameters
        url = f"{self._url}{path}?{encode_query(sent.items())}"
        token = ""

        def build() -> tuple[str, dict[str, str]]:
            nonlocal token
            token = self._token.get()
            headers = {name: value for name, value in options.build_headers().items() if name == "range"}
            if options.file is not None and options.file.lower().endswith(COMPRESSED_FILE_SUFFIXES):
                headers["accept-encoding"] = "gzip"  # the stored bytes: without it, Google decompresses some of them
            return url, headers | ({"authorization": f"Bearer {token}"} if token else {})

        def should_repeat(answer: StoreAnswer) -> bool:
            return answer.status == _UNAUTHORIZED and self._token.discard(token)

        with send_request(self._http, build, should_repeat, options, subject) as response:
            yield response

    def fetch_checksums(self, key: str, options: ObjectOptions) -> Mapping[str, str]:
        """Return nothing: listings and parts come with checksums if there are any."""
        del key, options
        return {}

    def describe_object(self, key: str, size: int, headers: Mapping[str, str]) -> Found:
        """Return an object by the headers of a response with its content."""
        version = headers.get("x-goog-generation", "")
        return Found(key=key, size=size, version=version, checksums=_parse_hashes(headers.get("x-goog-hash", "")))


def _check_stored_encoding(headers: Mapping[str, str], subject: str) -> None:
    """Raise LoaderError for an object that Google has decompressed: it has neither the listed size nor its checksums.

    https://cloud.google.com/storage/docs/transcoding
    """
    stored = headers.get("x-goog-stored-content-encoding", "identity").lower()
    if stored == "identity" or "content-encoding" in headers:
        return
    message = f"{subject} is stored with Content-Encoding {stored[:50]!r}, so its size and checksums are those of its"
    hint = "compressed bytes. Upload it without compression (gcloud storage cp without --gzip-local)."
    raise LoaderError(Reason.UNSUPPORTED_KEY, f"{message} {hint}")


def _read_endpoint(environment: Mapping[str, str]) -> str:
    if emulator := read_variable(environment, "STORAGE_EMULATOR_HOST"):
        return emulator if "://" in emulator else f"http://{emulator}"
    return read_variable(environment, "GOOGLE_BASE_URL") or _ENDPOINT


def _object_path(key: str) -> str:
    """Return the path of an object, one segment (https://cloud.google.com/storage/docs/request-endpoints#encoding)."""
    return f"/{encode_key(key).replace('/', '%2F')}"


def parse_list_page(body: bytes, subject: str) -> Page:
    """Parse a page of a listing. Raises LoaderError for any other response."""
    try:
        answer = as_object(decode_json(body))
        token = answer.get("nextPageToken", "")
        if not isinstance(token, str):
            raise ValueError(token)  # noqa: TRY301, TRY004 - the one error of this function
        return Page([_build_found(one) for one in as_list(answer.get("items", []))], token)
    except (ValueError, RecursionError):
        raise unexpected_response_error(subject) from None


def parse_object(body: bytes, subject: str) -> Found:
    """Parse the description of an object. Raises LoaderError for any other response."""
    try:
        return _build_found(decode_json(body))
    except (ValueError, RecursionError):
        raise unexpected_response_error(subject) from None


def _build_found(item: Json) -> Found:
    # Numbers of 64 bits are texts in JSON.
    version = as_object(item).get("generation") or item.get("etag")
    checksums = {"md5": item.get("md5Hash"), "crc32c": item.get("crc32c")}
    return Found(
        key=text_field(item, "name"),
        size=parse_size(text_field(item, "size")),
        version=version if isinstance(version, str) else "",
        checksums={name: value for name, value in checksums.items() if is_checksum(value)},
    )


def is_checksum(value: object) -> bool:
    """Return True for a checksum in Base64."""
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9+/]{4,64}={0,2}", value) is not None


def _parse_hashes(text: str) -> dict[str, str]:
    """Parse x-goog-hash: `crc32c=BASE64, md5=BASE64`."""
    pairs = (one.strip().partition("=") for one in text.split(","))
    return {name: value for name, _, value in pairs if name in {"md5", "crc32c"} and is_checksum(value)}
