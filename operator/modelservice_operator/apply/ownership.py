"""Decides whether the operator may write an object, by UID and never by name or label."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE, ResourceKind
from modelservice_operator.errors import ConflictError, NameConflictError
from modelservice_operator.resources.metadata import OWNER_ANNOTATION


class Ownership(StrEnum):
    """Relation of an object with the name of a child to the ModelService."""

    OWNED = "owned"
    TERMINATING = "terminating"
    """Being deleted, or owned by an earlier ModelService of the same name: it will be deleted without action."""
    NOT_OWNED = "not owned"


def ownership_of(live: Mapping[str, Any], service: ModelService) -> Ownership:
    """Return the ownership of `live`, by the UID of its controller.

    An object without a controller is owned if its annotation has the UID: another client removed the owner reference,
    which is drift like any other.
    """
    metadata = live["metadata"]
    controller = next((ref for ref in metadata.get("ownerReferences") or () if ref.get("controller")), None)
    if controller is None:
        is_owned = (metadata.get("annotations") or {}).get(OWNER_ANNOTATION) == service.metadata.uid
    else:
        is_owned = controller["uid"] == service.metadata.uid
    if is_owned:
        return Ownership.TERMINATING if metadata.get("deletionTimestamp") else Ownership.OWNED
    predecessor = controller and (controller["kind"], controller["name"]) == (MODEL_SERVICE.kind, service.metadata.name)
    return Ownership.TERMINATING if predecessor else Ownership.NOT_OWNED


def is_owned_by(live: Mapping[str, Any] | None, service: ModelService) -> bool:
    """Return True if `live` exists, is owned by `service` and is not being deleted."""
    return live is not None and ownership_of(live, service) is Ownership.OWNED


def check_ownership(kind: ResourceKind, live: Mapping[str, Any], service: ModelService) -> None:
    """Raise NameConflictError if `live` is not owned by `service`, ConflictError if it will soon be deleted."""
    name = service.metadata.name
    match ownership_of(live, service):
        case Ownership.TERMINATING:
            owner = "" if live["metadata"].get("deletionTimestamp") else "belongs to an earlier ModelService and "
            raise ConflictError(f"{kind.kind} {name} {owner}is being deleted; waiting until it is gone.")
        case Ownership.NOT_OWNED:
            raise NameConflictError(
                f"{kind.kind} {name} already exists and is not managed by this ModelService; it was not modified."
                f" {_conflict_hint(live)}"
            )
        case Ownership.OWNED:
            pass


def _conflict_hint(live: Mapping[str, Any]) -> str:
    metadata = live["metadata"]
    if OWNER_ANNOTATION in (metadata.get("annotations") or {}) and not metadata.get("ownerReferences"):
        return (
            "An earlier ModelService of this name left it behind (--cascade=orphan): delete it to have a new one"
            " created."
        )
    return "Delete or rename it, or give the ModelService another name."
