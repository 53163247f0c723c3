"""Writes the types of the Python SDK from those of the operator's API: the same fields, types and descriptions.

`python -m tests.environment.sdk_types` writes `operator/modelservice/types.py` and `declaration.py`; with `--check` it
prints those that are stale and fails. The SDK's types are dataclasses, so that it neither imports pydantic nor checks
values with other sentences than the API server does.
"""

import argparse
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from modelservice_operator.api.crdgen import upstream
from modelservice_operator.api.markers import INT_AS_STRING, UPSTREAM_TYPE
from modelservice_operator.api.v1alpha1.spec import ModelServiceSpec
from modelservice_operator.api.v1alpha1.status import ModelServiceStatus

PACKAGE = Path(__file__).parents[2] / "operator" / "modelservice"
HEADER = "# Generated from operator/modelservice_operator/api by make generate; do not edit.\n"
_WIDTH = 112
Model = type[BaseModel]


def types_module() -> str:
    """Return the source of types.py: a dataclass for each type of the API, those it needs before it."""
    found: dict[str, Model] = {}
    for model in (ModelServiceSpec, ModelServiceStatus):
        _collect(model, found)
    names = ", ".join(f'"{name}"' for name in sorted(found))
    return _formatted(
        f'{HEADER}"""Types of the fields of a ModelService (docs/reference.md)."""\n\n'
        "from collections.abc import Mapping\nfrom dataclasses import dataclass\n"
        "from typing import Any, ClassVar, Literal\n\nfrom modelservice.fields import Fields\n\n"
        f"__all__ = [{names}]\n\n" + "\n\n".join(_dataclass(model) for model in found.values())
    )


def declaration_module() -> str:
    """Return the source of declaration.py: the constructor of ModelService, with the fields of the spec by name."""
    fields = ModelServiceSpec.model_fields
    required = [name for name, field in fields.items() if field.is_required()]
    ordered = [*required, *(name for name in fields if name not in required)]
    hints = {name: _optional(fields[name], prefix="types.") for name in ordered}
    parameters = "".join(f"{name}: {hint},\n" for name, hint in hints.items())
    docs = "\n".join(
        textwrap.fill(f"{name}: {_description(fields[name])}", _WIDTH - 4, initial_indent=" " * 12,
                      subsequent_indent=" " * 16, break_long_words=False, break_on_hyphens=False)
        for name in ordered
    )  # fmt: skip
    passed = "".join(f"{name}={name},\n" for name in ordered)
    return _formatted(
        f'{HEADER}"""The constructor of a ModelService, with each field of the spec."""\n\n'
        "from collections.abc import Mapping\nfrom typing import Any, Literal\n\n"
        "from modelservice import types\nfrom modelservice.cluster import Cluster\n"
        "from modelservice.resource import Resource\n\n\n"
        "class Declaration(Resource):\n"
        '    """A ModelService by its name and the fields of its spec."""\n\n'
        "    def __init__(self, name: str, *,\n"
        f"{parameters}namespace: str | None = None,\nlabels: Mapping[str, str] | None = None,\n"
        "annotations: Mapping[str, str] | None = None,\ncluster: Cluster | None = None) -> None:\n"
        '        """Describe a ModelService. Nothing is sent before `apply`.\n\n'
        "        Args:\n"
        "            name: Name of the ModelService.\n"
        f"{docs}\n"
        "            namespace: Namespace. Defaults to that of the cluster.\n"
        "            labels: Labels of the ModelService.\n"
        "            annotations: Annotations of the ModelService.\n"
        "            cluster: Cluster and user. Defaults to the current context of the kubeconfig.\n\n"
        '        """\n'
        f"        spec = types.ModelServiceSpec({passed})\n"
        "        super().__init__(name, spec, namespace=namespace, labels=labels, annotations=annotations,"
        " cluster=cluster)\n"
    )


def files() -> dict[Path, str]:
    """Return the generated modules."""
    return {PACKAGE / "types.py": types_module(), PACKAGE / "declaration.py": declaration_module()}


def stale_files() -> list[Path]:
    """Return the modules that differ from those that would be written."""
    return [path for path, text in files().items() if not path.exists() or path.read_text(encoding="utf-8") != text]


def _collect(model: Model, found: dict[str, Model]) -> None:
    """Add a model after all that its fields have."""
    if found.get(model.__name__) is model:
        return
    for field in model.model_fields.values():
        for inner in _models_of(_annotated(field)):
            _collect(inner, found)
    if model.__name__ in found:
        raise ValueError(f"two types of the API are named {model.__name__}")
    found[model.__name__] = model


