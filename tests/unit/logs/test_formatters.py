"""Log lines: one each, whatever others wrote, with the object and the error as fields."""

import ast
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.errors import NameConflictError
from modelservice_operator.logs.context import identify, reconcile_scope
from modelservice_operator.logs.formatters import FIELDS, MAX_TRACEBACK_CHARS, JsonFormatter, TextFormatter
from modelservice_operator.logs.setup import RepeatFilter

KEY = NamespacedName("ml", "iris")
LIVE = {"metadata": {"uid": "7b1c", "generation": 3}}
ROOT = Path(__file__).parents[3]
CRI_LINE_BYTES = 16 * 1024
"""Length from which a container runtime splits a line."""
HOSTILE = (
    "first\n2026-11-27T10:00:00.000Z INFO     modelservice_operator: forged",
    "carriage\rreturn",
    "\x1b[31mred\x1b[0m and \x07 bell",
    "right-to-left \u202e override",
    "line separator \u2028 end",
    "half a character \ud800 end",
    "percent %s %d",
)


def record(message: str, *arguments: object, level: int = logging.INFO, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("modelservice_operator.apply.applier", level, "applier.py", 1, message, arguments, None)
    made.__dict__.update(extra)
    return made


def failing_record(error: Exception) -> logging.LogRecord:
    made = record("Unexpected error", level=logging.ERROR)
    try:
        raise error
    except type(error) as caught:
        made.exc_info = (type(caught), caught, caught.__traceback__)
    return made


def as_json(made: logging.LogRecord) -> Any:
    return json.loads(JsonFormatter().format(made))


def test_json_line_has_the_documented_fields() -> None:
    with reconcile_scope(KEY):
        identify(LIVE)
        fields: dict[str, Any] = {
            "reason": "ChildMissing",
            "child": {"kind": "Service", "name": "iris"},
            "duration_seconds": 0.0421,
        }
        line = as_json(record("Created %s %s", "Service", "iris", **fields))
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "modelservice_operator.apply.applier",
        "message": "Created Service iris",
        "object": {"namespace": "ml", "name": "iris", "uid": "7b1c", "generation": 3},
        "reason": "ChildMissing",
        "child": {"kind": "Service", "name": "iris"},
        "duration_seconds": 0.0421,
    }


def test_line_outside_of_a_reconcile_has_no_object() -> None:
    assert set(as_json(record("Caches synced"))) == {"time", "level", "logger", "message"}


def test_expected_error_has_type_and_message_only() -> None:
    line = as_json(record("Reconcile failed", error=NameConflictError("Taken.")))
    assert line["error"] == {"type": "NameConflictError", "message": "Taken."}


def test_unexpected_error_has_a_traceback() -> None:
    error = as_json(failing_record(ZeroDivisionError("bug")))["error"]
    assert (error["type"], error["message"]) == ("ZeroDivisionError", "bug")
    assert "Traceback (most recent call last)" in error["traceback"]
    assert "raise error\nZeroDivisionError: bug" in error["traceback"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_hostile_text_stays_one_line(formatter: logging.Formatter, text: str) -> None:
    with reconcile_scope(KEY):
        line = formatter.format(record("Refused: %s", text, manager=text, level=logging.WARNING))
    assert len(line.splitlines()) == 1
    assert line.encode()
    assert not {character for character in line if not character.isprintable()} - {"\ufffd"}


def test_traceback_of_the_text_form_forges_no_line() -> None:
    lines = TextFormatter().format(failing_record(ValueError(HOSTILE[0]))).splitlines()
    assert [line for line in lines if line.startswith("2026-11-27T10:00:00")] == []
    assert all(line.startswith("  ") for line in lines[1:])


def test_long_line_is_not_split_by_a_runtime() -> None:
    error = ValueError("x" * 2 * MAX_TRACEBACK_CHARS)
    assert len(JsonFormatter().format(failing_record(error))) < CRI_LINE_BYTES


def test_wrong_arguments_do_not_lose_the_line() -> None:
    assert as_json(record("two %s %s", "one"))["message"] == "two %s %s"


def test_every_extra_field_of_the_code_is_formatted() -> None:
    known = {*FIELDS, "duration_seconds", "error"}
    found = {name for path in (ROOT / "operator/modelservice_operator").rglob("*.py") for name in extra_names(path)}
    assert {"reason", "error"} <= found
    assert found - known == set()


def extra_names(path: Path) -> set[str]:
    """Return the names of fields in dictionaries that a module passes as `extra`."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    extras = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "extra"]
    keys = [key for extra in extras if isinstance(extra, ast.Dict) for key in extra.keys]
    return {str(key.value) for key in keys if isinstance(key, ast.Constant)}


def test_lines_of_the_exporter_are_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("modelservice_operator.logs.setup.time.monotonic", lambda: now)
    accepts = RepeatFilter().filter
    made = logging.LogRecord("opentelemetry.exporter", logging.WARNING, "x.py", 1, "retrying in %s", ("1 s",), None)
    assert [accepts(made), accepts(made), accepts(record("ours")), accepts(record("ours"))] == [True, False, True, True]
    now = 601.0
    assert accepts(made)
