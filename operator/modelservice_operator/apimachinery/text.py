"""Text that other programs wrote, made fit for the API server and for a terminal.

Every text that enters the operator from outside passes `sanitize` at the edge: messages of pods, conditions and Events,
reports of loaders, responses of the API server. JSON can carry texts that are not valid UTF-8 (RFC 8259, section 8.2),
and the author of a container image chooses those of its termination messages.
"""

import re

_TERMINAL_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Colours and movements of the cursor (ECMA-48, CSI)."""
_LINE_END = re.compile(r"\r\n?|[\x85\u2028\u2029]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""Half of a character, which UTF-8 cannot encode."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]")
"""Controls of terminals, and of the direction of text (UAX #9), which make a text look like another one."""
_ASCII_CONTROLS = {code: " " for code in (*range(0x20), 0x7F) if chr(code) not in "\n\t\r"} | {ord("\r"): "\n"}
_REPLACEMENT = "\ufffd"
_ELLIPSIS = "…"


def sanitize(text: str, max_chars: int) -> str:
    """Return the first `max_chars` characters of `text` as valid UTF-8 without control characters.

    Line feeds and tabs stay. Idempotent; never longer than `text`.
    """
    text = text[:max_chars]
    if text.isprintable():
        return text
    if "\x1b" in text:
        text = _TERMINAL_SEQUENCE.sub("", text)
    if text.isascii():  # most logs; several times as fast
        return text.replace("\r\n", "\n").translate(_ASCII_CONTROLS)
    text = _LINE_END.sub("\n", text)
    return _CONTROL.sub(" ", _SURROGATE.sub(_REPLACEMENT, text))


def truncate_bytes(text: str, limit: int) -> str:
    """Return valid `text` with at most `limit` bytes of UTF-8; a shortened text ends with an ellipsis (3 bytes)."""
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    # Bytes of a character that is cut through are dropped.
    return encoded[: limit - len(_ELLIPSIS.encode())].decode(errors="ignore") + _ELLIPSIS
