"""The contract of the environment, and what must not be seen of it."""

from pathlib import Path

import pytest

from model_loader.errors import LoaderError, Reason
from model_loader.redaction import Redactor, redact_url
from model_loader.report import Report
from model_loader.request import Request, parse_networks

GIVEN = {"MODEL_URI": "s3://a/b", "MODEL_PATH": "/cache/key"}


def test_the_contract_is_read() -> None:
    request = Request.from_environment(
        GIVEN
        | {
            "MODEL_REVISION": "main",
            "MODEL_SHA256": "0" * 64,
            "MODEL_ALLOW_PATTERNS": "*.bin\n*.json",
            "MODEL_IGNORE_PATTERNS": "x*",
            "MODEL_EXTRACT": "true",
            "MODEL_MAX_BYTES": "7",
            "MODEL_MAX_FILES": "3",
            "MODEL_TIMEOUT_SECONDS": "5",
            "MODEL_ALLOWED_CIDRS": "10.0.0.0/8 fc00::/7",
        }
    )
    assert (request.target, request.revision, request.extract) == (Path("/cache/key"), "main", True)
    assert (request.limits.max_bytes, request.limits.max_files, request.limits.timeout_seconds) == (7, 3, 5)
    assert len(request.allowed_networks) == 2
    assert [request.is_selected(path) for path in ("a/b.bin", "c.json", "x.bin", "d.md")] == [True, True, False, False]


def test_empty_variables_are_as_if_they_were_not_there() -> None:
    request = Request.from_environment(GIVEN | dict.fromkeys(("MODEL_REVISION", "MODEL_SHA256", "MODEL_MAX_FILES"), ""))
    assert (request.revision, request.sha256) == (None, None)
    assert request.is_selected("anything")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"MODEL_URI": ""}, "MODEL_URI must be set"),
        ({"MODEL_PATH": ""}, "MODEL_PATH must be set"),
        ({"MODEL_URI": "ftp://a/b"}, "it must begin with one of s3, gs"),
        ({"MODEL_URI": "/a/b"}, "it must begin with one of"),
        ({"MODEL_URI": "s3://a/b c"}, "spaces or control characters"),
        ({"MODEL_MAX_BYTES": "-1"}, "must be a positive whole number"),
        ({"MODEL_TIMEOUT_SECONDS": "soon"}, "must be a positive whole number"),
        ({"MODEL_ALLOWED_CIDRS": "10.0.0.1/8"}, "Invalid address range"),
    ],
)
def test_what_cannot_be_read_is_told(changes: dict[str, str], words: str) -> None:
    with pytest.raises(LoaderError, match=words):
        Request.from_environment(GIVEN | changes)


def test_ranges_are_read() -> None:
    assert [str(network) for network in parse_networks(["10.0.0.0/8"])] == ["10.0.0.0/8"]


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
def test_credentials_are_hidden_wherever_they_are(value: str) -> None:
    assert "canary" not in Redactor.from_environment(SECRETS).redact(f"the store said: {value!s} is wrong")


@pytest.mark.parametrize(
    "text",
    [
        "https://me:canary@example.com/a",
        "GET https://example.com/a?X-Amz-Signature=canary failed",
        "s3://canary@bucket/a",
        "(https://a.example/b?sig=canary)",
    ],
)
def test_urls_lose_what_may_be_a_credential(text: str) -> None:
    assert "canary" not in Redactor().redact(text)
    assert "example" in Redactor().redact(text) or "bucket" in Redactor().redact(text)


def test_a_uri_is_shown_without_its_credentials() -> None:
    assert redact_url("https://u:p@h:1/a?b=c#d") == "https://h:1/a"


def test_a_report_is_one_line_that_fits() -> None:
    report = Report.from_error(LoaderError(Reason.TIMEOUT, "x\n" * 9000), uri="s3://" + "a" * 5000, seconds=1.234)
    to_json_line = report.to_json_line(Redactor().redact)
    assert "\n" not in to_json_line
    assert len(to_json_line.encode()) < 4096
