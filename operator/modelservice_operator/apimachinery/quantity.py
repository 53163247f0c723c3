"""Kubernetes quantities: parsed, and compared by value (API reference, "Quantity")."""

import re
from decimal import ROUND_CEILING, Context, Decimal

_FORM = re.compile(r"[+]?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:([eE][+-]?[0-9]{1,3})|([numkMGTPE]|[KMGTPE]i))?")
_MAX = Decimal(2**63 - 1)
_MIN_STEP = Decimal("1e-9")
_RESOURCE_STEP = Decimal("1e-3")
_EXACT = Context(prec=100, rounding=ROUND_CEILING)
"""Holds every digit of a quantity of 32 characters, so that only the last step rounds."""
_FACTORS = {
    "": Decimal(1),
    "n": _MIN_STEP,
    "u": Decimal("1e-6"),
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


class ResourceQuantity(Quantity):
    """A quantity in a ResourceList, which the API server rounds up to 1e-3 (core/v1, SetDefaults_ResourceList)."""

    __slots__ = ()

    def equals(self, other: object) -> bool:
        """Return True if `other`, as returned by the API server, is the same amount after rounding."""
        return self == other or _round_up(parse_quantity(self)) == _round_up(parse_quantity(str(other)))


def parse_quantity(text: str) -> Decimal | None:
    """Return the value of a quantity in its base unit (cores, bytes); None for other text.

    As in apimachinery (resource.ParseQuantity) it is rounded up to 1e-9, and at most 2^63-1.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    value = _EXACT.multiply(Decimal(number + (exponent or "")), _FACTORS[suffix or ""])
    return _MAX if value > _MAX else value.quantize(_MIN_STEP, context=_EXACT)


def _round_up(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(_RESOURCE_STEP, context=_EXACT)
