"""https: files, archives and redirects, and servers that are faulty, slow or hostile (I1-I3, I6, I7, I12)."""

import gzip
import hashlib
import os
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from blake3 import blake3

from tests.environment.stores.web import Handler, Web, changing, cut, dripping, endless, lying, unannounced, whole
from tests.loader.conftest import Loader
from tests.unit.loader.test_archives import build_tar, build_zip

MODEL = os.urandom(300_000)
DIGEST = hashlib.sha256(MODEL).hexdigest()


def test_file_is_downloaded_and_verified(load: Loader, web: Web) -> None:
    url = web.file("/models/iris%20v3.bin", MODEL)
    outcome = load(url, web.environment, sha256=DIGEST)
    assert (outcome.code, outcome.reason, outcome.files) == (0, "Loaded", {"iris v3.bin": MODEL})
    assert outcome.report["digest"] == f"blake3:{blake3(MODEL).hexdigest()}"
    assert outcome.report["verified"] == ["sha256"]
    assert load.partial_directories() == []
    before = len(web.asked)
    assert load(url, web.environment, sha256=DIGEST).reason == "Cached"
    assert len(web.asked) == before


@pytest.mark.parametrize("headers", [{"Accept_Ranges": "bytes"}, {}, {"Accept_Ranges": "none"}], ids=str)
def test_large_file_is_read_in_parts_if_the_server_can(load: Loader, web: Web, headers: dict[str, str]) -> None:
    content = os.urandom(40 << 20)
    serve = whole(content)

    def answer(handler: Handler) -> None:
        begin: Any = handler.begin
        handler.begin = lambda *args, **more: begin(*args, **more, **headers)  # type: ignore[method-assign]
        serve(handler)

    outcome = load(web.page("/large.bin", answer), web.environment)
    assert outcome.files == {"large.bin": content}
    asked = {found.get("Range") for path, found in web.asked if path == "/large.bin"}
    assert len(asked - {None}) == (3 if headers.get("Accept_Ranges") == "bytes" else 0)
    web.asked.clear()


def test_digest_mismatch_publishes_nothing(load: Loader, web: Web) -> None:
    outcome = load(web.file("/m.bin", MODEL), web.environment, sha256="0" * 64)
    assert (outcome.code, outcome.reason, outcome.files) == (1, "DigestMismatch", {})
    assert DIGEST in outcome.message
    assert not outcome.target.exists()


def test_archive_digest_is_checked_before_unpacking(load: Loader, web: Web) -> None:
    archive = gzip.compress(build_tar({"model/weights.bin": MODEL, "model/config.json": b"{}", "README.md": b"-"}))
    digest = hashlib.sha256(archive).hexdigest()
    url = web.file("/model.tar.gz", archive)
    outcome = load(url, web.environment, sha256=digest, extract="true", ignore_patterns="*.md")
    assert outcome.files == {"model/weights.bin": MODEL, "model/config.json": b"{}"}
    assert load(url, web.environment, sha256="0" * 64, extract="true", key="other").reason == "DigestMismatch"


def test_archive_with_path_traversal_is_refused(load: Loader, web: Web) -> None:
    outcome = load(web.file("/evil.zip", build_zip({"../evil": b"x"})), web.environment, extract="true")
    assert (outcome.reason, outcome.files) == ("UnsupportedKey", {})
    assert not list(load.volume.parent.rglob("evil"))


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (404, "ModelNotFound"),
        (410, "ModelNotFound"),
        (401, "InvalidCredentials"),
        (403, "AccessDenied"),
        (429, "StoreQuotaExceeded"),
        (418, "Unreachable"),
    ],
)
def test_http_status_maps_to_a_reason(load: Loader, web: Web, status: int, reason: str) -> None:
    url = web.page(f"/status/{status}", lambda handler: handler.answer(status))
    # Longer than all attempts take: at the limit itself, the reason may be Timeout.
    outcome = load(url, web.environment, timeout_seconds="30")
    assert (outcome.code, outcome.reason) == (1, reason)
    assert url in outcome.message


