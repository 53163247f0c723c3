"""Removal of credentials from texts (I9)."""

import io
import json
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_loader.errors import LoaderError, Reason
from model_loader.progress import JsonLogger
from model_loader.redaction import Redactor, redact_url
from model_loader.report import Report

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "canary-aws+/=",
    "AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=canary-sas",
    "HF_TOKEN": "hf_canary",
    "MLFLOW_TRACKING_PASSWORD": "canary-mlflow",
    "GOOGLE_SERVICE_ACCOUNT_KEY": '{\n "private_key": "canary-google"\n}',
    ".dockerconfigjson": '{"auths": {"r": {"auth": "canary-docker"}}}',
}


@pytest.mark.parametrize(
    "value",
    [to_json_line.strip() for text in SECRETS.values() for to_json_line in text.splitlines() if len(to_json_line) > 5],
)
def test_credentials_are_redacted(value: str) -> None:
    assert "canary" not in Redactor.from_environment(SECRETS).redact(f"the store rejected {value!s}")


@pytest.mark.parametrize(
    "text",
    [
        "https://me:canary@example.com/a",
        "GET https://example.com/a?X-Amz-Signature=canary failed",
        "s3://canary@bucket/a",
        "(https://a.example/b?sig=canary)",
    ],
)
def test_credentials_in_urls_are_redacted(text: str) -> None:
    assert "canary" not in Redactor().redact(text)
    assert "example" in Redactor().redact(text) or "bucket" in Redactor().redact(text)


def test_redact_url_keeps_scheme_host_and_path() -> None:
    assert redact_url("https://u:p@h:1/a?b=c#d") == "https://h:1/a"


def test_redact_url_of_a_broken_url_hides_credentials() -> None:
    assert redact_url("https://u:p@[h/a?b=c#d") == "https://[h/a"


def basic(secret: str) -> str:
    return b64encode(f"user:{secret}".encode()).decode()


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "in a URL": lambda secret: urlunsplit(urlsplit(f"x://h/{secret}")).removeprefix("x://h/"),
    "JSON": json.dumps,
    "Python": repr,
    "percent-encoded": lambda secret: quote(secret, safe=""),
    "path": quote,
    "form": quote_plus,
    "lower case": lambda secret: quote(secret, safe="").replace("%2F", "%2f").replace("%3D", "%3d"),
    "Basic": basic,
    "Base64": lambda secret: b64encode(secret.encode()).decode(),
    "Base64 inside": lambda secret: b64encode(f"ab{secret}yz".encode()).decode(),
    "URL-safe Base64": lambda secret: urlsafe_b64encode(f"a{secret}".encode()).decode(),
}
SECRET_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=6).map(
    lambda text: f'cana\t{text}ry"\\/=+ x'
)


@given(SECRET_TEXTS, st.sampled_from(sorted(FORMS)))
def test_every_form_of_a_secret_is_redacted(secret: str, form: str) -> None:
    """Neither a log line nor the report contains a secret that a server repeats in any form."""
    reflected = FORMS[form](secret)
    redact = Redactor.from_environment({"HF_TOKEN": secret}).redact
    stream = io.StringIO()
    JsonLogger(stream, redact).log_event("resolved", uri=f"hf://{reflected} a", files=1)
    error = LoaderError(Reason.UNREACHABLE, f"The store sent {reflected} instead.")
    line = Report.from_error(error, uri=f"https://h/{reflected}", seconds=1).to_json_line(redact)
    for text in (json.loads(stream.getvalue())["uri"], *json.loads(line).values()):
        assert reflected.strip("\"'") not in str(text)
        assert "cana" not in str(text)
        assert basic(secret)[8:-8] not in str(text)


DOCKER_FIELDS = ("auth", "password", "identitytoken", "registrytoken", "username")


@pytest.mark.parametrize("field", DOCKER_FIELDS)
@pytest.mark.parametrize("form", sorted(FORMS))
def test_values_in_a_docker_config_are_redacted(field: str, form: str) -> None:
    value = "canary-in-docker"
    redactor = Redactor.from_environment({".dockerconfigjson": json.dumps({"auths": {"r": {field: value}}})})
    assert FORMS[form](value).strip("\"'") not in redactor.redact(f"a {FORMS[form](value)} b")


