"""CEL as the API server evaluates it: Google's C++ engine, with the functions of Kubernetes that the rules use.

Quantities, addresses and ranges are texts in canonical form here. An expression with a function that is missing does
not compile; a test compiles all rules of the CRD and of the warnings (ADR 0047).
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_optional, ext_strings

from modelservice_cli.errors import CliError
from modelservice_cli.offline import names
from modelservice_operator.apimachinery.quantity import parse_quantity

_VALIDATE = re.compile(r"format\.(\w+)\(\)\.validate\(([^()]*)\)")
"""The result is an optional list, which a function in Python cannot return: `optional.ofNonZeroValue` makes it one."""
_FORMATS: Mapping[str, Callable[[str], list[str]]] = {
    "dns1123Label": names.label_errors,
    "dns1123Subdomain": names.subdomain_errors,
    "dns1035Label": names.dns_1035_label_errors,
    "qualifiedName": names.key_errors,
    "labelValue": names.label_value_errors,
}
_STRING, _BOOL, _INT, _DYN = cel.Type.STRING, cel.Type.BOOL, cel.Type.INT, cel.Type.DYN
_ERROR = "ERROR"
_Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


class EvaluationError(Exception):
    """An expression cannot be evaluated; the message is that of cel-go."""


class Expression:
    """A compiled expression."""

    def __init__(self, text: str, variables: tuple[str, ...]) -> None:
        self.text = text
        try:
            self._program = _environment(variables).compile(_VALIDATE.sub(_wrap, text))
        except Exception as error:  # the engine raises RuntimeError and ValueError
            raise CliError(f"Cannot evaluate the rule {text!r} offline: {str(error).partition(chr(10))[0]}") from error

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """Return the value for variables of JSON types. Raises EvaluationError."""
        result = self._program.eval(data=dict(variables))
        if result.type().name() == _ERROR:
            raise EvaluationError(_as_cel_go(str(result.value())))
        return result.plain_value()


@cache
def compile_expression(text: str, variables: tuple[str, ...] = ("self", "oldSelf")) -> Expression:
    """Return a compiled expression. Raises CliError if a function is missing, or it is not CEL."""
    return Expression(text, variables)


def matches(pattern: str, text: str) -> bool:
    """Return True if a regular expression of RE2 matches anywhere in a text."""
    return bool(_MATCHES.evaluate({"self": text, "pattern": pattern}))


def _wrap(match: re.Match[str]) -> str:
    return f"optional.ofNonZeroValue({match.group()})"


def _as_cel_go(message: str) -> str:
    """Return the message of cel-go for one of cel-cpp."""
    if match := re.search(r'Key not found in map : "(.*)"', message):
        return f"no such key: {match.group(1)}"
    if "No matching overloads" in message or "no matching overload" in message:
        return "no such overload"
    return message


@cache
def _environment(variables: tuple[str, ...]) -> cel.Env:
    return cel.NewEnv(
        variables=dict.fromkeys(variables, _DYN),
        extensions=[ext_optional.ExtOptional(), ext_strings.ExtStrings()],
        functions=_functions(),
    )


def _functions() -> list[cel.FunctionDecl]:
    texts = {name: _function(f"format.{name}", (), _STRING, lambda name=name: name) for name in _FORMATS}
    return [
        *texts.values(),
        _method("validate", (_STRING, _STRING), cel.Type.List(_STRING), lambda name, text: _FORMATS[name](text)),
        _function("isQuantity", (_STRING,), _BOOL, lambda text: _quantity(text) is not None),
        _function("quantity", (_STRING,), _STRING, _canonical_quantity),
        _method("isGreaterThan", (_STRING, _STRING), _BOOL, lambda one, other: Decimal(one) > Decimal(other)),
        _method("isLessThan", (_STRING, _STRING), _BOOL, lambda one, other: Decimal(one) < Decimal(other)),
        _method("compareTo", (_STRING, _STRING), _INT, lambda one, other: int(Decimal(one).compare(Decimal(other)))),
        _method("asApproximateFloat", (_STRING,), cel.Type.DOUBLE, float),
        _function("isIP", (_STRING,), _BOOL, lambda text: _address(text) is not None),
        _function("isCIDR", (_STRING,), _BOOL, lambda text: _range(text) is not None),
        _function("cidr", (_STRING,), _STRING, lambda text: str(_known(_range(text)))),
        _method("masked", (_STRING,), _STRING, _masked),
        _method("sum", (cel.Type.List(_INT),), _INT, sum),
    ]


def _function(
    name: str, parameters: tuple[cel.Type, ...], result: cel.Type, run: Callable[..., Any]
) -> cel.FunctionDecl:
    return cel.FunctionDecl(name, [cel.Overload(name, result, list(parameters), is_member=False, impl=run)])


def _method(name: str, parameters: tuple[cel.Type, ...], result: cel.Type, run: Callable[..., Any]) -> cel.FunctionDecl:
    return cel.FunctionDecl(name, [cel.Overload(f"_{name}", result, list(parameters), is_member=True, impl=run)])


def _quantity(text: str) -> Decimal | None:
    value = parse_quantity(text.removeprefix("-"))
    return -value if value is not None and text.startswith("-") else value


def _canonical_quantity(text: str) -> str:
    return format(_known(_quantity(text)).normalize(), "f")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address as `isIP` of Kubernetes accepts it: without a zone, and not an IPv4 address in IPv6."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    is_special = isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address.ipv4_mapped)
    return None if is_special else address


def _range(text: str) -> _Interface | None:
    address, _, bits = text.partition("/")
    if _address(address) is None or not re.fullmatch(r"0|[1-9][0-9]{0,2}", bits):
        return None
    try:
        return ipaddress.ip_interface(text)
    except ValueError:
        return None


def _masked(text: str) -> str:
    """Return a range without the bits of the host."""
    return str(_known(_range(text)).network)


def _known(value: Any) -> Any:
    if value is None:
        raise ValueError("the value cannot be parsed")
    return value


_MATCHES = Expression("self.matches(pattern)", ("self", "pattern"))
