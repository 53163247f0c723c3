"""Kubernetes quantities: parsed, and compared by value (API reference, "Quantity")."""

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
    """A quantity in a desired object. The API server returns its canonical form: "1" for "1000m"."""

    __slots__ = ()

    def equals(self, other: object) -> bool:
        """Return True if `other`, as returned by the API server, is the same amount."""
        return self == other or parse_quantity(self) == parse_quantity(str(other))


def parse_quantity(text: str) -> Decimal | None:
    """Return the value of a quantity in its base unit (cores, bytes); None for other text."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    return Decimal(number + (exponent or "")) * _FACTORS[suffix or ""]
