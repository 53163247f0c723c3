"""Text and JSON of stores and registries, which may be anything.

Text for a report becomes valid UTF-8 without control characters, of bounded length. Fields of JSON are checked
where they are read.
"""

import json
import re
from typing import Any

_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""Half of a character: JSON can carry it, UTF-8 cannot (RFC 8259, section 8.2)."""
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]")
"""Controls of terminals, and of the direction of text (UAX #9)."""

_MAX_SIZE = (1 << 63) - 1
"""Maximum size of a file on Linux, in bytes."""


def sanitize(text: str, max_chars: int) -> str:
    """Return the first `max_chars` characters of `text`; those that are not valid or not visible are replaced."""
    return _CONTROL.sub(" ", replace_surrogates(text[:max_chars]))


def replace_surrogates(text: str) -> str:
    """Return `text` as valid UTF-8."""
    return _SURROGATE.sub("\ufffd", text)


def decode_json(body: bytes) -> Any:  # noqa: ANN401 - JSON of any type
    """Decode the response of a registry; all its texts are valid UTF-8. Raises ValueError or RecursionError."""
    value = json.loads(body)
    if _ESCAPED_SURROGATE.search(body) is None:
        return value
    return json.loads(replace_surrogates(json.dumps(value, ensure_ascii=False)))


class UnexpectedFormError(ValueError):
    """JSON of another form than that of the API."""


def as_object(value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON of any type
    """Return a value that must be an object. Raises UnexpectedFormError."""
    if not isinstance(value, dict):
        raise UnexpectedFormError
    return value


def as_list(value: Any) -> list[Any]:  # noqa: ANN401 - JSON of any type
    """Return a value that must be a list. Raises UnexpectedFormError."""
    if not isinstance(value, list):
        raise UnexpectedFormError
    return value


def text_field(value: Any, name: str) -> str:  # noqa: ANN401 - JSON of any type
    """Return a field of an object, which must be a text that is not empty. Raises UnexpectedFormError."""
    found = as_object(value).get(name)
    if not isinstance(found, str) or not found:
        raise UnexpectedFormError
    return found


def is_size(value: Any) -> bool:  # noqa: ANN401 - JSON of any type
    """Return True for a number of bytes that a file can have, and for None, an unknown one."""
    return value is None or (type(value) is int and 0 <= value <= _MAX_SIZE)


def size_field(value: Any, name: str) -> int | None:  # noqa: ANN401 - JSON of any type
    """Return a field of an object, which must be a number of bytes, or None. Raises UnexpectedFormError."""
    found = as_object(value).get(name)
    if not is_size(found):
        raise UnexpectedFormError
    return found
