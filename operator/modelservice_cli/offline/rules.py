"""Evaluates the CEL rules of a schema (x-kubernetes-validations) for an object, as apiextensions does (schema/cel)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelservice_cli.offline.expressions import EvaluationError, compile_expression
from modelservice_cli.offline.field_errors import OMITTED, ErrorType, FieldError, Steps, invalid
from modelservice_cli.offline.structure import Schema, field_schema

RULES = "x-kubernetes-validations"
_RESERVED = frozenset({
    *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"),
    *("let", "loop", "package", "namespace", "return", "var", "void", "while"),
})  # fmt: skip
"""Names that a field cannot have in CEL."""
_SYMBOLS = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_REASONS = {
    "FieldValueForbidden": ErrorType.FORBIDDEN,
    "FieldValueRequired": ErrorType.REQUIRED,
    "FieldValueDuplicate": ErrorType.DUPLICATE,
}
_NO_OVERLOAD = "call arguments did not match a supported operator, function or macro signature for rule"
_OLD_SELF = re.compile(r"\boldSelf\b")
_MISSING = object()
_ROOT = "<nil>"
"""The server's name for the object itself (field.Path, nil)."""


def evaluate_rules(value: Any, schema: Schema, old: Any = _MISSING) -> Iterator[FieldError]:
    """Yield the errors of an object, and for an update those of transition rules with `old`."""
    root = {**schema, "properties": {**schema["properties"], "metadata": _METADATA}}
    yield from _evaluate(_Node(value, old, root, "", ()))


_METADATA = {"type": "object", "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}}}
"""The part of the metadata that rules at the root can read."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A value of an object, with its earlier value and its place."""

    value: Any
    old: Any
    schema: Schema
    path: str
    steps: Steps

    def children(self) -> "Iterator[_Node]":
        """Yield the fields of an object, the values of a map or the items of a list."""
        properties = self.schema.get("properties", {})
        if isinstance(self.value, dict):
            for key, one in self.value.items():
                inner = (f"{self.path}.{key}" if self.path else key) if key in properties else f"{self.path}[{key}]"
                old = self.old.get(key, _MISSING) if isinstance(self.old, dict) else _MISSING
                schema = field_schema(self.schema, key)
                if schema is not None:
                    yield _Node(one, old, schema, inner, (*self.steps, key))
        elif isinstance(self.value, list) and "items" in self.schema:
            for index, item in enumerate(self.value):
                place = f"{self.path}[{index}]", (*self.steps, index)
                yield _Node(item, self._old_item(item), self.schema["items"], *place)

    def _old_item(self, item: Any) -> Any:
        """Return the earlier item with the same keys; only lists of the type map have one."""
        names = self.schema.get("x-kubernetes-list-map-keys")
        if not names or not isinstance(self.old, list) or not isinstance(item, dict):
            return _MISSING
        keys = [item.get(name) for name in names]
        return next((one for one in self.old if [one.get(name) for name in names] == keys), _MISSING)


def _evaluate(node: _Node) -> Iterator[FieldError]:
    if node.value is None:
        return
    if rules := node.schema.get(RULES):
        variables = {"self": to_cel(node.value, node.schema)}
        if node.old is not _MISSING:
            variables["oldSelf"] = to_cel(node.old, node.schema)
        for rule in rules:
            yield from _evaluate_rule(rule, node, variables)
    for child in node.children():
        yield from _evaluate(child)


def _evaluate_rule(rule: Mapping[str, Any], node: _Node, variables: Mapping[str, Any]) -> Iterator[FieldError]:
    text = _expression(rule, is_update="oldSelf" in variables)
    if text is None:
        return
    kind = node.schema.get("type", "")
    try:
        is_kept = compile_expression(text).evaluate(variables)
    except EvaluationError as error:
        is_overload = str(error).startswith("no such overload")
        words = f"'{error}': {_NO_OVERLOAD}" if is_overload else f"{error} evaluating rule"
        yield invalid(node.path or _ROOT, kind, f"{words}: {_words(rule)}", node.steps)
        return
    if is_kept is True:
        return
    below = rule.get("fieldPath", "")
    field = f"{node.path}{below}" if node.path else below.removeprefix(".") or _ROOT
    shown = OMITTED if kind in {"object", "array"} else node.value
    error_type = _REASONS.get(rule.get("reason", ""), ErrorType.INVALID)
    yield FieldError(error_type, field, shown, _detail(rule, variables), (*node.steps, *_field_steps(below)))


def _expression(rule: Mapping[str, Any], *, is_update: bool) -> str | None:
    """Return the expression to evaluate; None for a transition rule without an earlier value."""
    text: str = rule["rule"]
    if rule.get("optionalOldSelf"):
        return _OLD_SELF.sub("optional.of(oldSelf)" if is_update else "optional.none()", text)
    return None if _OLD_SELF.search(text) and not is_update else text


def _detail(rule: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    if "messageExpression" in rule:
        try:
            text = compile_expression(rule["messageExpression"]).evaluate(variables)
        except EvaluationError:
            text = ""
        if isinstance(text, str) and text.strip() and "\n" not in text.strip():
            return text.strip()
    return rule["message"].strip() if rule.get("message") else f"failed rule: {_words(rule)}"


def _words(rule: Mapping[str, Any]) -> str:
    return str(rule.get("message") or rule["rule"]).strip()


def _field_steps(path: str) -> Steps:
    return tuple(name or quoted for name, quoted in re.findall(r"\.([^.\[\]]+)|\['([^']*)'\]", path))


def to_cel(value: Any, schema: Schema | None) -> Any:
    """Return a value as a rule sees it: only declared fields, with their escaped names, and numbers of their types."""
    schema = schema or {}
    if isinstance(value, dict):
        properties = schema.get("properties")
        if properties is None:
            return {key: to_cel(one, field_schema(schema, key)) for key, one in value.items()}
        return {escape(key): to_cel(one, properties[key]) for key, one in value.items() if key in properties}
    if isinstance(value, list):
        return [to_cel(item, schema.get("items")) for item in value]
    if schema.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def escape(name: str) -> str:
    """Return the name of a field in CEL (apiserver, cel.Escape)."""
    if name in _RESERVED:
        return f"__{name}__"
    return re.sub(r"__|[./-]", lambda match: _SYMBOLS[match.group()], name)
