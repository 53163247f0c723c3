"""Dry runs: what the API server would store if an object were applied, without storing it."""

import json
from typing import Any

from modelservice_cli.cluster.connection import ApiError, Cluster
from modelservice_operator.apimachinery.kinds import ResourceKind
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.resources.metadata import OWNER_ANNOTATION

LAST_APPLIED_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
"""The manifest that `kubectl apply` sent last: fields that have left the file since then are removed."""
_DRY_RUN = {"dryRun": "All"}
_CONFLICT = 409


def dry_run_create(cluster: Cluster, kind: ResourceKind, body: Object) -> Object:
    """Return the object that a creation would store. Raises ApiError if the server refuses it."""
    path = kind.path(namespace=body["metadata"]["namespace"])
    return cluster.request("POST", path, query=_DRY_RUN | {"fieldValidation": "Strict"}, body=body)


def dry_run_apply(cluster: Cluster, kind: ResourceKind, body: Object, *, manager: str) -> Object:
    """Return the object that a server-side apply by a field manager would store."""
    query = _DRY_RUN | {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
    return cluster.request(
        "PATCH", _path(kind, body), query=query, body=body, content_type="application/apply-patch+yaml"
    )


def dry_run_update(cluster: Cluster, kind: ResourceKind, body: Object, live: Object, *, manager: str) -> Object:
    """Return the object that `kubectl apply` would store: client-side if `live` was applied so, else server-side."""
    last = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED_ANNOTATION)
    if last is None:
        return dry_run_apply(cluster, kind, body, manager=manager)
    patch = three_way_patch(json.loads(last), body, live)
    query = _DRY_RUN | {"fieldValidation": "Strict"}
    return cluster.request(
        "PATCH", _path(kind, body), query=query, body=patch, content_type="application/merge-patch+json"
    )


def is_conflict(error: ApiError) -> bool:
    """Return True if another client has changed or created the object."""
    return error.http_code == _CONFLICT


def three_way_patch(last: Object, wanted: Object, live: Object) -> Object:
    """Return the JSON merge patch of kubectl for custom resources (apimachinery, util/jsonmergepatch).

    It sets what differs between `live` and `wanted`, and removes what `last` had and `wanted` lacks.
    """
    patch: dict[str, Any] = {}
    for key in [*wanted, *(key for key in last if key not in wanted)]:
        if key not in wanted:
            if key in live:
                patch[key] = None
        elif all(isinstance(node.get(key), dict) for node in (wanted, live)):
            earlier = last.get(key)
            inner = three_way_patch(earlier if isinstance(earlier, dict) else {}, wanted[key], live[key])
            if inner:
                patch[key] = inner
        elif key not in live or live[key] != wanted[key]:
            patch[key] = wanted[key]
    return patch


def is_owned_by(child: Object, owner: Object) -> bool:
    """Return True if a child belongs to a ModelService: by its owner reference, or by the operator's annotation."""
    metadata = child["metadata"]
    uids = [reference.get("uid") for reference in metadata.get("ownerReferences") or ()]
    return owner["metadata"].get("uid") in uids or OWNER_ANNOTATION in (metadata.get("annotations") or {})


def _path(kind: ResourceKind, body: Object) -> str:
    return kind.path(namespace=body["metadata"]["namespace"], name=body["metadata"]["name"])
