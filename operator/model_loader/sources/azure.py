"""Azure Blob Storage.

https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

from model_loader.http_client import HttpClient, Response
from model_loader.request import Request, bad_uri_error
from model_loader.sources import AZURE_HOSTS
from model_loader.sources.azure_identity import expired_signature_error, open_identity, resolve_aliases
from model_loader.sources.identities import read_variable
from model_loader.sources.shared_key import build_authorization
from model_loader.sources.sigv4 import encode_key, encode_query
from model_loader.sources.store import (
    Found,
    ObjectOptions,
    Page,
    build_version,
    find_object,
    parse_endpoint,
    parse_size,
    send_request,
)
from model_loader.sources.store_errors import StoreAnswer, unexpected_response_error
from model_loader.sources.xml_listing import parse_xml

_API_VERSION = "2023-11-03"
_ACCOUNT = re.compile("[a-z0-9]{3,24}")
_ENDPOINT_ACCOUNT = re.compile("[A-Za-z0-9-]{1,63}")
"""An account whose host does not contain its name, such as that of an emulator."""
_CONTAINER = re.compile(r"\$(?:root|web|logs)|[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]")
_UNAUTHORIZED = 401
_MD5 = re.compile("[A-Za-z0-9+/]{22}==")
_LISTED = frozenset(
    {
        *("Name", "Name/@Encoded", "Metadata/hdi_isfolder", "NextMarker"),
        *(f"Properties/{name}" for name in ("Content-Length", "Etag", "Last-Modified", "Content-MD5", "ResourceType")),
    }
)


class AzureStore:
    """A container."""

    always_supports_ranges = True

    def __init__(self, request: Request, http: HttpClient, uri: str, container: str) -> None:
        environment = resolve_aliases(request.environment)
        self._http = http
        self._uri = uri
        self._container = container
        if not _CONTAINER.fullmatch(container):
            raise bad_uri_error(uri, "the name of a container has 3 to 63 lower-case letters, digits and hyphens")
        self._account, endpoint = _find_account(environment, uri)
        scheme, host, self._path = parse_endpoint(endpoint)
        self._origin = f"{scheme}://{host}"
        self._identity = open_identity(environment, http, request.hide)

    def list_page(self, prefix: str, token: str) -> Page:
        """Return a part of the blobs below a prefix. Raises LoaderError."""
        parameters = {"restype": "container", "comp": "list", "prefix": prefix, "include": "metadata"}
        if token:
            parameters["marker"] = token
        with self._send("", parameters, ObjectOptions(), self._uri) as response:
            return parse_list_page(response.iter_chunks(), self._uri)

    def stat_object(self, key: str, revision: str | None) -> Found:
        """Return a blob. Raises LoaderError (ModelNotFound) if there is none."""
        return find_object(self, key, revision)

    @contextmanager
    def get_object(self, key: str, options: ObjectOptions) -> Iterator[Response]:
        """Send a request for a blob, and yield a successful response. Raises LoaderError."""
        parameters = {"versionid": options.revision} if options.revision else {}
        path = f"/{encode_key(key)}"
        with self._send(path, parameters, options, f"az://{self._container}{path}") as response:
            yield response

    @contextmanager
    def _send(
        self, path: str, parameters: Mapping[str, str], options: ObjectOptions, subject: str
    ) -> Iterator[Response]:
        identity = self._identity
        url_path = f"{self._path}/{self._container}{path}"
        query = encode_query([*parameters.items(), *identity.signature])
        url = f"{self._origin}{url_path}" + (f"?{query}" if query else "")
        token = ""

        def build() -> tuple[str, dict[str, str]]:
            nonlocal token
            date = formatdate(usegmt=True)
            headers = {**options.build_headers(), "x-ms-version": _API_VERSION, "x-ms-date": date}
            if identity.account_key is not None:
                headers["authorization"] = build_authorization(
                    self._account, identity.account_key, url_path, parameters.items(), headers
                )
            elif identity.token is not None:
                token = identity.token.get()
                headers["authorization"] = f"Bearer {token}"
            return url, headers

        def should_repeat(answer: StoreAnswer) -> bool:
            if identity.signature and (error := expired_signature_error(identity.signature)) is not None:
                raise error
            return answer.status == _UNAUTHORIZED and identity.token is not None and identity.token.discard(token)

        with send_request(self._http, build, should_repeat, options, subject) as response:
            yield response

    def fetch_checksums(self, key: str, options: ObjectOptions) -> Mapping[str, str]:
        """Return nothing: listings and parts come with checksums if there are any."""
        del key, options
        return {}

    def describe_object(self, key: str, size: int, headers: Mapping[str, str]) -> Found:
        """Return a blob by the headers of a response with its content."""
        # The response to a range has the checksum of the whole blob under another name.
        digest = headers.get("x-ms-blob-content-md5") or (
            "" if "content-range" in headers else headers.get("content-md5", "")
        )
        kind = headers.get("x-ms-resource-type", "")
        return Found(
            key=key,
            size=size,
            version=build_version(headers.get("etag", ""), headers.get("last-modified", "")),
            is_directory=headers.get("x-ms-meta-hdi_isfolder", "").lower() == "true" or kind == "directory",
            checksums={"md5": digest} if _MD5.fullmatch(digest) else {},
        )


def _find_account(environment: Mapping[str, str], uri: str) -> tuple[str, str]:
    """Return the account and its endpoint. Raises LoaderError if the account is unknown or not valid."""
    host = urlsplit(uri).netloc.rpartition("@")[2]
    is_named = host.endswith(AZURE_HOSTS)
    account = host.partition(".")[0] if is_named else read_variable(environment, "AZURE_STORAGE_ACCOUNT_NAME")
    if not account:
        raise bad_uri_error(uri, "the storage account is unknown: set AZURE_STORAGE_ACCOUNT_NAME in the Secret")
    endpoint = read_variable(environment, "AZURE_STORAGE_ENDPOINT")
    if not (_ENDPOINT_ACCOUNT if endpoint else _ACCOUNT).fullmatch(account):
        problem = (
            f"{account[:63]!r} is not the name of a storage account, which has 3 to 24 lower-case letters and digits"
        )
        raise bad_uri_error(uri, problem)
    return account, endpoint or f"https://{account}.blob.core.windows.net"


def parse_list_page(chunks: Iterable[bytes], subject: str) -> Page:
    """Parse a page of a listing. Raises LoaderError for any other response."""
    try:
        page = parse_xml(chunks, root="EnumerationResults", record="Blob", wanted=_LISTED)
        return Page([_build_found(record) for record in page.records], page.fields.get("NextMarker", "").strip())
    except (ValueError, KeyError):
        raise unexpected_response_error(subject) from None


def _build_found(record: Mapping[str, str]) -> Found:
    # Names with characters that XML cannot contain are percent-encoded.
    is_encoded = record.get("Name/@Encoded") == "true"
    key = unquote(record["Name"], errors="strict") if is_encoded else record["Name"]
    digest = record.get("Properties/Content-MD5", "")
    is_directory = (
        record.get("Metadata/hdi_isfolder", "").lower() == "true"
        or record.get("Properties/ResourceType") == "directory"
    )
    modified = record.get("Properties/Last-Modified", "")
    return Found(
        key=key,
        size=parse_size(record["Properties/Content-Length"]),
        version=build_version(record.get("Properties/Etag", ""), modified),
        is_directory=is_directory,
        checksums={"md5": digest} if _MD5.fullmatch(digest) else {},
    )
