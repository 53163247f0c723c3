"""URIs of S3, GCS and Azure, and what their listings mean. The stores themselves are tested in tests/loader."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from model_loader.download import PART_BYTES
from model_loader.errors import LoaderError
from model_loader.http_client import HttpClient
from model_loader.manifest import Entry
from model_loader.request import Limits, Request
from model_loader.sources import is_azure_url
from model_loader.sources.azure import AzureStore
from model_loader.sources.gcs import GcsStore
from model_loader.sources.object_store import ObjectStoreSource, parse_bucket_and_prefix, remove_directory_markers
from model_loader.sources.s3 import S3Store
from model_loader.sources.store import Found, ObjectOptions, Page, Store

BLOB = "https://account.blob.core.windows.net/models/iris/v3"
ACCOUNT = {"AZURE_STORAGE_ACCOUNT_NAME": "account"}


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("s3://bucket/a/b", ("bucket", "a/b")),
        ("gs://bucket/a/", ("bucket", "a/")),
        ("az://container/a", ("container", "a")),
        ("abfss://container@account.dfs.core.windows.net/a/b", ("container", "a/b")),
        (BLOB, ("models", "iris/v3")),
        ("https://account.blob.core.windows.net/models", ("models", "")),
        ("s3://bucket/sp%20ace/100%25%3F", ("bucket", "sp ace/100%?")),
        ("gs://bucket/a%2520b", ("bucket", "a%20b")),
        ("az://container/%C3%A9+x", ("container", "\u00e9+x")),
        ("s3://bucket", ("bucket", "")),
        ("s3://bucket/", ("bucket", "")),
    ],
)
def test_uri_is_split_into_bucket_and_path(uri: str, found: tuple[str, str]) -> None:
    assert parse_bucket_and_prefix(uri) == found


@pytest.mark.parametrize("uri", ["s3:///a", "s3://b/a//c", "s3://b//a", "s3://b/a?x", "s3://b/./a", "s3://b/a/../c"])
def test_uri_without_bucket_or_with_empty_part_is_invalid(uri: str) -> None:
    with pytest.raises(LoaderError, match="is invalid"):
        parse_bucket_and_prefix(uri)


def test_azure_url_is_recognized_by_its_host() -> None:
    assert is_azure_url(BLOB)
    assert not is_azure_url("https://blob.core.windows.net.example.com/models/iris")
    assert Request(uri=BLOB, target=Path("/x")).scheme == "https"


KEYS = st.text(st.characters(codec="utf-8", exclude_characters="/", exclude_categories=["Cc"]), min_size=1)


@given(st.sampled_from(["s3", "gs", "az", "abfs"]), st.lists(KEYS, min_size=1, max_size=4))
def test_every_key_can_be_named(scheme: str, parts: list[str]) -> None:
    """Percent-encoded characters are decoded once."""
    assume(not {".", ".."} & set(parts))
    key = "/".join(parts)
    assert parse_bucket_and_prefix(f"{scheme}://bucket/{quote(key)}") == ("bucket", key)


@pytest.mark.parametrize("path", ["100%", "a%2", "a%zz", "%ff", "a%0Ab", "a%00", "%2e/a", "a%2F%2Fb", "%2Fa"])
def test_path_with_broken_encoding_is_invalid(path: str) -> None:
    with pytest.raises(LoaderError, match="is invalid"):
        parse_bucket_and_prefix(f"s3://bucket/{path}")


def test_uri_of_a_tracking_server_is_not_decoded() -> None:
    assert parse_bucket_and_prefix("s3://bucket/a%20b%", is_encoded=False) == ("bucket", "a%20b%")


SEGMENTS = st.lists(st.sampled_from(["a", "b", "c d"]), min_size=1, max_size=4).map("/".join)


@given(st.sets(SEGMENTS), st.sets(SEGMENTS))
def test_directory_markers_are_skipped(names: set[str], others: set[str]) -> None:
    """Of a listing with a marker for each directory the files remain, empty ones too."""
    files = [one for one in names if not any(other.startswith(f"{one}/") for other in names)]
    markers = {one[:index] for one in files for index, character in enumerate(one) if character == "/"}
    empty = [Entry(path=one, key=one, size=0) for one in files if one in others]
    full = [Entry(path=one, key=one, size=7) for one in files if one not in others]
    hadoop = [Entry(path=f"{one}_$folder$", key=one, size=0) for one in markers]
    listed = [*(Entry(path=one, key=one, size=0) for one in markers), *hadoop, *empty, *full]
    assert {entry.path for entry in remove_directory_markers(listed)} == set(files)


def test_object_that_is_also_a_directory_is_kept() -> None:
    """Only an empty object is a marker; the conflict of another one is reported."""
    entries = [Entry(path="a", key="a", size=1), Entry(path="a/b", key="a/b", size=1)]
    assert remove_directory_markers(entries) == entries


@contextmanager
def open_bucket(uri: str, environment: Mapping[str, str]) -> Iterator[Store]:
    request = Request(uri=uri, target=Path("/x"), environment=environment)
    kinds: dict[str, Callable[[Request, HttpClient, str, str], Store]] = {"s3": S3Store, "gs": GcsStore}
    with closing(HttpClient(request)) as http:
        yield kinds.get(request.scheme, AzureStore)(request, http, uri, parse_bucket_and_prefix(uri)[0])


URLS = [
    ("models", {}, "https://models.s3.us-east-1.amazonaws.com"),
    ("models", {"AWS_REGION": "cn-north-1"}, "https://models.s3.cn-north-1.amazonaws.com.cn"),
    ("models", {"AWS_S3_ADDRESSING_STYLE": "path"}, "https://s3.us-east-1.amazonaws.com/models"),
    ("my.models", {"AWS_DEFAULT_REGION": "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com/my.models"),
    ("my.models", {"AWS_S3_ADDRESSING_STYLE": "virtual"}, "https://s3.us-east-1.amazonaws.com/my.models"),
    ("Old_Bucket", {}, "https://s3.us-east-1.amazonaws.com/Old_Bucket"),
    ("models", {"AWS_ENDPOINT_URL": "https://store:9000/s3/"}, "https://store:9000/s3/models"),
    ("models", {"AWS_ENDPOINT_URL": "https://store:443", "AWS_REGION": "RegionOne"}, "https://store/models"),
    (
        "models",
        {"AWS_ENDPOINT_URL": "https://store:9000", "AWS_S3_ADDRESSING_STYLE": "virtual"},
        "https://models.store:9000",
    ),
    (
        "my.models",
        {"AWS_ENDPOINT_URL_S3": "http://store", "AWS_ENDPOINT_URL": "x", "AWS_S3_ADDRESSING_STYLE": "virtual"},
        "http://my.models.store",
    ),
]


@pytest.mark.parametrize(("bucket", "environment", "url"), URLS)
def test_s3_url_follows_the_addressing_style(bucket: str, environment: dict[str, str], url: str) -> None:
    with open_bucket(f"s3://{bucket}/a", environment) as store:
        assert isinstance(store, S3Store)
        assert store.build_url(store.region) == url


INVALID = {
    "region in a host": ("s3://models/a", {"AWS_REGION": "x@localhost:1/#"}),
    "region of a domain": ("s3://models/a", {"AWS_REGION": "eu-west-1.example.com"}),
    "s3 bucket": ("s3://mod%65ls/a", {}),
    "s3 bucket with dots": ("s3://a..b/a", {}),
    "gcs bucket": ("gs://Models/a", {}),
    "container": ("az://Models/a", ACCOUNT),
    "account in a host": ("az://models/a", {"AZURE_STORAGE_ACCOUNT_NAME": "localhost:1/#."}),
    "account in a uri": ("abfss://models@evil-example.blob.core.windows.net/a", {}),
    "no account": ("az://models/a", {}),
    "tenant": (
        "az://models/a",
        {**ACCOUNT, "AZURE_CLIENT_ID": "a", "AZURE_TENANT_ID": "../a", "AZURE_CLIENT_SECRET": "b"},
    ),
    "addressing style": ("s3://models/a", {"AWS_S3_ADDRESSING_STYLE": "Virtual"}),
    "payer": ("s3://models/a", {"AWS_REQUEST_PAYER": "me"}),
}


@pytest.mark.parametrize(("uri", "environment"), INVALID.values(), ids=INVALID)
def test_names_are_validated_before_they_form_a_host(uri: str, environment: dict[str, str]) -> None:
    with pytest.raises(LoaderError) as error, open_bucket(uri, environment):
        pass
    assert error.value.reason in {"BadURI", "InvalidCredentials"}


class Pages:
    """Store with given pages."""

    always_supports_ranges = True

    def __init__(self, *pages: Page, forever: bool = False) -> None:
        self._pages = list(pages)
        self._forever = forever
        self.calls = 0

    def list_page(self, prefix: str, token: str) -> Page:
        del prefix, token
        self.calls += 1
        return self._pages[0] if self._forever or len(self._pages) == 1 else self._pages.pop(0)


def build_source(store: Pages, uri: str = "s3://models") -> ObjectStoreSource:
    source = ObjectStoreSource(Request(uri=uri, target=Path("/x"), limits=Limits(max_files=5)))
    source.__dict__["_store"] = store
    return source


def find(key: str, size: int = 1) -> Found:
    return Found(key=key, size=size, version="1")


def test_whole_bucket_is_listed() -> None:
    store = Pages(Page([find("a b/c"), find("d/", 0), find("/e"), find("f//g"), find("h", 0)], ""))
    entries = build_source(store).list_files().entries
    assert [entry.path for entry in entries] == ["a b/c", "/e", "f//g", "h"]


def test_repeated_page_ends_with_a_sentence() -> None:
    store = Pages(Page([find("a")], "same"), forever=True)
    with pytest.raises(LoaderError, match="repeats a page of its listing"):
        build_source(store).list_files()
    assert store.calls == 2


def test_empty_pages_end_with_a_sentence() -> None:
    class Empty(Pages):
        def list_page(self, prefix: str, token: str) -> Page:
            del prefix, token
            self.calls += 1
            return Page([], str(self.calls))

    with pytest.raises(LoaderError, match="repeats a page of its listing"):
        build_source(Empty()).list_files()


def test_endless_listing_ends_with_a_sentence() -> None:
    class Endless(Pages):
        def list_page(self, prefix: str, token: str) -> Page:
            del prefix, token
            self.calls += 1
            return Page([find(f"{self.calls}-{number}") for number in range(1000)], str(self.calls))

    store = Endless()
    with pytest.raises(LoaderError, match="lists more than 5 files") as error:
        build_source(store).list_files()
    assert error.value.reason == "TooLarge"
    assert store.calls == 2


def test_object_outside_of_the_prefix_is_refused() -> None:
    with pytest.raises(LoaderError, match="not that of a store"):
        build_source(Pages(Page([find("other/a")], "")), "s3://models/iris/").list_files()


@given(st.integers(1, 60 << 30), st.integers(0, 1 << 20))
def test_parts_of_large_objects_cover_them(size: int, number: int) -> None:
    """Objects of more than 5 GiB, the limit of one upload, are read like others."""
    start = min(number * PART_BYTES, size - 1)
    stop = min(start + PART_BYTES, size)
    headers = ObjectOptions(byte_range=(start, stop), version='"1"').build_headers()
    assert headers == {"range": f"bytes={start}-{stop - 1}", "if-match": '"1"'}
