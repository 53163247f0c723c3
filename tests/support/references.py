"""A spec for each field that references an object."""

from collections.abc import Iterator
from typing import Any

from modelservice_operator.api.crdgen.references import REFERENCES
from tests.support.schema_fields import fields, with_field

OWN = "own"


def _specs() -> Iterator[tuple[str, dict[str, Any]]]:
    for field in fields():
        if field.name in REFERENCES:
            spec = with_field(field.path, OWN).spec
            yield field.name, {name: spec[name] for name in ("image", field.path[0])}


SPECS = dict(_specs())
"""The smallest spec with a reference to `OWN`, and no other, by its path, such as `mounts[].secret.name`."""
