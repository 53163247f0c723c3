"""The commands that print and need no cluster: render, crd, reference and policy."""

import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.errors import InvalidSpecError
from modelservice_operator.resources import build_children


def print_children(file: str) -> int:
    """Print the children of every ModelService in `file`; return the exit code. Other objects are ignored."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        bodies = [_with_server_defaults(body) for body in yaml.safe_load_all(text) if _is_model_service(body)]
        children = [child for body in bodies for child in build_children(ModelService.parse(body))]
    except (InvalidSpecError, OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        print(f"{file}: {error}", file=sys.stderr)
        return 1
    if not children:
        print(f"{file}: contains no {MODEL_SERVICE.kind} of {MODEL_SERVICE.api_version}.", file=sys.stderr)
        return 1
    _print_yaml(child.create_body() for child in children)
    return 0


def print_crd() -> int:
    """Print the CustomResourceDefinition; return the exit code."""
    from modelservice_operator.api.crdgen.crd import custom_resource_definition

    _print_yaml([custom_resource_definition()])
    return 0


def print_reference() -> int:
    """Print the field reference as Markdown; return the exit code."""
    from modelservice_operator.api.crdgen.reference import reference

    print(reference(), end="")
    return 0


def print_policy() -> int:
    """Print the admission policy for references; return the exit code."""
    from modelservice_operator.api.crdgen.references import policy

    print(policy(), end="")
    return 0


def _is_model_service(body: object) -> bool:
    return isinstance(body, dict) and (body.get("apiVersion"), body.get("kind")) == (
        MODEL_SERVICE.api_version,
        MODEL_SERVICE.kind,
    )


def _with_server_defaults(body: Object) -> Object:
    """Add the metadata that the API server would set before the operator reads the object."""
    metadata = {"namespace": "default", "uid": "00000000-0000-0000-0000-000000000000"} | (body.get("metadata") or {})
    return body | {"metadata": metadata}


class _Dumper(yaml.SafeDumper):
    """Writes plain YAML: without anchors, and subclasses of str as strings."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


_Dumper.add_multi_representer(str, lambda dumper, value: dumper.represent_str(str(value)))


def _print_yaml(bodies: Iterable[Object]) -> None:
    yaml.dump_all(bodies, sys.stdout, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
