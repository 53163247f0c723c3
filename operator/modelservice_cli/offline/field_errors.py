"""The errors of a validation and their sentences (apimachinery, util/validation/field and api/errors)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from modelservice_cli.go_text import format_float, quote, to_json

Steps = tuple[str | int, ...]
"""Path of a field in the object: keys and indices."""


class ErrorType(Enum):
    """Types of field errors, with the words that begin their sentences."""

    REQUIRED = "Required value"
    DUPLICATE = "Duplicate value"
    INVALID = "Invalid value"
    TYPE_INVALID = "Invalid value "
    """Shown as INVALID; the blank keeps the members apart."""
    NOT_SUPPORTED = "Unsupported value"
    FORBIDDEN = "Forbidden"
    TOO_LONG = "Too long"
    TOO_MANY = "Too many"

    @property
    def words(self) -> str:
        """Beginning of a sentence."""
        return self.value.rstrip()


BLOCKING = (
    ErrorType.NOT_SUPPORTED, ErrorType.REQUIRED, ErrorType.TOO_LONG, ErrorType.TOO_MANY, ErrorType.TYPE_INVALID,
)  # fmt: skip
"""After an error of these types the rules are not evaluated (apiextensions, hasBlockingErr)."""
_WITHOUT_VALUE = (ErrorType.REQUIRED, ErrorType.FORBIDDEN, ErrorType.TOO_LONG)
OMITTED = object()
"""Value of an error that does not show it."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One cause of a refusal."""

    type: ErrorType
    field: str
    """Path as the server writes it; `<nil>` if the error has none."""
    value: Any
    detail: str
    steps: Steps = ()
    """Path in the object, to find its line."""

    @property
    def body(self) -> str:
        """Sentence without the field."""
        words = self.type.words
        if self.type not in _WITHOUT_VALUE and self.value is not OMITTED:
            words = f"{words}: {_value(self.value)}"
        return f"{words}: {self.detail}" if self.detail else words

    @property
    def message(self) -> str:
        """Sentence with the field."""
        return f"{self.field}: {self.body}"


def _value(value: Any) -> str:
    match value:
        case str():
            return quote(value)
        case bool() | None:
            return to_json(value)
        case float():
            return format_float(value)
        case _:
            return to_json(value)


def aggregate(messages: Iterable[str]) -> str:
    """Return messages as one text, each once; in brackets if there are several (util/errors, Aggregate)."""
    unique = list(dict.fromkeys(messages))
    return unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"


def invalid(field: str, value: Any, detail: str, steps: Steps = ()) -> FieldError:
    """Return an error of the type INVALID."""
    return FieldError(ErrorType.INVALID, field, value, detail, steps)


def too_many(field: str, actual: int, maximum: int, steps: Steps) -> FieldError:
    """Return the error for a list or map that is too large."""
    return FieldError(
        ErrorType.TOO_MANY, field, actual, f"must have at most {maximum} {_plural('item', maximum)}", steps
    )


def too_long(field: str, maximum: int, steps: Steps) -> FieldError:
    """Return the error for a text that is too long."""
    return FieldError(
        ErrorType.TOO_LONG, field, OMITTED, f"may not be more than {maximum} {_plural('byte', maximum)}", steps
    )


def not_supported(field: str, value: Any, values: Sequence[Any], steps: Steps) -> FieldError:
    """Return the error for a value that is none of an enum."""
    quoted = ", ".join(quote(one if isinstance(one, str) else to_json(one)) for one in values)
    return FieldError(ErrorType.NOT_SUPPORTED, field, value, f"supported values: {quoted}", steps)


def _plural(word: str, number: int) -> str:
    return word if number == 1 else f"{word}s"
