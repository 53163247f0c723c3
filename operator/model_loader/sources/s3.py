"""S3: buckets of AWS and of other stores with the same API.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import unquote_plus, urlsplit

from model_loader.errors import LoaderError, Reason
from model_loader.http_client import HttpClient, Response, host_header
from model_loader.request import Request, bad_uri_error
from model_loader.sources.aws_identity import open_credentials
from model_loader.sources.aws_region import build_aws_host, find_bucket_region, other_region_error, read_region
from model_loader.sources.identities import read_variable
from model_loader.sources.sigv4 import encode_key, encode_query, sign_request
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

_BUCKET = re.compile(r"[A-Za-z0-9](?!.*\.\.)[A-Za-z0-9._-]{1,254}")
_HOST_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""Buckets that can be a part of a host name."""
_CHECKSUM = re.compile(r"[A-Za-z0-9+/]{4,64}={0,2}")
_CHECKSUM_ALGORITHMS = ("crc64nvme", "crc32c", "crc32", "sha256")
_LISTED = frozenset({"Key", "Size", "ETag", "LastModified", "IsTruncated", "NextContinuationToken", "EncodingType"})


class _Base(NamedTuple):
    """URL of a bucket, and the parts of it that are signed."""

    url: str
    host: str
    path: str


class S3Store:
    """A bucket."""

    def __init__(self, request: Request, http: HttpClient, uri: str, bucket: str) -> None:
        environment = request.environment
        if not _BUCKET.fullmatch(bucket):
            raise bad_uri_error(uri, "the name of a bucket has letters, digits, dots, hyphens and underscores")
        self._http = http
        self._uri = uri
        self._bucket = bucket
        self._endpoint = read_variable(environment, "AWS_ENDPOINT_URL_S3") or read_variable(
            environment, "AWS_ENDPOINT_URL"
        )
        self._style = _read_addressing_style(environment)
        self.region = read_region(environment)
        self._bases: dict[str, _Base] = {}
        self._find_base(self.region)  # raises an error before any request
        self._credentials = open_credentials(request, http, self.region)
        self._headers = _read_request_payer(environment)
        self.always_supports_ranges = not self._endpoint

    def build_url(self, region: str) -> str:
        """Return the URL of the bucket without a slash at its end."""
        if self._endpoint:
            scheme, host, path = parse_endpoint(self._endpoint)
            is_virtual = self._style == "virtual"
        else:
            scheme, host, path = "https", build_aws_host("s3", region), ""
            is_virtual = self._style != "path"
        has_matching_certificate = scheme == "http" or "." not in self._bucket  # * in a certificate is one label
        if is_virtual and has_matching_certificate and _HOST_BUCKET.fullmatch(self._bucket):
            return f"{scheme}://{self._bucket}.{host}{path}"
        return f"{scheme}://{host}{path}/{self._bucket}"

    def _find_base(self, region: str) -> _Base:
        if region not in self._bases:
            url = self.build_url(region)
            self._bases[region] = _Base(url, host_header(url), urlsplit(url).path)
        return self._bases[region]

    def list_page(self, prefix: str, token: str) -> Page:
        """Return a part of the objects below a prefix. Raises LoaderError."""
        parameters = [("list-type", "2"), ("prefix", prefix), ("max-keys", "1000"), ("encoding-type", "url")]
        if token:
            parameters.append(("continuation-token", token))
        with self._send("/", encode_query(parameters), {}, ObjectOptions(), self._uri) as response:
            return parse_list_page(response.iter_chunks(), self._uri)

    def stat_object(self, key: str, revision: str | None) -> Found:
        """Return an object. Raises LoaderError (ModelNotFound) if there is none."""
        return find_object(self, key, revision)

    def get_object(self, key: str, options: ObjectOptions) -> AbstractContextManager[Response]:
        """Send a request for an object, and yield a successful response. Raises LoaderError."""
        headers = options.build_headers()
        if "range" not in headers:
            headers["x-amz-checksum-mode"] = "ENABLED"
        query = encode_query([("versionId", options.revision)]) if options.revision else ""
        path = f"/{encode_key(key)}"
        return self._send(path, query, headers, options, f"s3://{self._bucket}{path}")

    def _send(
        self, path: str, query: str, headers: Mapping[str, str], options: ObjectOptions, subject: str
    ) -> AbstractContextManager[Response]:
        region = self.region
        credentials = None
        is_moved = False

        def build() -> tuple[str, dict[str, str]]:
            nonlocal credentials
            base = self._find_base(region)
            url = f"{base.url}{path}" + (f"?{query}" if query else "")
            credentials = self._credentials.get()
            sent = {**self._headers, **headers}
            if credentials is None:
                return url, sent
            return url, sign_request(
                base.host,
                f"{base.path}{path}",
                query,
                sent,
                credentials=credentials,
                region=region,
                method=options.method,
            )

        def should_repeat(answer: StoreAnswer) -> bool:
            nonlocal region, is_moved
            found = find_bucket_region(answer, region, is_aws=not self._endpoint)
            if found is not None and not is_moved:
                self.region, region, is_moved = found, found, True
                return True
            if (error := other_region_error(answer, subject, region)) is not None:
                raise error
            return answer.has_expired and self._credentials.discard(credentials)

        return send_request(self._http, build, should_repeat, options, subject)

    def fetch_checksums(self, key: str, options: ObjectOptions) -> Mapping[str, str]:
        """Request the checksums of an object, which S3 sends only with all of it."""
        try:
            with self.get_object(key, replace(options, byte_range=None, headers_only=True)) as response:
                return parse_checksums(response.headers)
        except LoaderError:
            return {}  # the request for the content has the same error, and a body with its cause

    def describe_object(self, key: str, size: int, headers: Mapping[str, str]) -> Found:
        """Return an object by the headers of a response with its content."""
        version = build_version(headers.get("etag", ""), headers.get("last-modified", ""))
        return Found(key=key, size=size, version=version, checksums=parse_checksums(headers))