def test_token_is_not_sent_to_other_origins(load: Loader, web: Web) -> None:
    """Credentials are not sent to another origin (I3)."""
    target = web.file("/target.bin", MODEL)
    elsewhere = f"https://127.0.0.1:{web.server.server_port}/target.bin"
    login = {**web.environment, "HTTP_BEARER_TOKEN": "token-for-one"}
    assert load(web.redirect("/here", target), login, key="a").files == {"here": MODEL}
    assert load(web.redirect("/there", elsewhere), login, key="b").files == {"there": MODEL}
    own = [headers.get("Authorization") for path, headers in web.asked if path == "/target.bin"]
    hosts = [headers.get("Host", "") for path, headers in web.asked if path == "/target.bin"]
    sent = dict(zip(hosts, own, strict=True))
    assert sent[f"localhost:{web.server.server_port}"] == "Bearer token-for-one"
    assert sent[f"127.0.0.1:{web.server.server_port}"] is None


def test_redirect_limit(load: Loader, web: Web) -> None:
    web.file("/0", MODEL)
    for number in range(1, 7):
        web.redirect(f"/{number}", f"/{number - 1}")
    assert load(f"{web.url}/5", web.environment, key="a").reason == "Loaded"
    outcome = load(f"{web.url}/6", web.environment, key="b")
    assert (outcome.reason, outcome.files) == ("Unreachable", {})
    assert "redirects more than 5 times" in outcome.message


def test_redirects_to_http_are_refused(load: Loader, web: Web, plain_web: Web) -> None:
    outcome = load(web.redirect("/down", plain_web.file("/x", MODEL)), web.environment)
    assert "redirects from https to http" in outcome.message


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest/meta-data", "https://169.254.169.254/", "https://[fe80::1]/x"]
)
def test_redirects_to_metadata_services_are_refused(load: Loader, web: Web, target: str) -> None:
    outcome = load(web.redirect("/meta", target), web.environment)
    assert outcome.code == 1
    assert "refused" in outcome.message


@pytest.mark.parametrize("uri", ["http://localhost:1/x", "https://localhost:1/x", "https://127.0.0.1:1/x"])
def test_loopback_is_refused_unless_allowed(load: Loader, uri: str) -> None:
    outcome = load(uri, allowed_cidrs="")
    assert outcome.code == 1
    assert "which is refused: it is loopback" in outcome.message


def test_plain_http_requires_an_allowed_range(load: Loader, plain_web: Web) -> None:
    assert load(plain_web.file("/m", MODEL), key="a").reason == "Loaded"
    outcome = load("http://example.invalid/m", key="b")
    assert outcome.reason == "Unreachable"


def test_untrusted_certificate_is_refused(load: Loader, web: Web) -> None:
    outcome = load(web.file("/m", MODEL), {})
    assert outcome.reason == "Unreachable"
    assert "certificate" in outcome.message


def test_interrupted_transfer_resumes(load: Loader, web: Web) -> None:
    outcome = load(web.page("/cut", cut(MODEL, 100_000, times=3)), web.environment)
    assert outcome.files == {"cut": MODEL}
    asked = [headers.get("Range") for path, headers in web.asked if path == "/cut"]
    assert asked[-1] == "bytes=100000-"


def test_transfer_restarts_without_range_support(load: Loader, web: Web) -> None:
    first = cut(MODEL, 100_000, times=2)
    plain = whole(MODEL, ranges=False)
    calls = iter(range(100))

    def answer(handler: Handler) -> None:
        (first if next(calls) < 2 else plain)(handler)

    assert load(web.page("/whole", answer), web.environment).files == {"whole": MODEL}


def test_repeatedly_interrupted_transfer_is_reported(load: Loader, web: Web) -> None:
    outcome = load(web.page("/broken", cut(MODEL, 1000, times=100)), web.environment)
    assert (outcome.code, outcome.reason, outcome.files) == (1, "Unreachable", {})


@pytest.mark.parametrize("length", [len(MODEL) + 1000, len(MODEL) - 1000])
def test_wrong_content_length_publishes_nothing(load: Loader, web: Web, length: int) -> None:
    outcome = load(web.page(f"/lie/{length}", lying(MODEL, length)), web.environment, sha256=DIGEST)
    assert (outcome.code, outcome.files) == (1, {})
    assert outcome.reason in {"Unreachable", "DigestMismatch"}


