"""Presigned URLs: which file they name, and when they expire."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_loader.errors import LoaderError
from model_loader.request import Request
from model_loader.sources.presigned import expired_error, find_expiry, find_url, is_expired

PAST, FUTURE = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2200, 1, 2, 3, 4, 5, tzinfo=UTC)
S3_BODY = b"""<Error><Code>AccessDenied</Code><Message>Request has expired</Message>
<X-Amz-Expires>60</X-Amz-Expires><Expires>2020-01-02T03:05:05Z</Expires></Error>"""


def build(uri: str, url: str) -> Request:
    return Request(uri=uri, target=Path("x"), environment={"HTTP_URL": url})


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("https://a/b", "https://a/b?X-Amz-Signature=0"),
        ("https://a/b", "https://A:443/b?sig=0"),
        ("https://a/b%20c", "https://a/b c?sig=0"),
        ("https://a/b?versionId=3", "https://a/b?X-Amz-Signature=0&versionId=3"),
        ("https://a/b", "https://a/b"),
        ("https://a/b", " https://a/b?sig=0\n"),
    ],
)
def test_url_of_the_same_file_is_used(uri: str, url: str) -> None:
    assert find_url(build(uri, url)) == url.strip()


@pytest.mark.parametrize(
    "url",
    [
        "https://a/c?sig=0",
        "https://b/b?sig=0",
        "https://a:444/b?sig=0",
        "http://a/b?sig=0",
        "https://a/b/?sig=0",
        "https://canary@a/b?sig=0",
        "https://[bad/b?sig=canary",
        "not a URL",
        "https://a/b%2F..%2Fc?sig=0",
    ],
)
def test_url_of_another_file_is_refused(url: str) -> None:
    with pytest.raises(LoaderError) as error:
        find_url(build("https://a/b", url))
    assert "sig" not in error.value.message
    assert "canary" not in error.value.message


def test_model_uri_is_used_without_a_presigned_url() -> None:
    assert find_url(build("https://a/b?version=3", "")) == "https://a/b?version=3"


@pytest.mark.parametrize(
    ("query", "expiry"),
    [
        ("X-Amz-Date=20200102T030405Z&X-Amz-Expires=0&X-Amz-Signature=0", PAST),
        ("x-goog-date=20200102T030305Z&x-goog-expires=60", PAST),
        ("se=2020-01-02T03:04:05Z&sig=0", PAST),
        ("se=2020-01-02&sig=0", datetime(2020, 1, 2, tzinfo=UTC)),
        (f"AWSAccessKeyId=a&Expires={int(PAST.timestamp())}&Signature=0", PAST),
        ("se=2020-01-02T03:04:05Z", None),
        ("X-Amz-Date=20200102T030405Z", None),
        ("X-Amz-Date=now&X-Amz-Expires=1", None),
        ("X-Amz-Date=20200102T030405Z&X-Amz-Expires=-1", None),
        ("Expires=99999999999999", None),
        ("Expires=never", None),
        ("version=3", None),
    ],
)
def test_expiry_is_read_from_the_query(query: str, expiry: datetime | None) -> None:
    assert find_expiry(f"https://a/b?{query}") == expiry


@given(st.text())
def test_any_query_has_an_expiry_or_none(query: str) -> None:
    url = f"https://a/b?X-Amz-Expires={query}&X-Amz-Date={query}&se={query}&sig=0&Expires={query}"
    found = find_expiry(url)
    assert found is None or isinstance(found.timestamp(), float)


def test_expired_url_is_recognized() -> None:
    past, future = (f"https://a/b?Expires={int(time.timestamp())}&Signature=0" for time in (PAST, FUTURE))
    assert is_expired(past, status=403)
    assert not is_expired(past, status=404)
    assert not is_expired(future, status=403)
    assert is_expired(future, status=403, body=S3_BODY)  # a store whose clock is ahead
    assert is_expired(future, status=400, body=b"<Error><Code>ExpiredToken</Code></Error>")
    assert "expired on 2020-01-02 at 03:04:05 UTC" in expired_error(past).message
    assert "expired. Create another one" in expired_error(future).message
