"""The report in the termination message, of which Kubernetes keeps 4096 bytes."""

import json
from pathlib import Path

import pytest
from hypothesis import given

from model_loader.errors import LoaderError, Reason
from model_loader.redaction import Redactor
from model_loader.report import Report, write_termination_message
from model_loader.text import decode_json
from tests.support.hostile_text import HOSTILE_TEXTS, is_clean


def test_report_is_one_line_within_the_size_limit() -> None:
    report = Report.from_error(LoaderError(Reason.TIMEOUT, "x\n" * 9000), uri="s3://" + "a" * 5000, seconds=1.234)
    to_json_line = report.to_json_line(Redactor().redact)
    assert "\n" not in to_json_line
    assert len(to_json_line.encode()) < 4096


@given(HOSTILE_TEXTS, HOSTILE_TEXTS)
def test_report_of_hostile_text_is_valid(message: str, uri: str) -> None:
    report = Report(reason="Loaded", message=message * 3, uri=uri, resolved_uri=uri, resolution=message)
    line = report.to_json_line(Redactor().redact)
    assert len(line.encode()) < 4096
    assert all(is_clean(text) for text in json.loads(line).values() if isinstance(text, str))


def test_report_is_written_in_utf8(tmp_path: Path) -> None:
    file = tmp_path / "termination-log"
    file.touch()
    write_termination_message('{"message": "\u00e9"}', file)
    assert file.read_bytes() == '{"message": "\u00e9"}\n'.encode()


@pytest.mark.parametrize("body", [b'{"a": ["\\ud83d", "\\ud83d\\ude00"]}', b'{"a": ["\\uD83D", "\\uD83D\\uDE00"]}'])
def test_decode_json_makes_texts_valid(body: bytes) -> None:
    assert decode_json(body) == {"a": ["\ufffd", "\U0001f600"]}
