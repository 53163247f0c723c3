"""Tables, YAML, JSON and names."""

import json

import pytest
import yaml

from modelservice_cli.output import format_table, print_objects, to_yaml

IRIS = {"apiVersion": "v1", "kind": "A", "metadata": {"name": "iris"}}
DIGITS = {"apiVersion": "v1", "kind": "A", "metadata": {"name": "digits"}}


def test_table_is_aligned_as_by_kubectl() -> None:
    rows = [("iris", "True", "a"), ("a-long-name", "\x1b[31mFalse\x1b[0m", "")]
    assert format_table(("name", "ready", "url"), rows).splitlines() == [
        "NAME          READY   URL",
        "iris          True    a",
        "a-long-name   \x1b[31mFalse\x1b[0m",
    ]


def test_table_without_rows_has_a_header() -> None:
    assert format_table(("name",), []) == "NAME\n"
    assert format_table(("name",), [], header=False) == ""


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_objects_are_printed_as_a_list_if_there_are_several(
    output: str, read: object, capsys: pytest.CaptureFixture[str]
) -> None:
    print_objects([IRIS], output, resource="as.example.com")
    assert read(capsys.readouterr().out) == IRIS  # type: ignore[operator]
    print_objects([IRIS, DIGITS], output, resource="as.example.com")
    assert read(capsys.readouterr().out) == {"apiVersion": "v1", "kind": "List", "items": [IRIS, DIGITS]}  # type: ignore[operator]


def test_names_have_their_resource(capsys: pytest.CaptureFixture[str]) -> None:
    print_objects([IRIS, DIGITS], "name", resource="as.example.com")
    assert capsys.readouterr().out == "as.example.com/iris\nas.example.com/digits\n"


def test_yaml_has_no_anchors_and_keeps_the_order() -> None:
    shared = {"b": 1, "a": 2}
    assert to_yaml({"y": shared, "x": shared}) == "y:\n  b: 1\n  a: 2\nx:\n  b: 1\n  a: 2\n"