def test_endless_body_stops_at_the_limit(load: Loader, web: Web) -> None:
    outcome = load(web.page("/endless", endless()), web.environment, max_bytes=str(4 << 20))
    assert (outcome.code, outcome.reason, outcome.files) == (1, "TooLarge", {})


def test_busy_server_is_asked_again(load: Loader, web: Web) -> None:
    """The listing and the download are refused once, with both forms of Retry-After."""
    refusals: list[tuple[int, str]] = [(429, "1"), (503, formatdate(time.time() + 2, usegmt=True))]
    good = whole(MODEL)

    def answer(handler: Handler) -> None:
        calls.append(time.monotonic())
        if len(calls) % 2:
            status, value = refusals.pop(0)
            handler.answer(status, Retry_After=value)
        else:
            good(handler)

    calls: list[float] = []
    outcome = load(web.page("/busy", answer), web.environment)
    assert (outcome.code, outcome.files) == (0, {"busy": MODEL}), outcome.log
    assert calls[1] - calls[0] >= 1


def test_announced_oversize_is_refused_early(load: Loader, web: Web) -> None:
    outcome = load(web.file("/large", MODEL), web.environment, max_bytes="1000")
    assert outcome.reason == "TooLarge"
    assert "at most 1000 are allowed" in outcome.message


def test_slow_server_runs_into_the_deadline(load: Loader, web: Web) -> None:
    outcome = load(web.page("/drip", dripping()), web.environment, timeout_seconds="2")
    assert (outcome.code, outcome.reason, outcome.files) == (1, "Timeout", {})
    assert "timeoutSeconds" in outcome.message


def test_file_modified_during_download_is_refused(load: Loader, web: Web) -> None:
    other = os.urandom(len(MODEL))
    url = web.page("/changing", changing([MODEL, other]))
    outcome = load(url, web.environment)
    assert (outcome.code, outcome.reason, outcome.files) == (1, "DigestMismatch", {})
    assert load(url, web.environment).files == {"changing": other}


def test_concurrent_loaders_download_once(load: Loader, web: Web) -> None:
    gate = threading.Event()
    good = whole(MODEL)

    def answer(handler: Handler) -> None:
        gate.wait(10)
        good(handler)

    url = web.page("/shared", answer)
    before = len(web.asked)
    loaders = [load.start(url, web.environment) for _ in range(2)]
    threading.Timer(1.0, gate.set).start()
    outputs = [loader.communicate(timeout=60)[0] for loader in loaders]
    assert [loader.returncode for loader in loaders] == [0, 0]
    assert sorted("Cached" in output for output in outputs) == [False, True]
    assert len([path for path, _ in web.asked[before:] if path == "/shared"]) == 2


def test_proxy_variables_are_ignored(load: Loader, web: Web, plain_web: Web) -> None:
    plain_web.asked.clear()
    proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY", "http_proxy"), plain_web.url)
    assert load(web.file("/direct", MODEL), {**web.environment, **proxies}).reason == "Loaded"
    assert plain_web.asked == []


