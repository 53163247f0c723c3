"""Removal of credentials from texts (I9)."""

import pytest

from model_loader.redaction import Redactor, redact_url

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
