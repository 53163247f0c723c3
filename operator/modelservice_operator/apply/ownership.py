"""Decides whether the operator may write an object: by UID, or by the marks of a child whose owner is gone."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.apimachinery.kinds import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    MODEL_SERVICE,
    SERVICE,
    ResourceKind,
)
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.apimachinery.well_known import INSTANCE_LABEL, MANAGED_BY_LABEL
from modelservice_operator.errors import NameConflictError, PredecessorTerminatingError
from modelservice_operator.resources import DesiredChild
from modelservice_operator.resources.metadata import ADOPT_BY_ANNOTATION, OWNER_ANNOTATION
from modelservice_operator.settings import FIELD_MANAGER
from modelservice_operator.status.autoscaling import FOREIGN_AUTOSCALER_ADVICE


class Ownership(StrEnum):
    """Relation of an object with the name of a child to the ModelService."""

    OWNED = "owned"
    ORPHANED = "orphaned"
    """Created for an earlier ModelService of the same name, and without another owner: adopted (ADR 0030)."""
    OFFERED = "offered"
    """Without a controller, and annotated with the name of the ModelService that may adopt it."""
    TERMINATING = "terminating"
    """Being deleted, or owned by an earlier ModelService of the same name: it will be deleted without action."""
    NOT_OWNED = "not owned"


_BLOCKING = frozenset({Ownership.TERMINATING, Ownership.NOT_OWNED})


def ownership_of(live: Mapping[str, Any], service: ModelService) -> Ownership:
    """Return the ownership of `live`: by the UID of its controller, or by the marks of one without a controller.

    An object without a controller whose annotation has the UID is owned: another client removed the owner reference,
    which is drift like any other.
    """
    metadata = live["metadata"]
    if metadata.get("deletionTimestamp"):
        return Ownership.TERMINATING
    controller, annotations = _controller_of(metadata), metadata.get("annotations") or {}
    if controller is not None:
        return _ownership_by_controller(controller, service)
    if annotations.get(OWNER_ANNOTATION) == service.metadata.uid:
        return Ownership.OWNED
    if _has_marks(metadata, service) and not _other_references(metadata, service):
        return Ownership.ORPHANED
    offered = annotations.get(ADOPT_BY_ANNOTATION) == service.metadata.name
    return Ownership.OFFERED if offered else Ownership.NOT_OWNED


def _ownership_by_controller(controller: Mapping[str, Any], service: ModelService) -> Ownership:
    """Return the ownership of an object with a controller. The garbage collector deletes those of a predecessor."""
    if controller["uid"] == service.metadata.uid:
        return Ownership.OWNED
    return Ownership.TERMINATING if _is_predecessor(controller, service) else Ownership.NOT_OWNED


def is_owned_by(live: Mapping[str, Any] | None, service: ModelService) -> bool:
    """Return True if `live` exists, is owned by `service` and is not being deleted."""
    return live is not None and ownership_of(live, service) is Ownership.OWNED


def is_own_or_orphan(live: Mapping[str, Any] | None, service: ModelService) -> bool:
    """Return True if `live` exists and was created for this ModelService, or for an earlier one of its name."""
    return live is not None and ownership_of(live, service) in {Ownership.OWNED, Ownership.ORPHANED}


def is_blocking(live: Mapping[str, Any], service: ModelService) -> bool:
    """Return True if `live` has the name of a child and can be neither modified nor adopted."""
    return ownership_of(live, service) in _BLOCKING


def has_owner_reference(live: Mapping[str, Any], service: ModelService) -> bool:
    """Return True if `service` is the controller of `live`."""
    controller = _controller_of(live["metadata"])
    return controller is not None and controller["uid"] == service.metadata.uid


def adopted_references(desired: DesiredChild, live: Mapping[str, Any], service: ModelService) -> list[Object]:
    """Return the owner references of an adopted object: those of the child instead of those of earlier ModelServices.

    Two controllers are rejected by the API server, and the references of others stay.
    """
    return [*_other_references(live["metadata"], service), *desired.body["metadata"]["ownerReferences"]]


def check_ownership(desired: DesiredChild, live: Mapping[str, Any], service: ModelService) -> None:
    """Check that `live` is the child, or can become it.

    Raises NameConflictError if not, PredecessorTerminatingError if `live` will soon be deleted.
    """
    ownership, name = ownership_of(live, service), f"{desired.kind.kind} {live['metadata']['name']}"
    if ownership is Ownership.TERMINATING:
        owner = "" if live["metadata"].get("deletionTimestamp") else "belongs to an earlier ModelService and "
        raise PredecessorTerminatingError(f"{name} {owner}is being deleted; waiting until it is gone.")
    if ownership is Ownership.NOT_OWNED or (ownership is not Ownership.OWNED and not _selector_fits(desired, live)):
        raise NameConflictError(
            f"{name} already exists and is not managed by this ModelService; it was not modified."
            f" {_conflict_hint(desired, live, service)}"
        )


def targets_deployment(autoscaler: Mapping[str, Any], name: str) -> bool:
    """Return True if an autoscaler sets the replicas of the Deployment of this name."""
    target = (autoscaler.get("spec") or {}).get("scaleTargetRef") or {}
    return (target.get("kind"), target.get("name")) == (DEPLOYMENT.kind, name)


def _controller_of(metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((ref for ref in metadata.get("ownerReferences") or () if ref.get("controller")), None)


def _is_predecessor(reference: Mapping[str, Any], service: ModelService) -> bool:
    """Return True if a reference names an earlier ModelService of this name: names are unique, so it does not exist."""
    group = str(reference.get("apiVersion", "")).partition("/")[0]
    identity = group, reference.get("kind"), reference.get("name")
    expected = MODEL_SERVICE.group, MODEL_SERVICE.kind, service.metadata.name
    return identity == expected and reference.get("uid") != service.metadata.uid


def _other_references(metadata: Mapping[str, Any], service: ModelService) -> list[Object]:
    """Return the owner references that are not of an earlier ModelService."""
    return [ref for ref in metadata.get("ownerReferences") or () if not _is_predecessor(ref, service)]


def _has_marks(metadata: Mapping[str, Any], service: ModelService) -> bool:
    """Return True if an object has what the operator sets on the children of a ModelService of this name."""
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    marks = labels.get(MANAGED_BY_LABEL), labels.get(INSTANCE_LABEL)
    return marks == (FIELD_MANAGER, service.metadata.name) and OWNER_ANNOTATION in annotations


def _selector_fits(desired: DesiredChild, live: Mapping[str, Any]) -> bool:
    """Return True unless `live` is a Deployment with another selector, which is immutable (apps/v1)."""
    if desired.kind is not DEPLOYMENT:
        return True
    return bool((live.get("spec") or {}).get("selector") == desired.body["spec"]["selector"])


def _conflict_hint(desired: DesiredChild, live: Mapping[str, Any], service: ModelService) -> str:
    """Return what a user can do. No advice ends pods."""
    kind, metadata = desired.kind, live["metadata"]
    rename = "set service.name to another name" if kind is SERVICE else "give the ModelService another name"
    if kind is HORIZONTAL_POD_AUTOSCALER and targets_deployment(live, service.metadata.name):
        return FOREIGN_AUTOSCALER_ADVICE
    if (controller := _controller_of(metadata)) is not None:
        return f"It belongs to {controller.get('kind')} {controller.get('name')}: {rename}."
    if not _selector_fits(desired, live):
        return f"Its selector differs and cannot be changed: {rename}, or {_replacement(live)}."
    return f"To have it adopted, run {_adoption_command(kind, live, service)}. Otherwise {rename}."


def _replacement(live: Mapping[str, Any]) -> str:
    """Return how a Deployment is replaced while its pods run."""
    metadata = live["metadata"]
    return (
        "replace it without stopping its pods: run kubectl delete -n"
        f" {metadata.get('namespace')} deployment/{metadata['name']} --cascade=orphan, and delete its ReplicaSets when"
        " the ModelService is Ready"
    )


def _adoption_command(kind: ResourceKind, live: Mapping[str, Any], service: ModelService) -> str:
    metadata, resource = live["metadata"], kind.kind.lower()
    return (
        f"kubectl annotate -n {metadata.get('namespace')} {resource}/{metadata['name']}"
        f" {ADOPT_BY_ANNOTATION}={service.metadata.name}"
    )
