"""https: files, archives and redirects, and servers that are faulty, slow or hostile (I1-I3, I6, I7, I12)."""

import gzip
import hashlib
import os
import threading

import pytest

from tests.environment.stores.web import Handler, Web, changing, cut, dripping, endless, lying, whole
from tests.loader.conftest import Loader
from tests.unit.loader.test_archives import build_tar, build_zip

MODEL = os.urandom(300_000)
DIGEST = hashlib.sha256(MODEL).hexdigest()


def test_file_is_downloaded_and_verified(load: Loader, web: Web) -> None:
    url = web.file("/models/iris%20v3.bin", MODEL)
    outcome = load(url, web.environment, sha256=DIGEST)
    assert (outcome.code, outcome.reason, outcome.files) == (0, "Loaded", {"iris v3.bin": MODEL})
    assert outcome.report["digest"] == f"sha256:{DIGEST}"
    assert load.partial_directories() == []
    before = len(web.asked)
    assert load(url, web.environment, sha256=DIGEST).reason == "Cached"
    assert len(web.asked) == before


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
    outcome = load(url, web.environment)
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
