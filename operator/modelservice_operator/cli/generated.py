"""The commands that print and need no cluster: crd, reference and policy."""

import sys
from collections.abc import Iterable

import yaml

from modelservice_operator.apimachinery.objects import Object


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


class _Dumper(yaml.SafeDumper):
    """Writes plain YAML: without anchors, and subclasses of str as strings."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


_Dumper.add_multi_representer(str, lambda dumper, value: dumper.represent_str(str(value)))


def _print_yaml(bodies: Iterable[Object]) -> None:
    yaml.dump_all(bodies, sys.stdout, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
