from decimal import Decimal

import pytest

from modelservice_operator.apimachinery.quantity import Quantity, ResourceQuantity, parse_quantity


def test_parse_quantity_returns_none_for_other_text() -> None:
    assert parse_quantity("many") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("+1", "1"), ("1500n", "0.0000015"), ("0.1n", "1e-9"), ("1e999", "9223372036854775807"), ("1e-99", "1e-9")),
        *(("100u", "0.0001"), ("1.0000000000000000000000000000001", "1.000000001"), ("0.0003Ki", "0.3072")),
    ],
)
def test_parse_quantity_rounds_and_caps(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(("desired", "live"), [("1000m", "1"), ("+1", "1"), ("0.1n", "1n"), ("1e3", "1k")])
def test_quantity_equals_its_canonical_form(desired: str, live: str) -> None:
    assert Quantity(desired).equals(live)


@pytest.mark.parametrize(("desired", "live"), [("1e-10", "1m"), ("0.0001", "1m"), ("1.0001", "1001m"), ("2", "2")])
def test_resource_quantity_equals_its_rounded_form(desired: str, live: str) -> None:
    assert ResourceQuantity(desired).equals(live)
    assert not ResourceQuantity(desired).equals("3m")
