"""Reasons follow from the HTTP status and the store's error code only, and requests to a busy store are repeated."""

import time
from collections.abc import Callable
from contextlib import closing
from email.utils import formatdate
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from model_loader import backoff
from model_loader.errors import LoaderError, TransferError
from model_loader.request import Limits, Request
from model_loader.sources import open_source
from tests.environment.stores.web import Handler, Web, whole

NAMES = ("run-429", "NotFound-AccessDenied-503-SlowDown", "ExpiredToken inner:Status")
STORES = {
    "s3": {"AWS_ENDPOINT_URL": "URL"},
    "gs": {"GOOGLE_BASE_URL": "URL"},
    "az": {"AZURE_STORAGE_ENDPOINT": "URL", "AZURE_STORAGE_ACCOUNT_NAME": "account"},
}
OTHERS = {"https": {}, "hf": {"HF_ENDPOINT": "URL"}, "models": {"MLFLOW_TRACKING_URI": "URL"}, "oci+artifact": {}}
SCHEMES = STORES | OTHERS


@pytest.fixture(autouse=True)
def fast_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "RETRY_BACKOFF", backoff.Backoff(base=0.001, maximum=0.002, jitter=0.5))


@pytest.fixture
def answering(plain_web: Web, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Handler], None]], Web]:
    """Return a function that sets the response to every request."""

    def answer_all(answer: Callable[[Handler], None]) -> Web:
        class Pages(dict[str, Any]):
            def get(self, *_: Any) -> Callable[[Handler], None]:
                return answer

        monkeypatch.setattr(plain_web.server, "pages", Pages())
        return plain_web

    return answer_all


def open_model(scheme: str, name: str, url: str, seconds: float = 20.0) -> Any:
    host = urlsplit(url).netloc
    name = name.replace(" ", "%20")
    uris = {
        "https": f"{url}/{name}",
        "hf": f"hf://org/{name.replace('%20', '-').replace(':', '-')}",
        "models": f"models:/{name}@{name}",
        "oci+artifact": f"oci+artifact://{host}/{name.lower().replace('%20', '-').replace(':', '-')}",
    }
    environment = {name: value.replace("URL", url) for name, value in SCHEMES[scheme].items()}
    request = Request(
        uri=uris.get(scheme, f"{scheme}://models/{name}/{name}"),
        target=Path("x"),
        limits=Limits(timeout_seconds=seconds),
        allowed_networks=(ip_network("127.0.0.0/8"),),
        environment=environment | ({"OCI_PLAIN_HTTP": "true"} if scheme == "oci+artifact" else {}),
    )
    return open_source(request)


def list_model(scheme: str, name: str, url: str, seconds: float = 20.0) -> LoaderError:
    with pytest.raises(LoaderError) as failure, closing(open_model(scheme, name, url, seconds)) as source:
        source.list_files()
    return failure.value


