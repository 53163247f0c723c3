"""Converts JSON Schema 2020-12, as written by pydantic, to a structural schema (KEP-1929). Plain dicts; no I/O.

Kubernetes requires a subset of OpenAPI 3.0 without references, in which every node has one type. Each difference is
handled by one function below.
"""

from typing import Any

import yaml
from pydantic import BaseModel

from modelservice_operator.api.crdgen import upstream
from modelservice_operator.api.markers import (
    PATTERN_MESSAGE,
    UPSTREAM_TYPE,
)
from modelservice_operator.apimachinery.objects import Json

Schema = dict[str, Any]
RULES = "x-kubernetes-validations"
_DROPPED = ("title", "$defs", "additionalProperties", PATTERN_MESSAGE)


def structural_schema(model: type[BaseModel]) -> Schema:
    """Return the schema of `model`, structural except for `examples`, which `extend_descriptions` turns into text."""
    schema = model.model_json_schema(by_alias=True)
    return _convert(schema, schema.get("$defs", {}))


def extend_descriptions(schema: Schema) -> Schema:
    """Add bounds, defaults and examples to the descriptions: `kubectl explain` shows nothing else of a schema."""
    node = {key: _extend_below(key, value) for key, value in schema.items() if key != "examples"}
    facts = [node["description"]] if "description" in node else []
    if node.get("type") == "integer":
        facts.append(f"{node['minimum']} to {node['maximum']}.")
    if "default" in node:
        facts.append(f"Default: {as_text(node['default'])}.")
    if "examples" in schema:
        facts.append(f"Example: {as_text(schema['examples'][0])}")
    return node | ({"description": " ".join(facts)} if "description" in node else {})


def as_text(value: object) -> str:
    """Return `value` as YAML on one line, as in a manifest."""
    return yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).removesuffix("...\n").strip()


def _extend_below(key: str, value: Json) -> Json:
    if key == "properties":
        return {name: extend_descriptions(child) for name, child in value.items()}
    return extend_descriptions(value) if key in {"items", "additionalProperties"} else value


def _convert(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """Convert a node and all nodes below it."""
    node = _inline_references(_remove_null(_inline_references(schema, definitions)), definitions)
    if UPSTREAM_TYPE in node:
        described = structural_schema(getattr(upstream, node[UPSTREAM_TYPE]))
        return described | {key: node[key] for key in ("description", "examples") if key in node}
    result = {key: value for key, value in node.items() if key not in _DROPPED}
    if "properties" in node:
        result["properties"] = {name: _convert(value, definitions) for name, value in node["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            result[key] = _convert(node[key], definitions)
    if "const" in result:
        result["enum"] = [result.pop("const")]
    if result.get("default", ...) is None:
        del result["default"]  # an optional field has no default in Kubernetes, rather than null
    return _pattern_as_rule(_int_or_string(result), node)


def _inline_references(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """Replace `$ref` by its target. Keys next to `$ref`, such as a description, take precedence."""
    if "$ref" not in schema:
        return schema
    target = definitions[schema["$ref"].removeprefix("#/$defs/")]
    siblings = {key: value for key, value in schema.items() if key != "$ref"}
    return _inline_references(target, definitions) | siblings


def _remove_null(schema: Schema) -> Schema:
    """Replace `T | None` by T: an optional field is one that is not required."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1 or len(choices) == len(schema["anyOf"]):
        return schema
    outer = {key: value for key, value in schema.items() if key != "anyOf"}
    inner: Schema = choices[0]
    return inner | outer


def _int_or_string(schema: Schema) -> Schema:
    """Convert to int-or-string of Kubernetes, which has no type."""
    if not schema.get("x-kubernetes-int-or-string"):
        return schema
    plain = {key: value for key, value in schema.items() if key != "type"}
    return plain | {"anyOf": [{"type": "integer"}, {"type": "string"}]}


def _pattern_as_rule(schema: Schema, source: Schema) -> Schema:
    """Replace a pattern by a CEL rule with a message, so that users need not read a regular expression."""
    if PATTERN_MESSAGE not in source:
        return schema
    rule = {"rule": f'self.matches(r"{schema.pop("pattern")}")', "message": source[PATTERN_MESSAGE]}
    return schema | {RULES: [rule, *schema.get(RULES, ())]}
