"""The CEL engine has every function that the rules of the CRD and the warnings use."""

from typing import Any

import pytest

from modelservice_cli.errors import CliError
from modelservice_cli.offline.expressions import EvaluationError, compile_expression
from modelservice_cli.offline.warnings import _VARIABLES, _policy
from tests.support.schema_cases import RULED


def test_every_rule_of_the_schema_compiles() -> None:
    for _, rule in RULED:
        compile_expression(rule["rule"])
        if "messageExpression" in rule:
            compile_expression(rule["messageExpression"])


def test_every_expression_of_the_warnings_compiles() -> None:
    policy = _policy()
    expressions = [one["expression"] for one in (*policy["variables"], *policy["validations"])]
    expressions += [one["messageExpression"] for one in policy["validations"] if "messageExpression" in one]
    assert len(expressions) > 15
    for expression in expressions:
        compile_expression(expression, _VARIABLES)


def test_missing_function_is_named() -> None:
    with pytest.raises(CliError, match="noSuchFunction"):
        compile_expression("noSuchFunction(self)")


@pytest.mark.parametrize(
    ("expression", "value", "result"),
    [
        ("isQuantity(self)", "1.5Gi", True), ("isQuantity(self)", "-1", True), ("isQuantity(self)", "lots", False),
        ("quantity(self).isGreaterThan(quantity('1000m'))", "1001m", True),
        ("quantity(self).isLessThan(quantity('1Ki'))", "1k", True),
        ("quantity(self).compareTo(quantity('1'))", "1000m", 0),
        ("quantity(self) == quantity('0.5')", "500m", True),
        ("quantity(self).asApproximateFloat()", "1500m", 1.5),
        ("isIP(self)", "::1", True), ("isIP(self)", "010.0.0.1", False), ("isIP(self)", "::ffff:1.2.3.4", False),
        ("isIP(self)", "fe80::1%eth0", False), ("isCIDR(self)", "10.0.0.0", False), ("isCIDR(self)", "::/0", True),
        ("isCIDR(self)", "10.0.0.0/8", True), ("isCIDR(self)", "10.0.0.0/08", False),
        ("isCIDR(self)", "10.0.0.0/255.0.0.0", False),
        ("cidr(self) == cidr(self).masked()", "10.0.0.1/8", False),
        ("cidr(self) == cidr(self).masked()", "2001:DB8::/32", True),
        ("format.qualifiedName().validate(self).hasValue()", "example.com/a", False),
        ("format.qualifiedName().validate(self).hasValue()", "a b", True),
        ("format.dns1123Label().validate(self).value()[0]", "a.b", "must not contain dots"),
        ("[1, 2, 3].sum() == 6 && [1].exists(x, x / 0 == 1 || true)", None, True),
        ("self.matches('^a$')", "a\n", False), (r"self.matches('\\p{C}')", "\u200b", True),
    ],
)  # fmt: skip
def test_functions_of_kubernetes(expression: str, value: Any, result: Any) -> None:
    assert compile_expression(expression).evaluate({"self": value}) == result


def test_errors_are_those_of_the_server() -> None:
    with pytest.raises(EvaluationError, match=r"^no such key: a$"):
        compile_expression("self.a == 1").evaluate({"self": {}})
    with pytest.raises(EvaluationError, match=r"^no such overload$"):
        compile_expression("self > 1").evaluate({"self": "a"})
