"""JSON Schema 2020-12, as pydantic writes it -> structural schema (KEP-1929). Plain dicts; no I/O.

Kubernetes wants a subset of OpenAPI 3.0 in which nothing is shared and every node has one type. The differences are
few, and each has one function below.
"""

from typing import Any

import yaml
from pydantic import BaseModel

from modelservice_operator.api.crdgen import upstream
from modelservice_operator.api.markers import PATTERN_MESSAGE, UPSTREAM_TYPE

Schema = dict[str, Any]
RULES = "x-kubernetes-validations"
_DROPPED = ("title", "$defs", "additionalProperties", PATTERN_MESSAGE)


def structural_schema(model: type[BaseModel]) -> Schema:
    """The schema of `model`, structural but for `examples`, which `explained` turns into text."""
    schema = model.model_json_schema(by_alias=True)
    return _structural(schema, schema.get("$defs", {}))


def explained(schema: Schema) -> Schema:
    """Bounds, defaults and examples as text: a CRD has no other place for them that `kubectl explain` shows."""
    node = {key: _explained_below(key, value) for key, value in schema.items() if key != "examples"}
    facts = [node["description"]] if "description" in node else []
    if node.get("type") == "integer":
        facts.append(f"{node['minimum']} to {node['maximum']}.")
    if "default" in node:
        facts.append(f"Default: {as_text(node['default'])}.")
    if "examples" in schema:
        facts.append(f"Example: {as_text(schema['examples'][0])}")
    return node | ({"description": " ".join(facts)} if "description" in node else {})


def as_text(value: object) -> str:
    """`value` as YAML on one line, the way it would be written in a manifest."""
    return yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).removesuffix("...\n").strip()


def _explained_below(key: str, value: Any) -> Any:  # noqa: ANN401 - free-form JSON
    if key == "properties":
        return {name: explained(child) for name, child in value.items()}
    return explained(value) if key in {"items", "additionalProperties"} else value


def _structural(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """One node with all that is below it: references inlined, null alternatives removed."""
    node = _inlined(_without_null(_inlined(schema, definitions)), definitions)
    if UPSTREAM_TYPE in node:
        described = structural_schema(getattr(upstream, node[UPSTREAM_TYPE]))
        return described | {key: node[key] for key in ("description", "examples") if key in node}
    result = {key: value for key, value in node.items() if key not in _DROPPED}
    if "properties" in node:
        result["properties"] = {name: _structural(value, definitions) for name, value in node["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            result[key] = _structural(node[key], definitions)
    if "const" in result:
        result["enum"] = [result.pop("const")]
    if result.get("default", ...) is None:
        del result["default"]  # "absent" is how Kubernetes spells null
    return _sentenced(_int_or_string(result), node)


def _inlined(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """`$ref` replaced by what it names; what stands beside it (a description, a default) wins."""
    if "$ref" not in schema:
        return schema
    target = definitions[schema["$ref"].removeprefix("#/$defs/")]
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return _inlined(target, definitions) | beside


def _without_null(schema: Schema) -> Schema:
    """`T | None` as plain T: an optional field is simply not required."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1 or len(choices) == len(schema["anyOf"]):
        return schema
    outer = {key: value for key, value in schema.items() if key != "anyOf"}
    inner: Schema = choices[0]
    return inner | outer


def _int_or_string(schema: Schema) -> Schema:
    """`str | int` as Kubernetes' own int-or-string, which carries no type and matches no pattern."""
    if not schema.get("x-kubernetes-int-or-string"):
        return schema
    plain = {key: value for key, value in schema.items() if key not in {"type", "pattern"}}
    return plain | {"anyOf": [{"type": "integer"}, {"type": "string"}]}


def _sentenced(schema: Schema, source: Schema) -> Schema:
    """A pattern as a CEL rule with a sentence: nobody should have to read a regular expression."""
    if PATTERN_MESSAGE not in source:
        return schema
    rule = {"rule": f'self.matches(r"{schema.pop("pattern")}")', "message": source[PATTERN_MESSAGE]}
    return schema | {RULES: [rule, *schema.get(RULES, ())]}
