"""The authorities that all clients of stores trust."""

from pathlib import Path

import pytest

from model_loader.certificates import read_ca_bundle
from model_loader.errors import LoaderError
from model_loader.http_client import build_tls_context
from tests.environment.cluster.pki import Authority


@pytest.fixture
def authorities(tmp_path: Path) -> dict[str, str]:
    """One authority for each variable; a comment of each file is not in ASCII."""
    environment = {}
    for name in ("MODEL_CA_BUNDLE", "SSL_CERT_FILE", "AWS_CA_BUNDLE"):
        file = tmp_path / name
        file.write_bytes("# Autorität\n".encode() + Authority.create(name).pair.certificate)
        environment[name] = str(file)
    return environment


def test_bundle_holds_the_files_of_all_variables(authorities: dict[str, str]) -> None:
    bundle = read_ca_bundle(authorities)
    assert all(Path(file).read_bytes() in bundle for file in authorities.values())
    assert read_ca_bundle({}) == b""
    assert read_ca_bundle({"SSL_CERT_FILE": "/no/such/file"}) == b""


def test_http_client_trusts_all_of_them(authorities: dict[str, str]) -> None:
    trusted = str(build_tls_context(authorities).get_ca_certs())
    assert all(f"(('commonName', '{name}'),)" in trusted for name in authorities)


def test_file_without_certificates_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "empty.crt"
    file.write_text("no certificate")
    with pytest.raises(LoaderError, match=f"AWS_CA_BUNDLE names {file}, which contains no certificate"):
        read_ca_bundle({"AWS_CA_BUNDLE": str(file)})
