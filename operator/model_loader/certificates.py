"""Certificate authorities of private stores."""

from collections.abc import Mapping
from pathlib import Path

from model_loader.errors import LoaderError, Reason

_VARIABLES = ("SSL_CERT_FILE", "AWS_CA_BUNDLE")


def read_ca_bundle(environment: Mapping[str, str]) -> bytes:
    """Return the PEM certificates of SSL_CERT_FILE and AWS_CA_BUNDLE; empty if neither names a file.

    All clients of stores trust them in addition to the authorities of the system. Raises LoaderError for a file
    without a certificate.
    """
    files = {name: Path(file) for name in _VARIABLES if (file := environment.get(name))}
    return b"\n".join(_read_pem(name, file) for name, file in files.items() if file.is_file())


def _read_pem(name: str, file: Path) -> bytes:
    content = file.read_bytes()
    if b"CERTIFICATE-----" not in content:
        message = f"{name} names {file}, which contains no certificate: it must be a file of PEM certificates."
        raise LoaderError(Reason.LOADER_FAILED, message)
    return content