def _models_of(hint: Any) -> Iterator[Model]:
    described = _upstream_of(hint)
    if described is not None:
        yield described
    elif isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
    elif get_origin(hint) is not Literal:
        for inner in get_args(hint):
            yield from _models_of(inner)


def _annotated(field: FieldInfo) -> Any:
    """Return the type of a field with what pydantic keeps apart from it."""
    extra = field.json_schema_extra
    if isinstance(extra, Mapping) and UPSTREAM_TYPE in extra:
        return Annotated[field.annotation, FieldInfo(json_schema_extra=dict(extra))]
    if INT_AS_STRING in field.metadata:
        return Annotated[field.annotation, INT_AS_STRING]
    return field.annotation


def _upstream_of(hint: Any) -> Model | None:
    """Return the class that describes a field of Kubernetes which the operator copies unchanged."""
    for marker in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
        extra = getattr(marker, "json_schema_extra", None)
        if isinstance(extra, Mapping) and UPSTREAM_TYPE in extra:
            described: Model = getattr(upstream, str(extra[UPSTREAM_TYPE]))
            return described
    return None


def _dataclass(model: Model) -> str:
    first, _, rest = (model.__doc__ or "").strip().partition("\n")
    more = f"\n\n{textwrap.indent(textwrap.dedent(rest).strip(), '    ')}\n    " if rest.strip() else ""
    lines = ["@dataclass(kw_only=True)", f"class {model.__name__}(Fields):", f'    """{first}{more}"""', ""]
    names = {
        name: field.alias
        for name, field in model.model_fields.items()
        if field.alias is not None and field.alias != to_camel(name)
    }
    if names:
        lines.append(f"    API_NAMES: ClassVar[Mapping[str, str]] = {names!r}\n")
    for name, field in model.model_fields.items():
        lines += [f"    {name}: {_optional(field)}", _attribute_docstring(_description(field))]
    return "\n".join(lines) + "\n"


def _attribute_docstring(text: str) -> str:
    lines = textwrap.wrap(text, _WIDTH - 3, break_long_words=False, break_on_hyphens=False)
    if not lines:
        return ""
    if len(lines) == 1:
        return f'    """{lines[0]}"""'
    return '    """' + "\n    ".join(lines) + '\n    """'


def _description(field: FieldInfo) -> str:
    text = (field.description or "").replace("\\", "\\\\")
    if field.is_required() or field.default is None or "Defaults to" in text:
        return text
    shown = "{}" if isinstance(field.default, BaseModel) else str(field.default)
    return f"{text} Defaults to {shown.lower() if isinstance(field.default, bool) else shown}."


def _optional(field: FieldInfo, prefix: str = "") -> str:
    hint = _name(_annotated(field), prefix)
    if field.is_required():
        return hint
    return f"{hint.removesuffix(' | None')} | None = None"


def _name(hint: Any, prefix: str) -> str:
    """Return a type as it is written, without the bounds, which the API server checks."""
    described = _upstream_of(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    name: str = (described or hint).__name__ if described or origin is None else ""
    if origin is Annotated and described is None:
        return "int | str" if INT_AS_STRING in arguments[1:] else _name(arguments[0], prefix)
    if origin in {Union, UnionType}:
        names = dict.fromkeys(_name(one, prefix) for one in sorted(arguments, key=lambda one: one is NoneType))
        return " | ".join(names)
    if origin is Literal:
        return f"Literal[{', '.join(repr(one) for one in arguments)}]"
    if origin in {list, dict}:
        return f"{origin.__name__}[{', '.join(_name(one, prefix) for one in arguments)}]"
    is_plain = hint in {NoneType, Any, str, int, bool, float}
    return name.replace("NoneType", "None") if is_plain else f"{prefix}{name}"


def _formatted(source: str) -> str:
    """Return source as ruff writes it, without imports that it does not need."""
    ruff = Path(sys.executable).with_name("ruff")
    for command in (["check", "--fix", "--quiet", "--select", "F401,I"], ["format", "--quiet"]):
        arguments = [str(ruff), *command, "--stdin-filename", str(PACKAGE / "generated.py"), "-"]
        source = subprocess.run(arguments, input=source, stdout=subprocess.PIPE, text=True, check=True).stdout
    return source


def main() -> int:
    """Write the modules; with --check, print those that are stale and return 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="print stale modules and fail")
    if not parser.parse_args().check:
        for path, text in files().items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = stale_files()
    for path in stale:
        print(f"{path} is stale: run make generate and commit the result.", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
