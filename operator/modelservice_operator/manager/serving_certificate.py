"""The certificate of a port of this process: from a directory, and read again when it changes, or self-signed."""

import asyncio
import logging
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from modelservice_operator.errors import CertificateError

logger = logging.getLogger(__name__)

RELOAD_INTERVAL = 10.0
"""Seconds between two reads of the files (controller-runtime, pkg/certwatcher)."""
_GENERATE_SECONDS = 60.0
CERTIFICATE_FILE, KEY_FILE = "tls.crt", "tls.key"
"""Names in a Secret of the type kubernetes.io/tls, as of cert-manager."""
_KUBELET_LINK = "..data"
"""Link to the directory of the current version of a mounted Secret (kubelet, volume/util/atomic_writer.go)."""


class KeyPair(NamedTuple):
    """A certificate, with intermediate ones, and its key. Both are PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        """Do not show the key."""
        return "KeyPair(...)"


class ServingCertificate:
    """The TLS context of a server. Another certificate is used for new connections; open ones stay."""

    def __init__(self, directory: Path | None) -> None:
        """Raises CertificateError if the directory has no valid certificate with its key."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._directory = directory
        self._failure = ""
        self._current = _read(directory) if directory is not None else _generate()
        _validate(self._current, directory)
        _load(self.context, self._current)

    async def watch(self) -> None:
        """Read the files again every RELOAD_INTERVAL, until cancelled. A self-signed certificate stays."""
        while self._directory is not None:
            await asyncio.sleep(RELOAD_INTERVAL)
            await self._reload(self._directory)

    async def _reload(self, directory: Path) -> None:
        try:
            found = await asyncio.to_thread(_read, directory)
            if found == self._current:
                return
            _validate(found, directory)
        except CertificateError as error:
            # Once: files that are damaged stay so until they are written again.
            level = logging.DEBUG if str(error) == self._failure else logging.WARNING
            logger.log(level, "The certificate in use is kept: %s", error, extra={"reason": "CertificateInvalid"})
            self._failure = str(error)
            return
        _load(self.context, found)
        self._current, self._failure = found, ""
        logger.info(
            "Certificate in %s changed; new connections use it", directory, extra={"reason": "CertificateChanged"}
        )


def _read(directory: Path) -> KeyPair:
    """Read both files of one version. Raises CertificateError."""
    link = directory / _KUBELET_LINK
    folder = link.resolve() if link.is_symlink() else directory
    try:
        return KeyPair((folder / CERTIFICATE_FILE).read_bytes(), (folder / KEY_FILE).read_bytes())
    except OSError as error:
        raise CertificateError(
            f"Cannot read {error.filename}: {error.strerror}. The directory of --metrics-cert-path needs"
            f" {CERTIFICATE_FILE} and {KEY_FILE}, as a Secret of the type kubernetes.io/tls has them."
        ) from error


def _generate() -> KeyPair:
    """Return a self-signed certificate. Raises CertificateError.

    A separate process signs it: the library takes 17 MiB of memory, and nothing else of the operator needs it. The key
    comes through a pipe, and is never written to a disk.
    """
    command = [sys.executable, "-m", "modelservice_operator.manager.self_signed"]
    try:
        found = subprocess.run(command, capture_output=True, check=True, timeout=_GENERATE_SECONDS)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise CertificateError(
            f"Cannot generate a certificate for /metrics: {error}. Set --metrics-cert-path to a directory with one."
        ) from error
    certificate, _, key = found.stdout.partition(b"\0")
    logger.info(
        "Serving /metrics with a self-signed certificate, which clients cannot verify: set --metrics-cert-path",
        extra={"reason": "CertificateGenerated"},
    )
    return KeyPair(certificate, key)


def _validate(pair: KeyPair, directory: Path | None) -> None:
    """Load the pair into another context: the one in use must never have half of it. Raises CertificateError."""
    try:
        _load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), pair)
    except (ssl.SSLError, ValueError) as error:
        raise CertificateError(
            f"The certificate or key in {directory} is damaged, or they do not match ({error}): replace"
            f" {CERTIFICATE_FILE} and {KEY_FILE}."
        ) from error


def _load(context: ssl.SSLContext, pair: KeyPair) -> None:
    with _as_file(pair.certificate) as certificate, _as_file(pair.key) as key:
        # An encrypted key would ask for its password on the terminal.
        context.load_cert_chain(certificate, key, password="")


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Yield a path to bytes in memory (memfd_create(2)): the standard library reads certificates from files only."""
    with os.fdopen(os.memfd_create("certificate"), "wb", buffering=0) as file:
        file.write(content)
        yield f"/proc/self/fd/{file.fileno()}"