def test_password_in_a_docker_login_is_redacted() -> None:
    config = json.dumps({"auths": {"r": {"auth": basic("canary-password")}}})
    redact = Redactor.from_environment({".dockerconfigjson": config}).redact
    assert "canary" not in redact("user:canary-password and canary-password")
    assert basic("canary-password") not in redact(f"Basic {basic('canary-password')}")


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"AZURE_STORAGE_SAS_TOKEN": "sv=1&spr=https&sig=canary%2Fsig"}, "canary/sig canary%2Fsig"),
        ({"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps({"private_key": "-----A\ncanary-line\n"})}, "got canary-line"),
        ({"OCI_PASSWORD": "canry"}, "the password canry is wrong"),
    ],
)
def test_parts_of_a_secret_are_redacted(environment: dict[str, str], text: str) -> None:
    redacted = Redactor.from_environment(environment).redact(text)
    assert "canary" not in redacted
    assert "canry" not in redacted


def test_ordinary_words_are_kept() -> None:
    secrets = {"HF_TOKEN_COUNT": "1", "AZURE_STORAGE_SAS_TOKEN": "sv=1&spr=https&sp=rl&sig=x", "MLFLOW_USERNAME": "ann"}
    text = "Loaded 1 file from https://annex.example/a"
    assert Redactor.from_environment(secrets).redact(text) == text
    assert Redactor(["\n" * 9, "a\n\n\n\n\n", " \t\r\n" * 3]).redact(text) == text


@pytest.mark.parametrize("separator", ["?", "#", "@", "/", "?#", "\n", "%3F", "%23", "%40"])
@pytest.mark.parametrize("place", ["https://h/{}", "https://{}", "https://u:{}@h/p", "ftp://h/a?b={}", "{}"])
def test_parts_of_a_secret_in_a_cut_url_are_redacted(separator: str, place: str) -> None:
    """Sources print a URL without user name, query and fragment, which cuts a secret that a server repeats in it."""
    secret = f"canary-one{separator}canary-two"
    redact = Redactor.from_environment({"HF_TOKEN": secret}).redact
    assert "canary" not in redact(redact_url(place.format(secret)))
    assert "canary" not in redact(redact_url(place.format(quote(secret, safe=""))))
    config = json.dumps({"auths": {"r.io": {"auth": b64encode(f"user:{secret}".encode()).decode()}}})
    redact = Redactor.from_environment({".dockerconfigjson": config}).redact
    assert "canary" not in redact(redact_url(place.format(secret)))


def test_long_secret_costs_little_until_it_is_found() -> None:
    """A key file has thousands of characters, and each load begins with them."""
    secret = "canary+/" * 8192
    started = time.process_time()
    redactor = Redactor.from_environment({"AWS_SESSION_TOKEN": secret})
    assert redactor.redact("Loaded 3 files.") == "Loaded 3 files."
    assert time.process_time() - started < 0.5
    assert "canary" not in redactor.redact(f"got {secret} and {quote(secret, safe='')}")


def test_start_of_a_cut_secret_is_redacted() -> None:
    """Messages quote only the first characters of a long name."""
    redact = Redactor(["canary/" * 100]).redact
    for size in (16, 100, 699):
        assert redact(f"the file {('canary/' * 100)[:size]!r} is") == "the file '[hidden]' is"


def test_added_secret_is_redacted() -> None:
    redactor = Redactor(["canary-one"])
    redactor.add("canary-two", "canary-one-longer")
    assert redactor.redact("canary-one canary-two canary-one-longer") == "[hidden] [hidden] [hidden]"


def test_directory_of_the_credentials_is_not_hidden() -> None:
    redactor = Redactor.from_environment({"MODEL_CREDENTIALS_DIR": "/model-credentials/of/the/pod"})
    assert redactor.redact("/model-credentials/of/the/pod/KEY") == "/model-credentials/of/the/pod/KEY"
