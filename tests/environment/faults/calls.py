"""A request to the API server: verb, resource, namespace and name, as in the audit log."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_REVIEW = "reviews"
"""End of the plurals of authentication.k8s.io and authorization.k8s.io, such as selfsubjectreviews."""
STREAMS = frozenset({"list", "watch"})
_VERBS: Mapping[str, str] = {
    "GET": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_GROUPED = ("apis", "GROUP", "VERSION")
_CORE = ("api", "VERSION")


@dataclass(frozen=True, slots=True)
class Call:
    """One request: `resource` is `plural` or `plural/subresource`, empty for a path that is not a resource."""

    verb: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"

    @property
    def is_write(self) -> bool:
        """Return True if the request changes something. The API server answers a review, and stores nothing."""
        return self.verb in WRITES and not self.resource.endswith(_REVIEW)

    def is_about(self, namespace: str, name: str) -> bool:
        """Return True if the request names an object of this name: a ModelService and its children share it."""
        return (self.namespace, self.name) == (namespace, name)


def classify(method: str, path: str, query: Mapping[str, str], body: bytes = b"") -> Call:
    """Read a request as the API server does (staging/src/k8s.io/apiserver, RequestInfoFactory)."""
    verb = _VERBS.get(method, method.lower())
    parts = [unquote(part) for part in path.strip("/").split("/")]
    prefix = {"apis": _GROUPED, "api": _CORE}.get(parts[0], ())
    parts = parts[len(prefix) :]
    if not prefix or not parts:
        return Call(verb, "")
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > len(("namespaces", "NAME")):
        namespace, parts = parts[1], parts[2:]
    plural, name, subresource = (*parts, "", "")[:3]
    if verb == "get" and not name:
        verb = "watch" if query.get("watch") in {"true", "1"} else "list"
    if verb == "create" and not name:
        name = _name_in(body)
    return Call(verb, "/".join(filter(None, (plural, subresource))), namespace, name)


def _name_in(body: bytes) -> str:
    try:
        return str(json.loads(body)["metadata"]["name"])
    except (ValueError, KeyError, TypeError):
        return ""
