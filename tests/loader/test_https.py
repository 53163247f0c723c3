"""https: a file, an archive, redirects; and servers that lie, stall, break off or lead astray (I1-I3, I6, I7, I12)."""

import gzip
import hashlib
import os
import threading

import pytest

from tests.environment.stores.web import Handler, Web, changing, cut, dripping, endless, lying, whole
from tests.loader.conftest import Loader
from tests.unit.loader.test_archives import a_tar, a_zip

MODEL = os.urandom(300_000)
DIGEST = hashlib.sha256(MODEL).hexdigest()


def test_a_file_is_fetched_verified_and_named(load: Loader, web: Web) -> None:
    url = web.file("/models/iris%20v3.bin", MODEL)
    outcome = load(url, web.environment, sha256=DIGEST)
    assert (outcome.code, outcome.reason, outcome.files) == (0, "Loaded", {"iris v3.bin": MODEL})
    assert outcome.report["digest"] == f"sha256:{DIGEST}"
    assert load.left_overs() == []
    before = len(web.asked)
    assert load(url, web.environment, sha256=DIGEST).reason == "Cached"
    assert len(web.asked) == before


def test_another_digest_is_refused_and_nothing_is_visible(load: Loader, web: Web) -> None:
    outcome = load(web.file("/m.bin", MODEL), web.environment, sha256="0" * 64)
    assert (outcome.code, outcome.reason, outcome.files) == (1, "DigestMismatch", {})
    assert DIGEST in outcome.message
    assert not outcome.to.exists()


def test_an_archive_is_unpacked_and_compared_as_it_was_fetched(load: Loader, web: Web) -> None:
    archive = gzip.compress(a_tar({"model/weights.bin": MODEL, "model/config.json": b"{}", "README.md": b"-"}))
    digest = hashlib.sha256(archive).hexdigest()
    url = web.file("/model.tar.gz", archive)
    outcome = load(url, web.environment, sha256=digest, extract="true", ignore_patterns="*.md")
    assert outcome.files == {"model/weights.bin": MODEL, "model/config.json": b"{}"}
    assert load(url, web.environment, sha256="0" * 64, extract="true", key="other").reason == "DigestMismatch"


def test_an_archive_that_leads_outside_is_refused(load: Loader, web: Web) -> None:
    outcome = load(web.file("/evil.zip", a_zip({"../evil": b"x"})), web.environment, extract="true")
    assert (outcome.reason, outcome.files) == ("UnsupportedKey", {})
    assert not list(load.folder.parent.rglob("evil"))


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
def test_what_the_server_says_is_told(load: Loader, web: Web, status: int, reason: str) -> None:
    url = web.page(f"/status/{status}", lambda handler: handler.answer(status))
    outcome = load(url, web.environment)
    assert (outcome.code, outcome.reason) == (1, reason)
    assert url in outcome.message


def test_a_token_goes_to_its_own_origin_alone(load: Loader, web: Web) -> None:
    """I3: no credential to another origin."""
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


def test_redirects_end(load: Loader, web: Web) -> None:
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
def test_what_is_not_admitted_is_not_connected_to(load: Loader, uri: str) -> None:
    outcome = load(uri, allowed_cidrs="")
    assert outcome.code == 1
    assert "which is refused: it is loopback" in outcome.message


def test_a_private_range_must_be_admitted_for_plain_http(load: Loader, plain_web: Web) -> None:
    assert load(plain_web.file("/m", MODEL), key="a").reason == "Loaded"
    outcome = load("http://example.invalid/m", key="b")
    assert outcome.reason == "Unreachable"


def test_a_certificate_of_a_stranger_is_refused(load: Loader, web: Web) -> None:
    outcome = load(web.file("/m", MODEL), {})
    assert outcome.reason == "Unreachable"
    assert "certificate" in outcome.message


def test_a_broken_transfer_is_gone_on_with(load: Loader, web: Web) -> None:
    outcome = load(web.page("/cut", cut(MODEL, 100_000, times=3)), web.environment)
    assert outcome.files == {"cut": MODEL}
    asked = [headers.get("Range") for path, headers in web.asked if path == "/cut"]
    assert asked[-1] == "bytes=100000-"


def test_a_server_that_knows_no_ranges_is_read_anew(load: Loader, web: Web) -> None:
    first = cut(MODEL, 100_000, times=2)
    plain = whole(MODEL, ranges=False)
    calls = iter(range(100))

    def answer(handler: Handler) -> None:
        (first if next(calls) < 2 else plain)(handler)

    assert load(web.page("/whole", answer), web.environment).files == {"whole": MODEL}


def test_a_transfer_that_always_breaks_is_told(load: Loader, web: Web) -> None:
    outcome = load(web.page("/broken", cut(MODEL, 1000, times=100)), web.environment)
    assert (outcome.code, outcome.reason, outcome.files) == (1, "Unreachable", {})


@pytest.mark.parametrize("length", [len(MODEL) + 1000, len(MODEL) - 1000])
def test_a_length_that_lies_publishes_nothing_wrong(load: Loader, web: Web, length: int) -> None:
    outcome = load(web.page(f"/lie/{length}", lying(MODEL, length)), web.environment, sha256=DIGEST)
    assert (outcome.code, outcome.files) == (1, {})
    assert outcome.reason in {"Unreachable", "DigestMismatch"}


def test_a_body_without_an_end_is_cut_at_the_limit(load: Loader, web: Web) -> None:
    outcome = load(web.page("/endless", endless()), web.environment, max_bytes=str(4 << 20))
    assert (outcome.code, outcome.reason, outcome.files) == (1, "TooLarge", {})


def test_a_file_that_is_announced_too_large_is_not_begun(load: Loader, web: Web) -> None:
    outcome = load(web.file("/large", MODEL), web.environment, max_bytes="1000")
    assert outcome.reason == "TooLarge"
    assert "at most 1000 are allowed" in outcome.message


def test_a_server_that_drips_runs_into_the_deadline(load: Loader, web: Web) -> None:
    outcome = load(web.page("/drip", dripping()), web.environment, timeout_seconds="2")
    assert (outcome.code, outcome.reason, outcome.files) == (1, "Timeout", {})
    assert "timeoutSeconds" in outcome.message


def test_a_file_that_changes_meanwhile_is_not_mixed(load: Loader, web: Web) -> None:
    other = os.urandom(len(MODEL))
    url = web.page("/changing", changing([MODEL, other]))
    outcome = load(url, web.environment)
    assert (outcome.code, outcome.reason, outcome.files) == (1, "DigestMismatch", {})
    assert load(url, web.environment).files == {"changing": other}


def test_two_loaders_of_one_folder_fetch_once(load: Loader, web: Web) -> None:
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


def test_proxies_of_a_secret_are_not_used(load: Loader, web: Web, plain_web: Web) -> None:
    plain_web.asked.clear()
    proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY", "http_proxy"), plain_web.url)
    assert load(web.file("/direct", MODEL), {**web.environment, **proxies}).reason == "Loaded"
    assert plain_web.asked == []