def versioned(contents: list[bytes], cuts: list[int], headers: list[dict[str, str]]) -> Callable[[Handler], None]:
    """A file that is another one in each transfer, and whose transfers are cut. The first request only asks its size.

    It honors ranges, with the headers of the transfer and none that the client could compare but these.
    """
    calls = iter(range(100))

    def answer(handler: Handler) -> None:
        number = next(calls)
        index = min(max(number - 1, 0), len(contents) - 1)
        content, head = contents[index], headers[min(number, len(headers) - 1)]
        asked = handler.headers.get("Range")
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        if start:
            head = head | {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        handler.begin(206 if start else 200, length=len(content) - start, **head)
        stop = cuts[number - 1] if 0 < number <= len(cuts) else len(content)
        handler.wfile.write(content[start:stop])
        handler.wfile.flush()
        handler.close_connection = True

    return answer


TWO = [b"A" * 300_000, b"B" * 300_000]
UNCERTAIN = {
    "weak ETag": [{"ETag": 'W/"1"'}],
    "ETag that vanishes": [{"ETag": '"1"'}, {"ETag": '"1"'}, {}],
    "ETag that appears": [{"ETag": '"1"'}, {}, {"ETag": '"1"'}],
}


@pytest.mark.parametrize("headers", UNCERTAIN.values(), ids=UNCERTAIN)
def test_parts_of_two_versions_are_never_joined(load: Loader, web: Web, headers: list[dict[str, str]]) -> None:
    """The transfer breaks off, then the content changes, and no validator shows it."""
    outcome = load(web.page("/versions", versioned(TWO, [100_000], headers)), web.environment)
    assert outcome.files in ({}, {"versions": TWO[1]})
    assert (outcome.code == 0) == bool(outcome.files)
    if not outcome.files:
        assert (outcome.reason, "was modified" in outcome.message) == ("DigestMismatch", True)


@pytest.mark.parametrize(
    ("content_range", "reason"),
    [
        ("bytes 0-299999/300000", "Unreachable"),
        ("bytes 100001-299999/300000", "Unreachable"),
        ("bytes 100000-299999/300001", "DigestMismatch"),
        ("bytes 100000-299999", "Unreachable"),
        ("", "Unreachable"),
    ],
)
def test_another_range_is_refused(load: Loader, web: Web, content_range: str, reason: str) -> None:
    """The transfer is cut after 100,000 bytes, and continues with a part that was not requested."""

    def answer(handler: Handler) -> None:
        tag = {"ETag": '"1"'}
        if "Range" in handler.headers:
            handler.answer(206, MODEL[100_000:], Content_Range=content_range, **tag)
        else:
            handler.begin(200, length=len(MODEL), **tag)
            handler.wfile.write(MODEL[:100_000])
            handler.close_connection = True

    outcome = load(web.page("/other-range", answer), web.environment)
    assert (outcome.code, outcome.reason, outcome.files) == (1, reason, {})


def test_transfer_without_a_validator_starts_again(load: Loader, web: Web) -> None:
    outcome = load(web.page("/unversioned", versioned(TWO, [100_000], [{}])), web.environment)
    assert (outcome.code, outcome.files) == (0, {"unversioned": TWO[1]})
    assert [headers.get("Range") for path, headers in web.asked if path == "/unversioned"] == [None] * 3


def test_body_without_an_end_is_refused(load: Loader, web: Web) -> None:
    """Without a length, a body that TLS does not end may be a part of the file."""
    content = build_tar({"model": MODEL})
    url = web.page("/ragged.tar", unannounced(content, marks_end=False))
    outcome = load(url, web.environment, extract="true")
    assert (outcome.code, outcome.reason, outcome.files) == (1, "Unreachable", {})


def test_body_that_tls_ends_is_accepted(load: Loader, web: Web) -> None:
    assert load(web.page("/ended", unannounced(MODEL)), web.environment).files == {"ended": MODEL}


def test_ragged_body_with_its_digest_is_accepted(load: Loader, web: Web) -> None:
    url = web.page("/pinned", unannounced(MODEL, marks_end=False))
    assert load(url, web.environment, sha256=DIGEST).files == {"pinned": MODEL}
    url = web.page("/cut-short", unannounced(MODEL[:-1], marks_end=False))
    outcome = load(url, web.environment, sha256=DIGEST, key="other")
    assert (outcome.reason, outcome.files) == ("DigestMismatch", {})


def test_plain_http_body_needs_a_length_or_a_digest(load: Loader, plain_web: Web) -> None:
    url = plain_web.page("/plain", unannounced(MODEL))
    outcome = load(url)
    assert (outcome.code, outcome.reason, outcome.files) == (1, "Unreachable", {})
    assert "Set model.sha256, or have the server send Content-Length." in outcome.message
    assert load(url, sha256=DIGEST).files == {"plain": MODEL}


def test_page_instead_of_a_model_is_refused(load: Loader, web: Web) -> None:
    """A forge or a login answers 200 with a page."""
    page = b"<!DOCTYPE html>\n<html><title>model.pkl at main</title></html>"
    outcome = load(web.page("/u/r/blob/main/model.pkl", whole(page)), web.environment)
    assert (outcome.code, outcome.reason, outcome.files) == (1, "NotAModel", {})
    assert "/resolve/ or /raw/ instead of /blob/" in outcome.message
    url = web.url + "/u/r/blob/main/model.pkl"
    assert load(url, web.environment, allow_patterns="model.pkl").files == {"model.pkl": page}
