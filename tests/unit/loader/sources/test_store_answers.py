"""Answers of object stores: listings, errors, redirects and tokens of any form end in a value or a LoaderError."""

import json
from collections.abc import Callable
from contextlib import suppress
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_loader.errors import LoaderError
from model_loader.sources import aws_identity, azure, azure_identity, gcs, google_identity, s3
from model_loader.sources.aws_region import build_aws_host, find_bucket_region, other_region_error
from model_loader.sources.store import ObjectOptions, build_version, parse_content_range, parse_endpoint, parse_size
from model_loader.sources.store_errors import StoreAnswer, parse_error_code
from model_loader.sources.xml_listing import XmlError, parse_xml

S3_PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>models</Name><Prefix></Prefix>
<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken><EncodingType>url</EncodingType>
<Contents><Key>sp+ace/100%25%2B%C3%A9</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>
<ETag>&quot;1&quot;</ETag><Size>7</Size><Owner><ID>x</ID><Key>other</Key></Owner></Contents>
<Contents><Key>plain</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>0</Size></Contents>
</ListBucketResult>"""
AZURE_PAGE = """\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="models"><Blobs>
<Blob><Name>a b%20</Name><Properties><Etag>0x1</Etag><Content-Length>7</Content-Length>
<Content-MD5>1B2M2Y8AsgTpgAmY7PhCfg==</Content-MD5></Properties><Metadata><Name>other</Name></Metadata></Blob>
<Blob><Name Encoded="true">%EF%BF%BF%20</Name><Properties><Content-Length>0</Content-Length><Etag>0x2</Etag>
</Properties></Blob>
<Blob><Name>directory</Name><Properties><Etag>0x3</Etag><Content-Length>0</Content-Length></Properties>
<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata></Blob>
<Blob><Name>other</Name><Properties><Etag>0x3</Etag><ResourceType>directory</ResourceType><Content-Length>0
</Content-Length></Properties></Blob></Blobs><NextMarker>next</NextMarker></EnumerationResults>"""
GCS_PAGE = {
    "kind": "storage#objects",
    "nextPageToken": "next",
    "items": [{"name": "a b", "size": "7", "generation": "17", "etag": "CJ", "md5Hash": "1B2M2Y8AsgTpgAmY7PhCfg=="}],
}
ROLE = """<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>key</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""
CONTAINER = {"AccessKeyId": "k", "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}
TOKEN = {"access_token": "t", "expires_in": 3600}

PARSERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "s3 listing": (lambda body: s3.parse_list_page([body], "s3://a"), S3_PAGE.encode()),
    "azure listing": (lambda body: azure.parse_list_page([body], "az://a"), AZURE_PAGE.encode()),
    "gcs listing": (lambda body: gcs.parse_list_page(body, "gs://a"), json.dumps(GCS_PAGE).encode()),
    "gcs object": (lambda body: gcs.parse_object(body, "gs://a"), json.dumps(GCS_PAGE["items"][0]).encode()),
    "assumed role": (aws_identity.parse_assumed_role, ROLE.encode()),
    "pod identity": (aws_identity.parse_container_credentials, json.dumps(CONTAINER).encode()),
    "metadata token": (google_identity.parse_metadata_token, json.dumps(TOKEN).encode()),
    "azure token": (azure_identity.parse_token, json.dumps(TOKEN).encode()),
}


def test_s3_listing_is_parsed() -> None:
    page = s3.parse_list_page([S3_PAGE.encode()], "s3://models")
    assert page.continuation == "next"
    assert [(one.key, one.size, one.version) for one in page.found] == [
        ("sp ace/100%+\u00e9", 7, '"1"'),
        ("plain", 0, "modified 2026-01-01T00:00:00Z"),
    ]


