"""Certificate authorities of private stores."""

from collections.abc import Mapping
from pathlib import Path

from model_loader.errors import LoaderError, Reason

_REQUIRED = "MODEL_CA_BUNDLE"
"""File of the administrator (--loader-ca-bundle)."""
_VARIABLES = (_REQUIRED, "SSL_CERT_FILE", "AWS_CA_BUNDLE")


def read_ca_bundle(environment: Mapping[str, str]) -> bytes:
    """Return the PEM certificates of MODEL_CA_BUNDLE, SSL_CERT_FILE and AWS_CA_BUNDLE; empty if none is a file.

    All clients of stores trust them in addition to the authorities of the system. Raises LoaderError for a file
    without a certificate, and if MODEL_CA_BUNDLE does not exist.
    """
    files = {name: Path(file) for name in _VARIABLES if (file := environment.get(name))}
    return b"\n".join(_read_pem(name, file) for name, file in files.items() if file.is_file() or name == _REQUIRED)


def _read_pem(name: str, file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise LoaderError(
            Reason.LOADER_FAILED, f"{name} names {file}, which cannot be read: {error.strerror}."
        ) from None
    if b"CERTIFICATE-----" not in content:
        message = f"{name} names {file}, which contains no certificate: it must be a file of PEM certificates."
        raise LoaderError(Reason.LOADER_FAILED, message)
    return content
