"""Certificates of a directory and their replacement, by real TLS handshakes; and the endpoint that uses them."""

import asyncio
import logging
import ssl
import subprocess
import sys
from asyncio import to_thread
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path

import pytest

from modelservice_operator.errors import CertificateError
from modelservice_operator.manager import serving_certificate
from modelservice_operator.manager.metrics_access import ALLOWED, NO_TOKEN, TOO_MANY, UNDECIDED, Decision
from modelservice_operator.manager.metrics_server import serve_metrics
from modelservice_operator.manager.serving_certificate import ServingCertificate
from tests.environment.cluster.pki import Authority
from tests.support.health import free_port
from tests.support.secure_metrics import MountedSecret, scrape, trusting, without_verification


@pytest.fixture
def secret(tmp_path: Path) -> MountedSecret:
    return MountedSecret(tmp_path / "certificate")


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_certificate, "RELOAD_INTERVAL", 0.01)


@asynccontextmanager
async def serving(certificate: ServingCertificate, decision: Decision = ALLOWED) -> AsyncIterator[int]:
    """Yield the port of an endpoint that decides always the same."""

    async def decide(_: str) -> Decision:
        return decision

    port = free_port()
    async with serve_metrics(port, certificate, decide):
        yield port


async def is_trusted(port: int, authority: Authority) -> bool:
    try:
        return (await to_thread(scrape, port, tls=trusting(authority))).status == HTTPStatus.OK
    except ssl.SSLCertVerificationError:
        return False


async def wait_for(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.01)


async def wait_until_trusted(port: int, authority: Authority) -> None:
    await wait_for(partial(is_trusted, port, authority))


async def test_metrics_are_served_with_the_certificate_of_a_directory(secret: MountedSecret) -> None:
    authority, other = Authority.create("a"), Authority.create("b")
    secret.issue(authority)
    async with serving(ServingCertificate(secret.path)) as port:
        assert await is_trusted(port, authority)
        assert not await is_trusted(port, other)
        assert "\nworkqueue_adds_total" in (await to_thread(scrape, port)).text
        assert (await to_thread(scrape, port, path="/healthz")).status == HTTPStatus.NOT_FOUND
        assert (await to_thread(scrape, port, method="POST")).status == HTTPStatus.METHOD_NOT_ALLOWED


@pytest.mark.usefixtures("often")
async def test_replaced_certificate_is_used(secret: MountedSecret) -> None:
    before, after = Authority.create("a"), Authority.create("b")
    secret.issue(before)
    async with serving(ServingCertificate(secret.path)) as port:
        assert await is_trusted(port, before)
        secret.issue(after)
        await wait_until_trusted(port, after)
        assert not await is_trusted(port, before)


@pytest.mark.usefixtures("often")
async def test_damaged_certificate_is_not_used(secret: MountedSecret, caplog: pytest.LogCaptureFixture) -> None:
    authority, after = Authority.create("a"), Authority.create("b")
    pair, other = (after.issue("x", names=("127.0.0.1",)) for _ in range(2))
    secret.issue(authority)
    damaged = [
        {"tls.crt": pair.certificate, "tls.key": other.key},
        {"tls.crt": b"-----BEGIN", "tls.key": pair.key},
        {"tls.crt": pair.certificate},
        {"tls.crt": b"", "tls.key": b""},
    ]
    async with serving(ServingCertificate(secret.path)) as port:
        for files in damaged:
            warnings = len(caplog.records)
            secret.write(files)

            async def is_reported(before: int = warnings) -> bool:
                return len(caplog.records) > before

            await wait_for(is_reported)
            assert await is_trusted(port, authority)
        secret.issue(after)
        await wait_until_trusted(port, after)
    kept = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(kept) == len(damaged)
    assert all(record.getMessage().startswith("The certificate in use is kept: ") for record in kept)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"Cannot read .*tls\.crt: No such file or directory\. The directory of --metrics-cert-path needs"),
        ({"tls.crt": b"x", "tls.key": b"x"}, r"The certificate or key in .* is damaged, or they do not match"),
    ],
    ids=["missing", "damaged"],
)
def test_start_without_a_valid_certificate_is_refused(
    secret: MountedSecret, files: dict[str, bytes], message: str
) -> None:
    secret.write(files)
    with pytest.raises(CertificateError, match=message):
        ServingCertificate(secret.path)


def test_encrypted_key_does_not_ask_for_a_password(secret: MountedSecret) -> None:
    pair = Authority.create("a").issue("x", names=("127.0.0.1",))
    encrypted = subprocess.run(
        [sys.executable, "-c", _ENCRYPT], input=pair.key, capture_output=True, check=True, timeout=60
    ).stdout
    secret.write({"tls.crt": pair.certificate, "tls.key": encrypted})
    with pytest.raises(CertificateError):
        ServingCertificate(secret.path)


_ENCRYPT = """
import sys
from cryptography.hazmat.primitives import serialization as s
key = s.load_pem_private_key(sys.stdin.buffer.read(), None)
form = s.PrivateFormat.PKCS8
sys.stdout.buffer.write(key.private_bytes(s.Encoding.PEM, form, s.BestAvailableEncryption(b"password")))
"""


async def test_self_signed_certificate_is_for_encryption_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        certificate = ServingCertificate(None)
    assert "Serving /metrics with a self-signed certificate, which clients cannot verify" in caplog.text
    async with serving(certificate) as port:
        assert (await to_thread(scrape, port)).status == HTTPStatus.OK
        with pytest.raises(ssl.SSLCertVerificationError):
            await to_thread(scrape, port, tls=ssl.create_default_context())


async def test_old_versions_of_tls_are_refused(secret: MountedSecret) -> None:
    secret.issue(Authority.create("a"))
    old = without_verification()
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        old.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with serving(ServingCertificate(secret.path)) as port:
        with pytest.raises(ssl.SSLError):
            await to_thread(scrape, port, tls=old)


@pytest.mark.parametrize(
    ("decision", "header", "value"),
    [(NO_TOKEN, "WWW-Authenticate", "Bearer"), (UNDECIDED, "Retry-After", "5"), (TOO_MANY, "Retry-After", "5")],
    ids=["no token", "undecided", "too many"],
)
async def test_refusal_is_a_sentence(secret: MountedSecret, decision: Decision, header: str, value: str) -> None:
    secret.issue(Authority.create("a"))
    async with serving(ServingCertificate(secret.path), decision) as port:
        answer = await to_thread(scrape, port)
    assert (answer.status, answer.text) == (decision.status, f"{decision.message}\n")
    assert answer.headers[header] == value


def test_certificate_that_cannot_be_generated_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/does/not/exist")
    with pytest.raises(CertificateError, match=r"Cannot generate a certificate .* Set --metrics-cert-path"):
        ServingCertificate(None)


def test_key_is_not_in_the_repr(secret: MountedSecret) -> None:
    secret.issue(Authority.create("a"))
    assert "PRIVATE" not in repr(vars(ServingCertificate(secret.path)))


def test_operator_does_not_import_cryptography() -> None:
    """It would take 17 MiB, also with a self-signed certificate."""
    script = (
        "import sys; sys.modules['kubernetes'] = None; import modelservice_operator.cli.run;"
        " from modelservice_operator.manager.serving_certificate import ServingCertificate; ServingCertificate(None);"
        " print('cryptography' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout == "False\n"
