"""Private certificate authorities: every client of a store trusts the same ones."""

from pathlib import Path

import pytest

from tests.environment.cluster.pki import Authority
from tests.environment.stores.web import Web
from tests.loader.conftest import Loader

MODEL = b"weights"
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
VARIABLES = ("MODEL_CA_BUNDLE", "SSL_CERT_FILE", "AWS_CA_BUNDLE")


@pytest.fixture(scope="module")
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of an authority that issued none of the tests' servers."""
    file = tmp_path_factory.mktemp("authority") / "other.crt"
    file.write_bytes(Authority.create("another authority").pair.certificate)
    return file


@pytest.fixture(params=["https", "s3"])
def store(request: pytest.FixtureRequest, web: Web) -> tuple[str, dict[str, str]]:
    """URI and environment of the same file for each kind of store: one without and one with a listing."""
    if request.param == "https":
        return web.file("/model.bin", MODEL), {}
    web.page("/models/model.bin", lambda handler: handler.answer(200, MODEL, ETag='"1"', Last_Modified=DATE))
    return "s3://models/model.bin", {"AWS_ENDPOINT_URL": web.url}


@pytest.mark.parametrize("variable", VARIABLES)
def test_either_variable_names_trusted_authorities(
    load: Loader, web: Web, store: tuple[str, dict[str, str]], variable: str
) -> None:
    uri, environment = store
    outcome = load(uri, {**environment, variable: str(web.certificates)})
    assert outcome.files == {"model.bin": MODEL}, outcome.log


@pytest.mark.parametrize("variable", VARIABLES)
def test_both_variables_are_trusted_together(
    load: Loader, web: Web, other_authority: Path, store: tuple[str, dict[str, str]], variable: str
) -> None:
    uri, environment = store
    both = dict.fromkeys(VARIABLES, str(other_authority)) | {variable: str(web.certificates)}
    outcome = load(uri, {**environment, **both})
    assert outcome.files == {"model.bin": MODEL}, outcome.log


def test_other_authority_is_not_trusted(load: Loader, other_authority: Path, store: tuple[str, dict[str, str]]) -> None:
    uri, environment = store
    outcome = load(uri, {**environment, **dict.fromkeys(VARIABLES, str(other_authority))})
    assert (outcome.code, outcome.reason) == (1, "Unreachable")


def test_file_without_certificates_is_reported(load: Loader, tmp_path: Path, store: tuple[str, dict[str, str]]) -> None:
    uri, environment = store
    file = tmp_path / "empty.crt"
    file.write_text("no certificate")
    outcome = load(uri, {**environment, "AWS_CA_BUNDLE": str(file)})
    assert (outcome.code, outcome.reason) == (1, "LoaderFailed")
    assert outcome.message.startswith(f"AWS_CA_BUNDLE names {file}, which contains no certificate")


def test_damaged_certificate_is_reported(load: Loader, web: Web, tmp_path: Path) -> None:
    file = tmp_path / "damaged.crt"
    file.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    outcome = load(web.file("/model.bin", MODEL), {"MODEL_CA_BUNDLE": str(file)})
    assert (outcome.code, outcome.reason) == (1, "LoaderFailed")
    assert "damaged certificate" in outcome.message