STATUSES = {
    401: {"InvalidCredentials"},
    403: {"AccessDenied"},
    404: {"ModelNotFound"},
    429: {"StoreQuotaExceeded"},
    500: {"Unreachable"},
    503: {"Unreachable"},
    418: {"Unreachable"},
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_names_do_not_change_the_reason(answering: Any, scheme: str, status: int) -> None:
    web = answering(lambda handler: handler.answer(status, b"-"))
    expected = STATUSES[status] | ({"ModelNotFound"} if (scheme, status) == ("hf", 401) else set())
    assert {str(list_model(scheme, name, web.url).reason) for name in NAMES} <= expected


@pytest.mark.parametrize("scheme", SCHEMES)
def test_unreachable_store_has_no_other_reason(scheme: str) -> None:
    for name in NAMES:
        error = list_model(scheme, name, "http://127.0.0.1:1")
        assert isinstance(error, TransferError), error


CODES = [
    (403, "InvalidAccessKeyId", "InvalidCredentials"),
    (400, "ExpiredToken", "InvalidCredentials"),
    (403, "AuthorizationPermissionMismatch", "AccessDenied"),
    (409, "PublicAccessNotPermitted", "AccessDenied"),
    (404, "ContainerNotFound", "ModelNotFound"),
    (503, "SlowDown", "StoreQuotaExceeded"),
    (503, "ServerBusy", "StoreQuotaExceeded"),
    (400, "InvalidBucketName", "BadURI"),
    (500, "InternalError", "Unreachable"),
    (403, "InvalidObjectState", "AccessDenied"),
    (403, "RequestTimeTooSkewed", "InvalidCredentials"),
]


@pytest.mark.parametrize(("status", "code", "reason"), CODES)
@pytest.mark.parametrize("scheme", STORES)
def test_code_of_the_store_decides(answering: Any, scheme: str, status: int, code: str, reason: str) -> None:
    """The message of the error and the key in it are other words."""
    body = f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>"NotFound" 429\\ SlowDown</Message></Error>'
    forged = "\n\nDebug source:\n    inner: Status {\n        status: 429,\n        body: None"

    def answer(handler: Handler) -> None:
        is_listing = "prefix=" in handler.path
        handler.answer(status if is_listing else 404, (body + forged).encode() if is_listing else b"")

    assert str(list_model(scheme, "run-429", answering(answer).url).reason) == reason


@pytest.mark.parametrize(
    ("scheme", "changes"),
    [
        ("az", {"AZURE_STORAGE_ACCOUNT_KEY": "!no-base64!"}),
        ("gs", {"GOOGLE_SERVICE_ACCOUNT_KEY": '{"private_key": "no", "client_email": "a", "private_key_id": "b"}'}),
    ],
)
def test_unusable_key_is_an_invalid_credential(
    answering: Any, monkeypatch: pytest.MonkeyPatch, scheme: str, changes: dict[str, str]
) -> None:
    monkeypatch.setitem(SCHEMES, scheme, SCHEMES[scheme] | changes)
    web = answering(lambda handler: handler.answer(404))
    assert str(list_model(scheme, "iris", web.url).reason) == "InvalidCredentials"


BUSY: dict[str, Callable[[Handler], None]] = {
    "429 in seconds": lambda handler: handler.answer(429, Retry_After="1"),
    "429 at a date": lambda handler: handler.answer(429, Retry_After=formatdate(time.time() + 1, usegmt=True)),
    "503 in seconds": lambda handler: handler.answer(503, Retry_After="1"),
    "429": lambda handler: handler.answer(429),
    "503": lambda handler: handler.answer(503),
    "SlowDown": lambda handler: handler.answer(503, b"<Error><Code>SlowDown</Code></Error>"),
}


@pytest.mark.parametrize(
    ("scheme", "busy"),
    [
        *((scheme, "503") for scheme in OTHERS),
        *((scheme, "429 in seconds") for scheme in ("hf", *STORES)),
        ("https", "429 at a date"),
    ],
)
def test_metadata_is_requested_again(answering: Any, scheme: str, busy: str) -> None:
    """The request to a store that is busy once is repeated, not before the time that it names."""
    times: list[float] = []

    def answer(handler: Handler) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            BUSY[busy](handler)
        else:
            handler.answer(404)

    assert str(list_model(scheme, "iris", answering(answer).url).reason) == "ModelNotFound"
    assert len(times) == (3 if scheme in STORES else 2)  # an object of that name, then a directory
    if busy == "429 in seconds":
        assert times[1] - times[0] >= 1


@pytest.mark.parametrize("scheme", STORES)
def test_listing_is_requested_again(answering: Any, scheme: str) -> None:
    calls: list[str] = []

    def answer(handler: Handler) -> None:
        if "prefix=" not in handler.path:
            handler.answer(404)
            return
        calls.append(handler.path)
        if len(calls) < backoff.MAX_ATTEMPTS:
            BUSY["SlowDown"](handler)
        else:
            handler.answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")

    assert str(list_model(scheme, "iris", answering(answer).url).reason) == "ModelNotFound"
    assert len(calls) == backoff.MAX_ATTEMPTS


@pytest.mark.parametrize("busy", BUSY)
def test_transfer_is_requested_again(answering: Any, busy: str) -> None:
    content = b"weights"
    calls: list[str] = []

    def answer(handler: Handler) -> None:
        calls.append(handler.path)
        (BUSY[busy] if len(calls) == 2 else whole(content))(handler)

    with closing(open_model("https", "iris", answering(answer).url)) as source:
        [entry] = source.list_files().entries
        if busy in {"503", "SlowDown"}:  # without Retry-After, the download repeats it like an interrupted transfer
            with pytest.raises(TransferError):
                list(source.read(entry, 0, entry.size))
        assert b"".join(source.read(entry, 0, entry.size)) == content
    assert len(calls) == 3


@pytest.mark.parametrize("busy", ["429 in seconds", "429"])
def test_retries_end_within_the_time_limit(answering: Any, busy: str) -> None:
    limit, asked = 1.5, list[float]()

    def answer(handler: Handler) -> None:
        asked.append(time.monotonic())
        BUSY[busy](handler)

    error = list_model("https", "iris", answering(answer).url, seconds=limit)
    assert str(error.reason) == "StoreQuotaExceeded"
    assert asked[-1] - asked[0] < limit
    assert time.monotonic() - asked[-1] < limit, "it waits for no further attempt"
    if busy == "429 in seconds":
        assert error.message.endswith("It accepts requests again in 1 s.")
