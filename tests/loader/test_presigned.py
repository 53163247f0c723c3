"""Presigned URLs from the Secret: used in place of model.uri, and never shown."""

import time
from collections.abc import Callable

import pytest

from tests.environment.stores.web import Handler, Web, whole
from tests.loader.conftest import Loader

QUERY = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60&X-Amz-Security-Token=canary%2Ftoken&X-Amz-Signature=canary0"


def signed_at(seconds: float) -> str:
    return f"X-Amz-Date={time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(seconds))}&{QUERY}"


def guarded(query: str, refusal: bytes) -> Callable[[Handler], None]:
    """A file of a store that compares the signature, and repeats the request in its refusal."""

    def answer(handler: Handler) -> None:
        if handler.path.partition("?")[2] == query:
            whole(b"model")(handler)
        else:
            handler.answer(403, refusal, X_Reason=handler.path)

    return answer


@pytest.fixture
def url(web: Web) -> str:
    return web.page("/signed/model.bin", guarded(signed_at(1e9), b"<Error><Code>AccessDenied</Code></Error>"))


def test_presigned_url_of_the_secret_is_used(load: Loader, web: Web, url: str) -> None:
    outcome = load(url, {**web.environment, "HTTP_URL": f"{url}?{signed_at(1e9)}"})
    assert (outcome.code, outcome.files) == (0, {"model.bin": b"model"}), outcome.log
    assert outcome.report["resolvedURI"] == url
    assert "canary" not in outcome.log
    assert "X-Amz" not in outcome.log


def test_uri_without_its_signature_is_refused(load: Loader, web: Web, url: str) -> None:
    assert load(url, web.environment).reason == "AccessDenied"


def test_expired_url_is_reported(load: Loader, web: Web, url: str) -> None:
    outcome = load(url, {**web.environment, "HTTP_URL": f"{url}?{signed_at(0)}"})
    assert (outcome.code, outcome.reason) == (1, "InvalidCredentials")
    assert "The presigned URL of model.uri expired on 1970-01-01 at 00:01:00 UTC" in outcome.message
    assert "canary" not in outcome.log


def test_wrong_signature_is_not_reported_as_expired(load: Loader, web: Web, url: str) -> None:
    outcome = load(url, {**web.environment, "HTTP_URL": f"{url}?{signed_at(time.time())}"})
    assert outcome.reason == "AccessDenied"
    assert "canary" not in outcome.log


@pytest.mark.parametrize("path", ["/other/model.bin", "/signed/model.bin/../../other"])
def test_url_of_another_file_is_refused(load: Loader, web: Web, url: str, path: str) -> None:
    outcome = load(url, {**web.environment, "HTTP_URL": f"{web.url}{path}?{signed_at(1e9)}"})
    assert (outcome.reason, outcome.files) == ("InvalidCredentials", {})
    assert "is not model.uri with a query" in outcome.message
    assert "canary" not in outcome.log


def test_signature_in_the_uri_is_refused(load: Loader, web: Web, url: str) -> None:
    outcome = load(f"{url}?{signed_at(1e9)}", web.environment)
    assert (outcome.reason, "HTTP_URL" in outcome.message) == ("BadURI", True)
