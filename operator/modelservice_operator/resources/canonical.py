"""The canonical form of a child: what the API server stores of it, without the values that it drops.

Most fields of the built-in kinds are dropped when they are empty (`omitempty` in their Go types), so that a desired
empty value would differ from the live object at each reconcile. Whether a field is dropped depends on its Go type, and
the OpenAPI document of the API server does not contain that. tests/integration/test_canonical_form.py reads it from the
answers of the API server, for every field of a ModelService: neither more nor less may be dropped.
"""

from modelservice_operator.apimachinery.objects import Json
from modelservice_operator.apimachinery.quantity import ResourceQuantity

_CONTAINERS = frozenset({dict, list})
"""Types of JSON containers: builders use no others, and a comparison of types costs half of an isinstance."""
_RESOURCE_LISTS = frozenset({"requests", "limits"})

_DROPPED_MAPS = frozenset(
    {
        *("annotations", "labels", "matchLabels", "nodeSelector"),
        *("requests", "limits", "volumeAttributes"),
    }
)
"""Maps with arbitrary keys, which are dropped when empty. An empty struct, such as `emptyDir: {}`, has a meaning."""

_DROPPED_ZEROS: frozenset[tuple[str, str]] = frozenset(
    {
        *((probe, "initialDelaySeconds") for probe in ("startupProbe", "readinessProbe", "livenessProbe")),
        *(("tolerations", field) for field in ("key", "operator", "value", "effect")),
        ("env", "value"),
        ("resourceFieldRef", "containerName"),
        ("emptyDir", "medium"),
        ("volumeMounts", "readOnly"),
        ("persistentVolumeClaim", "readOnly"),
        ("spec", "minReadySeconds"),
        ("spec", "publishNotReadyAddresses"),
    }
)
"""(holder, field) of scalars that are dropped when they are zero, False or "". Others, which are pointers in Go or have
no `omitempty`, are stored: automountServiceAccountToken and terminationGracePeriodSeconds, for instance."""


def canonical_form(node: Json, name: str = "") -> Json:
    """Return `node`, the value of the field `name` or an item of that list, without what the API server drops."""
    if type(node) is list:
        return [canonical_form(item, name) if type(item) in _CONTAINERS else item for item in node]
    if type(node) is not dict:
        return node
    if name in _RESOURCE_LISTS:
        return {resource: ResourceQuantity(amount) for resource, amount in node.items()}
    stored = {}
    for field, value in node.items():  # a plain loop: a comprehension takes twice the time
        if (kind := type(value)) is dict:
            if (below := canonical_form(value, field)) or field not in _DROPPED_MAPS:
                stored[field] = below
        elif kind is list:
            if below := canonical_form(value, field):
                stored[field] = below
        elif value or (value is not None and (name, field) not in _DROPPED_ZEROS):
            stored[field] = value
    return stored
