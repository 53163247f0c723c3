"""Values as Go formats them."""

import pytest

from modelservice_cli.go_text import format_float, format_plain_float, quote, to_go, to_json


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a", '"a"'), ('"\\', r'"\"\\"'), ("\n\t\x1b\x7f", r'"\n\t\x1b\x7f"'), ("é中😀", '"é中😀"'),
        ("\u202e\u200b", r'"\u202e\u200b"'), ("\u00a0", r'"\u00a0"'), ("\U000e0001", r'"\U000e0001"'),
    ],
)  # fmt: skip
def test_texts_are_quoted(text: str, quoted: str) -> None:
    assert quote(text) == quoted


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"), (1.5, "1.5"), (-0.25, "-0.25"), (65535.0, "65535"), (1e6, "1e+06"),
        (2147483647.0, "2.147483647e+09"), (1e21, "1e+21"), (0.0001, "0.0001"), (0.00001, "1e-05"), (0.0, "0"),
        (100.0, "100"),
    ],
)  # fmt: skip
def test_floats_are_printed(number: float, text: str) -> None:
    assert format_float(number) == text


def test_plain_floats_have_no_exponent() -> None:
    assert [format_plain_float(one) for one in (1e21, 1.5, 1e-7)] == ["1" + "0" * 21, "1.5", "0.0000001"]


def test_json_is_compact_and_escaped() -> None:
    assert to_json({"b": 1.0, "a": ["<&>", None, True]}) == r'{"a":["\u003c\u0026\u003e",null,true],"b":1}'


def test_values_are_printed_as_by_go() -> None:
    assert to_go({"b": [1, "x"], "a": None}) == "map[a:<nil> b:[1 x]]"
