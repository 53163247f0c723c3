"""Text as Go formats it: the API server's sentences contain values in the forms of %q, %v and json.Marshal."""

import json
from typing import Any

_ESCAPES = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    '"': r"\"",
    "\\": r"\\",
}
_MAX_BMP = 0xFFFF
_EXPONENT_MIN, _EXPONENT_MAX = -4, 6
MAX_JSON_INTEGER = 1e21
"""Floats without a fraction are written as integers below this (encoding/json)."""


def quote(text: str) -> str:
    """Return `text` as %q prints it (strconv.Quote): what is not printable is escaped."""
    return '"' + "".join(character if _is_plain(character) else _escape(character) for character in text) + '"'


def _is_plain(character: str) -> bool:
    return character.isprintable() and character not in '"\\'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if code < ord(" ") or code == 0x7F:  # noqa: PLR2004  DEL
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _MAX_BMP else f"\\U{code:08x}"


def format_float(number: float) -> str:
    """Return a float64 as %v prints it (strconv 'g' with the shortest digits, an exponent from 1e+06 on)."""
    if number in {float("inf"), float("-inf")} or number != number:  # noqa: PLR0124  NaN
        return {float("inf"): "+Inf", float("-inf"): "-Inf"}.get(number, "NaN")
    sign, digits, exponent = _digits(number)
    if exponent < _EXPONENT_MIN or exponent >= _EXPONENT_MAX:
        mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return sign + _plain(digits, exponent)


def format_plain_float(number: float) -> str:
    """Return a float64 without an exponent (strconv 'f' with the shortest digits)."""
    sign, digits, exponent = _digits(number)
    return sign + _plain(digits, exponent)


def _digits(number: float) -> tuple[str, str, int]:
    """Return the sign, the shortest digits and the decimal exponent of the first one."""
    mantissa, _, exponent = f"{number!r}".lower().partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = whole + fraction
    shift = int(exponent or 0) + len(whole) - 1
    stripped = digits.lstrip("0")
    shift -= len(digits) - len(stripped)
    return (sign, stripped.rstrip("0"), shift) if stripped.strip("0") else (sign, "0", 0)


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    if len(digits) <= exponent + 1:
        return digits + "0" * (exponent + 1 - len(digits))
    return f"{digits[: exponent + 1]}.{digits[exponent + 1 :]}"


def to_json(value: Any) -> str:
    """Return `value` as json.Marshal does: sorted keys, no spaces, HTML characters escaped."""
    text = json.dumps(_with_integers(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _with_integers(value: Any) -> Any:
    match value:
        case float() if value.is_integer() and abs(value) < MAX_JSON_INTEGER:
            return int(value)
        case dict():
            return {key: _with_integers(one) for key, one in value.items()}
        case list():
            return [_with_integers(one) for one in value]
        case _:
            return value


def to_go(value: Any) -> str:
    """Return `value` as %v prints it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case float():
            return format_float(value)
        case dict():
            return "map[" + " ".join(f"{key}:{to_go(value[key])}" for key in sorted(value)) + "]"
        case list():
            return "[" + " ".join(to_go(item) for item in value) + "]"
        case _:
            return str(value)


def type_of(value: Any) -> str:
    """Return the Go type of a JSON value as %T prints it."""
    names = {bool: "bool", int: "int64", float: "float64", str: "string", type(None): "<nil>"}
    fallback = "map[string]interface {}" if isinstance(value, dict) else "[]interface {}"
    return names.get(type(value), fallback)
