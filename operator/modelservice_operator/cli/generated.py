"""The commands that print and need no cluster: crd, reference and policy."""

import sys

import yaml


def print_crd() -> int:
    """Print the CustomResourceDefinition; return the exit code."""
    from modelservice_operator.api.crdgen.crd import custom_resource_definition

    yaml.dump(custom_resource_definition(), sys.stdout, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
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
    """Writes schemas that occur more than once without anchors."""

    def ignore_aliases(self, _data: object) -> bool:
        return True