def test_azure_listing_is_parsed() -> None:
    page = azure.parse_list_page([AZURE_PAGE.encode()], "az://models")
    assert page.continuation == "next"
    assert [(one.key, one.size, one.version, one.is_directory) for one in page.found] == [
        ("a b%20", 7, '"0x1"', False),
        ("\uffff ", 0, '"0x2"', False),
        ("directory", 0, '"0x3"', True),
        ("other", 0, '"0x3"', True),
    ]
    assert page.found[0].checksums == {"md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}


def test_gcs_listing_is_parsed() -> None:
    page = gcs.parse_list_page(json.dumps(GCS_PAGE).encode(), "gs://models")
    assert (page.continuation, page.found[0].key, page.found[0].size, page.found[0].version) == ("next", "a b", 7, "17")
    assert page.found[0].checksums == {"md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}


def test_listing_may_arrive_byte_by_byte() -> None:
    body = S3_PAGE.encode()
    assert s3.parse_list_page([body[n : n + 1] for n in range(len(body))], "a") == s3.parse_list_page([body], "a")


KEYS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=30
)


@settings(max_examples=50, deadline=None)
@given(st.lists(KEYS, max_size=5))
def test_any_key_is_listed_as_it_is(keys: list[str]) -> None:
    contents = "".join(f"<Contents><Key>{escape(key)}</Key><Size>1</Size></Contents>" for key in keys)
    body = f"<ListBucketResult>{contents}</ListBucketResult>".encode()
    assert [one.key for one in s3.parse_list_page([body], "a").found] == keys


BOMB = (
    b'<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]><ListBucketResult><Contents>&d;</Contents></ListBucketResult>'
)
HOSTILE_XML = {
    "document type": BOMB,
    "external entity": b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><ListBucketResult/>',
    "another root": b"<html><body>login</body></html>",
    "cut": S3_PAGE.encode()[:-20],
    "deep": b"<ListBucketResult>" + b"<a>" * 100_000,
    "long value": b"<ListBucketResult><Contents><Key>" + b"a" * 100_000 + b"</Key></Contents></ListBucketResult>",
    "many objects": b"<ListBucketResult>" + b"<Contents/>" * 30_000 + b"</ListBucketResult>",
    "unknown encoding": b'<?xml version="1.0" encoding="x-none"?><ListBucketResult/>',
    "empty": b"",
}


@pytest.mark.parametrize("body", HOSTILE_XML.values(), ids=HOSTILE_XML)
def test_hostile_xml_is_refused(body: bytes) -> None:
    with pytest.raises(XmlError):
        parse_xml([body], root="ListBucketResult", record="Contents", wanted={"Key"})
    with pytest.raises(LoaderError, match="not that of a store"):
        s3.parse_list_page([body], "s3://a")


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """A valid answer with a part of it replaced or repeated."""
    start = draw(st.integers(0, len(valid)))
    stop = draw(st.integers(start, min(len(valid), start + 40)))
    inserted = draw(
        st.binary(max_size=8) | st.sampled_from([b"-1", b"9" * 30, b"<a>", b"</", b"&x;", b"null", b"[", b"1e9"])
    )
    return valid[:start] + inserted * draw(st.integers(1, 3)) + valid[stop:]


@settings(max_examples=150, deadline=None)
@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_any_answer_is_parsed_or_refused(name: str, data: st.DataObject) -> None:
    parse, valid = PARSERS[name]
    parse(valid)
    body = data.draw(damaged(valid) | st.binary(max_size=40))
    with suppress(LoaderError):
        parse(body)
    answer = StoreAnswer(400, {}, body)
    assert answer.code == "" or answer.code.isascii()
    assert isinstance(answer.to_error("s3://a/b"), LoaderError)


REGIONS = st.sampled_from(
    ["eu-west-1", "us-gov-west-1", "cn-north-1", "us-east-1", "auto", "", "x@evil.example/#", "a.b"]
)
LOCATIONS = st.sampled_from(
    [
        *("https://models.s3.eu-west-1.amazonaws.com/x", "https://s3-eu-west-1.amazonaws.com/x"),
        *("https://s3.eu-west-1.amazonaws.com.evil.example/", "http://169.254.169.254/", "//evil.example", "[", ""),
        "https://evil.example/?s3.eu-west-1.amazonaws.com",
    ]
)
STATUSES = st.sampled_from([301, 302, 307, 308, 304, 400, 403, 404])
REGION_BODIES = st.builds(
    lambda code, region: f"<Error><Code>{code}</Code><Region>{region}</Region></Error>".encode(),
    st.sampled_from(["AuthorizationHeaderMalformed", "PermanentRedirect", "AccessDenied", ""]),
    REGIONS | st.text(max_size=10),
)


@settings(max_examples=300, deadline=None)
@given(
    status=STATUSES,
    body=REGION_BODIES | st.binary(max_size=20),
    headers=st.fixed_dictionaries({}, optional={"x-amz-bucket-region": REGIONS | st.text(), "location": LOCATIONS}),
    is_aws=st.booleans(),
)
def test_redirect_leads_only_to_a_region(status: int, body: bytes, headers: dict[str, str], is_aws: bool) -> None:  # noqa: FBT001
    answer = StoreAnswer(status, headers, body)
    found = find_bucket_region(answer, "us-east-1", is_aws=is_aws)
    if found is not None:
        assert found != "us-east-1"
        assert status < 400 or answer.code
    if found is not None and is_aws:
        host = build_aws_host("s3", found)
        assert host.endswith(".amazonaws.com")
        assert parse_endpoint(f"https://{host}")[1] == host
    assert isinstance(other_region_error(answer, "s3://a", "us-east-1"), LoaderError | None)
    assert isinstance(answer.to_error("s3://a"), LoaderError)


@pytest.mark.parametrize(
    "region", ["x@localhost:1/#", "eu-west-1.evil.example", "", "eu-west-1/", "EU-WEST-1", "a" * 99]
)
def test_only_a_region_becomes_part_of_a_host(region: str) -> None:
    with pytest.raises(LoaderError, match="not a region of AWS"):
        build_aws_host("s3", region)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<Error><Code>NoSuchKey</Code><Message>&lt;Code>SlowDown&lt;/Code></Message></Error>", "NoSuchKey"),
        (b'{"error": "invalid_client"}', "invalid_client"),
        (b'{"error": {"errors": [{"reason": "forbidden"}]}}', "forbidden"),
        (b'{"error": {"errors": []}}', ""),
        (b"[" * 100_000, ""),
        (b"AccessDenied", ""),
    ],
)
def test_code_of_an_error_is_found(body: bytes, code: str) -> None:
    assert parse_error_code(body) == code


