from modelservice_operator.apimachinery.quantity import parse_quantity


def test_parse_quantity_returns_none_for_other_text() -> None:
    assert parse_quantity("many") is None
