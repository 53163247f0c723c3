"""Kubernetes quantities: told apart from strings, and compared by value (API reference, "Quantity")."""

import re
from decimal import Decimal

_FORM = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:([eE][+-]?[0-9]+)|([mkMGTPE]|[KMGTPE]i))?")
_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}


class Quantity(str):
    """A quantity in a built object. The API server answers in its canonical form: "1000m" comes back as "1"."""

    __slots__ = ()

    def equals(self, other: object) -> bool:
        """Whether `other`, as the API server shows it, is the same amount."""
        return self == other or parse_quantity(self) == parse_quantity(str(other))


def parse_quantity(text: str) -> Decimal | None:
    """Value of a quantity in its base unit (cores, bytes); None for what is none."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    return Decimal(number + (exponent or "")) * _FACTORS[suffix or ""]
