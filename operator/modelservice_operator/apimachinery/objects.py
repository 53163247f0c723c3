"""Kubernetes objects as JSON, their names and versions."""

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

Json = Any
"""Decoded JSON of any type. `Any`, because a precise type would need a cast at each access."""
Object = dict[str, Any]
"""One object of the API, decoded from JSON."""


class NamespacedName(NamedTuple):
    """Namespace and name of an object (apimachinery, types.NamespacedName)."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def key_of(body: Mapping[str, Any]) -> NamespacedName:
    """Return namespace and name of an object. Both are interned: each is in the cache of every kind."""
    metadata = body["metadata"]
    return NamespacedName(sys.intern(metadata.get("namespace", "")), sys.intern(metadata["name"]))


def version_of(body: Mapping[str, Any]) -> int:
    """Return the resourceVersion as a number: versions of one resource are comparable (KEP-5504)."""
    return int(body["metadata"]["resourceVersion"])