@pytest.mark.parametrize("text", ["-1", "", "1.0", "9" * 20, "\u0661", "1 2", "0x1", "9223372036854775808"])
def test_invalid_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


def test_dates_of_listings_and_headers_are_equal() -> None:
    listed = build_version("", "2026-01-01T00:00:00.123Z")
    assert listed == build_version("", "Thu, 01 Jan 2026 00:00:00 GMT") == "modified 2026-01-01T00:00:00Z"
    assert build_version("", "yesterday") == ""


@pytest.mark.parametrize(("etag", "sent"), [('"1"', '"1"'), ("1", '"1"'), ('W/"1"', None), ("", None)])
def test_only_strong_etags_are_conditions(etag: str, sent: str | None) -> None:
    options = ObjectOptions(version=build_version(etag, "2026-01-01T00:00:00Z"))
    assert options.build_headers().get("if-match") == sent


@pytest.mark.parametrize("text", ["", "bytes 0-1/*", "bytes 1-", "items 0-1/2", "bytes 0-1/" + "9" * 20])
def test_invalid_content_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Content-Range"):
        parse_content_range({"content-range": text})


CHECKSUMS = {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA=", "x-amz-checksum-sha256": "bad value"}


def test_checksums_of_parts_are_not_used() -> None:
    assert s3.parse_checksums(CHECKSUMS | {"x-amz-checksum-type": "FULL_OBJECT"}) == {"crc64nvme": "AAAAAAAAAAA="}
    assert s3.parse_checksums(CHECKSUMS | {"x-amz-checksum-type": "COMPOSITE"}) == {}
    assert s3.parse_checksums(CHECKSUMS) == {}


ENDPOINTS: list[tuple[str, tuple[str, str, str]]] = [
    ("http://127.0.0.1:9000", ("http", "127.0.0.1:9000", "")),
    ("https://store.example/a/b/", ("https", "store.example", "/a/b")),
    ("https://store.example:443", ("https", "store.example", "")),
    ("http://[::1]:80/x", ("http", "[::1]", "/x")),
]


@pytest.mark.parametrize(("text", "parts"), ENDPOINTS)
def test_endpoint_is_parsed(text: str, parts: tuple[str, str, str]) -> None:
    assert parse_endpoint(text) == parts


@pytest.mark.parametrize(
    "text", ["ftp://a", "//a", "https://in\\@out", "https://a b", "https://a?b", "https://u@a", "https://[bad", "http:"]
)
def test_invalid_endpoint_is_refused(text: str) -> None:
    with pytest.raises(LoaderError) as error:
        parse_endpoint(text)
    assert error.value.reason == "BadURI"
