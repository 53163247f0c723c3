import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelservice_operator.apimachinery.text import sanitize, truncate_bytes
from tests.support.hostile_text import HOSTILE_TEXTS, is_clean

LONG_TEXTS = st.text(max_size=600) | st.text("aé字😀", min_size=300, max_size=600)


@given(HOSTILE_TEXTS, st.integers(0, 300))
def test_sanitize_returns_valid_bounded_text(text: str, limit: int) -> None:
    found = sanitize(text, limit)
    assert is_clean(found)
    assert len(found) <= limit
    assert sanitize(found, limit) == found


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp"])))
def test_sanitize_keeps_visible_text(text: str) -> None:
    assert sanitize(text, len(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo\tthree", "one\ntwo\tthree"),
        ("10 %\r20 %\r\n30 %\u2028", "10 %\n20 %\n30 %\n"),
        ("\x1b[1;31mred\x1b[0m \x00\x9b", "red   "),
        ("bad \ud83d text", "bad \ufffd text"),
        ("reversed \u202etxt.exe", "reversed  txt.exe"),
        ("family 👨\u200d👩\u200d👧", "family 👨\u200d👩\u200d👧"),
    ],
)
def test_sanitize_replaces_controls(text: str, expected: str) -> None:
    assert sanitize(text, 100) == expected


@given(st.text(st.characters(max_codepoint=0x7F)))
def test_sanitize_of_ascii_is_that_of_other_text(text: str) -> None:
    assert sanitize(text, 1000) == sanitize(f"{text}é", 1000).removesuffix("é")


def test_sanitize_leaves_no_control_character() -> None:
    controls = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in {"Cc", "Cs", "Zl", "Zp"}]
    assert {
        text for character in controls if (text := sanitize(character, 1)) not in {"\n", "\t", " ", "\ufffd"}
    } == set()


@given(LONG_TEXTS, st.integers(3, 1200))
def test_truncate_bytes_keeps_as_much_as_fits(text: str, limit: int) -> None:
    found = truncate_bytes(text, limit)
    assert len(found.encode()) <= limit
    if len(text.encode()) <= limit:
        assert found == text
    else:
        assert found.endswith("…")
        assert text.startswith(found.removesuffix("…"))
        assert len(found.encode()) > limit - 4