def parse_checksums(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the checksums of an entire object, in Base64.

    Those of the checksums of parts are of no use, and with a range there may be that of one part of the upload.
    """
    if "content-range" in headers or headers.get("x-amz-checksum-type", "").upper() != "FULL_OBJECT":
        return {}
    found = {name: headers.get(f"x-amz-checksum-{name}", "") for name in _CHECKSUM_ALGORITHMS}
    return {name: value for name, value in found.items() if _CHECKSUM.fullmatch(value)}


def _read_addressing_style(environment: Mapping[str, str]) -> str:
    style = read_variable(environment, "AWS_S3_ADDRESSING_STYLE") or "auto"
    if style not in {"auto", "path", "virtual"}:
        raise LoaderError(Reason.BAD_URI, "AWS_S3_ADDRESSING_STYLE must be auto, path or virtual.")
    return style


def _read_request_payer(environment: Mapping[str, str]) -> dict[str, str]:
    payer = read_variable(environment, "AWS_REQUEST_PAYER")
    if payer not in {"", "requester"}:
        raise LoaderError(Reason.BAD_URI, "AWS_REQUEST_PAYER must be requester, or not set.")
    return {"x-amz-request-payer": payer} if payer else {}


def parse_list_page(chunks: Iterable[bytes], subject: str) -> Page:
    """Parse a page of a listing. Raises LoaderError for any other response."""
    try:
        page = parse_xml(chunks, root="ListBucketResult", record="Contents", wanted=_LISTED)
        is_encoded = page.fields.get("EncodingType") == "url"
        found = [_build_found(record, is_encoded=is_encoded) for record in page.records]
        is_last = page.fields.get("IsTruncated", "false").strip().lower() != "true"
        return Page(found, "" if is_last else page.fields["NextContinuationToken"])
    except (ValueError, KeyError):
        raise unexpected_response_error(subject) from None


def _build_found(record: Mapping[str, str], *, is_encoded: bool) -> Found:
    key = unquote_plus(record["Key"], errors="strict") if is_encoded else record["Key"]
    version = build_version(record.get("ETag", ""), record.get("LastModified", ""))
    return Found(key=key, size=parse_size(record["Size"]), version=version)
