"""Generates `docs/reference.md` from the schema. The result is text; no I/O.

One section per object, one row per field. A type that is used several times, such as a probe, is described once and
linked.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from modelservice_operator.api.crdgen.crd import NAME_RULE, root_schema
from modelservice_operator.api.crdgen.structural import RULES, Schema, as_text
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE

_HEAD = f"""<!-- Generated from operator/modelservice_operator/api by make generate; do not edit. -->
# {MODEL_SERVICE.kind} {MODEL_SERVICE.version}: reference

`apiVersion: {MODEL_SERVICE.api_version}`, `kind: {MODEL_SERVICE.kind}`, short name `msvc`. `kubectl explain
modelservice.spec` shows the same. Required fields are bold. "Rule:" is followed by the message of the API
server for an object that violates the rule.

Rule: {NAME_RULE["message"]}.
"""
_COLUMNS = "| field | type | default | bounds | meaning |\n| --- | --- | --- | --- | --- |"


def reference() -> str:
    """Return the reference as Markdown."""
    schema = root_schema()["properties"]
    document = _Document()
    sections = [text for part in ("spec", "status") for text in document.sections(part, schema[part])]
    return "\n".join([_HEAD, *sections])


@dataclass
class _Document:
    described: dict[str, str] = field(default_factory=dict)
    """Path of the section that describes a type, by the type: its first use."""

    def sections(self, path: str, schema: Schema) -> Iterator[str]:
        """Yield the section of an object and those of the objects below it."""
        rows = [self._row(path, name, child, schema) for name, child in schema["properties"].items()]
        rules = "".join(f"- Rule: {_plain(rule['message'])}.\n" for rule in schema.get(RULES, ()))
        intro = f"{_description(schema)} {_example(schema)}\n" + (f"\n{rules}" if rules else "")
        yield f"## {path}\n{intro}\n{_COLUMNS}\n" + "\n".join(rows) + "\n"
        for name, child in schema["properties"].items():
            below, suffix = _object_in(child)
            place = f"{path}.{name}{suffix}"
            if below is not None and self.described[_type_key(below)] == place:
                yield from self.sections(place, _with_text(below, child))

    def _row(self, path: str, name: str, schema: Schema, parent: Schema) -> str:
        required = "required" if name in parent.get("required", ()) else _default(schema)
        label = f"**{name}**" if name in parent.get("required", ()) else name
        cells = (label, self._type(f"{path}.{name}", schema), required, _bounds(schema), _field_description(schema))
        return f"| {' | '.join(cells)} |"

    def _type(self, path: str, schema: Schema) -> str:
        below, suffix = _object_in(schema)
        kind = _kind(schema)
        if below is None:
            return kind
        target = self.described.setdefault(_type_key(below), f"{path}{suffix}")
        return f"[{kind}](#{_anchor(target)})"


def _type_key(schema: Schema) -> str:
    """Return a key of the type of an object: its properties and rules, without the description of the field."""
    return json.dumps({key: schema[key] for key in ("properties", RULES) if key in schema})


def _object_in(schema: Schema) -> tuple[Schema | None, str]:
    """Return the object that a field contains, directly or as items of a list, and the suffix of its path."""
    if "properties" in schema:
        return schema, ""
    items = schema.get("items", {})
    return (items, "[]") if "properties" in items else (None, "")


def _with_text(below: Schema, holder: Schema) -> Schema:
    return below | {key: holder[key] for key in ("description", "examples") if key in holder}


def _anchor(path: str) -> str:
    """Return the anchor of a heading as GitHub builds it: lower case, without punctuation."""
    return "".join(letter for letter in path.lower() if letter.isalnum() or letter in "-_")


def _kind(schema: Schema) -> str:
    if "x-kubernetes-int-or-string" in schema:
        return "integer or string"
    match schema["type"]:
        case "array":
            return f"list of {_plural(_kind(schema['items']))}"
        case "object" if "additionalProperties" in schema:
            return f"map of {_plural(_kind(schema['additionalProperties']))}"
        case kind:
            return str(kind)


def _plural(kind: str) -> str:
    return "integers or strings" if kind == "integer or string" else f"{kind}s"


def _default(schema: Schema) -> str:
    return f"`{as_text(schema['default'])}`" if "default" in schema else ""


def _bounds(schema: Schema) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" if value else '`""`' for value in schema["enum"])
    if schema.get("type") == "integer":
        return f"{schema['minimum']} to {schema['maximum']}"
    for unit in ("Length", "Items", "Properties"):
        if f"max{unit}" in schema:
            words = {"Length": "characters", "Items": "items", "Properties": "entries"}[unit]
            least = schema.get(f"min{unit}")
            return f"{least} to {schema[f'max{unit}']} {words}" if least else f"at most {schema[f'max{unit}']} {words}"
    return ""


def _field_description(schema: Schema) -> str:
    """Return description, rules and example of a field. The rules of an object are in its section."""
    nodes = [{} if "properties" in schema else schema, schema.get("items", {}), schema.get("additionalProperties", {})]
    rules = [rule for node in nodes if "properties" not in node for rule in node.get(RULES, ())]
    return " ".join([_description(schema), *(f"Rule: {_plain(rule['message'])}." for rule in rules), _example(schema)])


def _description(schema: Schema) -> str:
    return _plain(str(schema.get("description", "")))


def _example(schema: Schema) -> str:
    return f"Example: `{as_text(schema['examples'][0])}`" if "examples" in schema else ""


def _plain(text: str) -> str:
    """Escape characters that have a meaning in Markdown."""
    return text.replace("*", "\\*").replace("|", "\\|")
