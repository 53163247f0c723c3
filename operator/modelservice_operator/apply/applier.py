"""Brings children to the desired state with as few requests as possible. Objects of other owners are never modified."""

import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import Any

from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.kinds import CHILD_KINDS, DEPLOYMENT, MODEL_SERVICE, SERVICE, ResourceKind
from modelservice_operator.apimachinery.managed_fields import last_manager_of_field
from modelservice_operator.apimachinery.objects import NamespacedName, Object, key_of
from modelservice_operator.apply.autoscalers import find_foreign_autoscalers
from modelservice_operator.apply.corrections import REPLICAS, Correction, CorrectionLimiter, Target
from modelservice_operator.apply.ownership import (
    adopted_references,
    check_ownership,
    has_owner_reference,
    is_own_or_orphan,
    is_owned_by,
)
from modelservice_operator.apply.rejection_cache import RejectionCache
from modelservice_operator.apply.writer import ObjectWriter
from modelservice_operator.cache.informers import InformerSet
from modelservice_operator.errors import (
    DriftDetectedError,
    InvalidRequestError,
    KindNotServedError,
    ObjectNotFoundError,
    OperatorError,
    OwnerTerminatingError,
    TransientError,
)
from modelservice_operator.metrics.instruments import record_correction
from modelservice_operator.resources import DesiredChild
from modelservice_operator.resources.diff import Drift
from modelservice_operator.resources.immutable import is_refused_as_immutable
from modelservice_operator.resources.metadata import HAS_CO_OWNERS, HAS_UPDATE_FIELDS
from modelservice_operator.resources.newer_fields import find_dropped
from modelservice_operator.resources.service import (
    holds_node_port,
    is_refused_for_node_port,
    without_held_ports,
    without_node_ports,
)

logger = logging.getLogger(__name__)

_UNKNOWN_FIELD = "field not declared in schema"
"""An apply of a field that the API server does not know fails with 500 (apimachinery, managedfields, typed.go)."""
_OWNER_REFERENCES = ".metadata.ownerReferences"
"""Path of the field whose corrections an adoption counts as."""


class Applier:
    """Applies and prunes children, for the reconciler."""

    def __init__(self, writer: ObjectWriter, informers: InformerSet, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._writer = writer
        self._informers = informers
        self._corrections = CorrectionLimiter(clock=clock)
        self._rejections = RejectionCache(clock=clock)

    def find_surplus(
        self, children: Collection[DesiredChild], service: ModelService
    ) -> list[tuple[ResourceKind, Object]]:
        """Return the owned and orphaned objects of kinds that are not desired, to be deleted before others are applied.

        Sends no request.
        """
        desired = {child.kind for child in children}
        return [(kind, live) for kind in CHILD_KINDS if kind not in desired for live in self._owned(kind, service)]

    def find_port_holders(
        self, children: Iterable[DesiredChild], service: ModelService
    ) -> list[tuple[DesiredChild, Object]]:
        """Return the desired Service with those of an earlier name that hold one of its node ports."""
        renamed = self._predecessors(children, service)
        return [(child, live) for child, live in renamed if holds_node_port(live, child.body)]

    def find_replaced(
        self, children: Iterable[DesiredChild], service: ModelService
    ) -> list[tuple[ResourceKind, Object]]:
        """Return the owned Services of an earlier name whose successor exists, so that the model stays reachable."""
        renamed = self._predecessors(children, service)
        return [
            (child.kind, live)
            for child, live in renamed
            if is_owned_by(self._informers.get(child.kind, child.key), service)
        ]

    def find_outdated(self, children: Iterable[DesiredChild], service: ModelService) -> list[DesiredChild]:
        """Return the children for which `apply` would send a request. Sends none."""
        return [child for child in children if not self._is_up_to_date(child, service)]

    async def apply(self, desired: DesiredChild, service: ModelService) -> list[Drift]:
        """Create the child or correct it; return the fields that another client had changed.

        Raises KindNotServedError if its kind cannot be read, NameConflictError if the name is taken,
        PredecessorTerminatingError while a predecessor is being deleted, DriftDetectedError if corrections are undone,
        FieldUnsupportedError if the API server drops a field.
        """
        if unavailable := self._informers.explain_unavailable(desired.kind, desired.key.namespace):
            raise KindNotServedError(unavailable)
        live = await self._ensure_exists(desired, service)
        # Before the apply, which removes the annotation that marks a suspended Deployment.
        live, reverted = await self._scale_if_needed(desired, live, service)
        drifts = await self._correct_drift(desired, live, service)
        if reverted is not None:
            raise reverted  # not before: the rest of the child does not depend on the count
        return drifts

    def discard_rejection(self, desired: DesiredChild, service: ModelService) -> None:
        """Let the next `apply` of the child send its request, because the object in its way has changed."""
        self._rejections.discard(Target.of(desired, service))

    async def prune(self, kind: ResourceKind, live: Object, service: ModelService) -> None:
        """Delete an owned object that is no longer desired. Raises DriftDetectedError if it is created each time."""
        correction = Correction.of_surplus(kind, live, service)
        self._corrections.check(correction)
        is_drift = self._corrections.is_repeated(correction)
        manager = await self._manager_if_repeated(correction, _OWNER_REFERENCES)
        await self._writer.delete(kind, live)
        name = key_of(live).name
        logger.info("Deleted %s %s", kind.kind, name, extra=_fields("NotDesired", kind, name, manager=manager))
        self._record(correction, manager, is_drift=is_drift)

    async def release_ports(self, desired: DesiredChild, live: Object, service: ModelService) -> None:
        """Delete a Service that holds node ports of its successor, unless the successor would be rejected."""
        await self._verify_successor(desired, live, service)
        await self.prune(desired.kind, live, service)

    async def prune_owned(self, kind: ResourceKind, service: ModelService) -> None:
        """Delete the owned objects of this kind."""
        for live in self._owned(kind, service):
            if is_owned_by(live, service):
                await self.prune(kind, live, service)

    async def verify_owner_exists(self, children: Iterable[DesiredChild], service: ModelService) -> None:
        """Check with a live GET that the ModelService still exists before a deleted child is re-created.

        Watches are not ordered among each other: the garbage collector may have deleted the children of a ModelService
        whose own deletion has not arrived yet, and a child created then would have no owner.
        Raises OwnerTerminatingError if the answer is about the object; NotFoundError if its kind is not served.
        """
        deleted = (child for child in children if self._informers.was_recently_deleted(child.kind, child.key))
        if any(self._corrections.allow(Correction.of_absence(child, service)) for child in deleted):
            await self._recheck_owner(service)

    async def _recheck_owner(self, service: ModelService) -> None:
        """Check with a live GET that the ModelService exists (client-go, RecheckDeletionTimestamp).

        Raises OwnerTerminatingError.
        """
        key = service.metadata.key
        try:
            metadata = (await self._writer.read(MODEL_SERVICE, key))["metadata"]
        except ObjectNotFoundError as error:
            raise OwnerTerminatingError(f"ModelService {key.name} was deleted.") from error
        if metadata["uid"] != service.metadata.uid or metadata.get("deletionTimestamp"):
            raise OwnerTerminatingError(f"ModelService {key.name} is being deleted, or was re-created.")

    def _predecessors(
        self, children: Iterable[DesiredChild], service: ModelService
    ) -> Iterator[tuple[DesiredChild, Object]]:
        """Yield the desired Service with each owned Service of another name. No other child can be renamed."""
        for child in children:
            if child.kind is SERVICE:
                yield from ((child, live) for live in self._owned(SERVICE, service) if key_of(live) != child.key)

    def _owned(self, kind: ResourceKind, service: ModelService) -> list[Object]:
        """Return the owned and orphaned objects of a kind: more than one only while a Service is being renamed."""
        mapped = self._informers.by_index(kind, service.metadata.key)
        return [live for live in mapped if is_own_or_orphan(live, service)]

    def _is_up_to_date(self, desired: DesiredChild, service: ModelService) -> bool:
        live = self._informers.get(desired.kind, desired.key)
        return (
            live is not None
            and is_owned_by(live, service)
            and self._informers.is_available(desired.kind, desired.key.namespace)
            and self._replicas_to_set(desired, live, service) is None
            and desired.first_difference(live) is None
        )

    async def _ensure_exists(self, desired: DesiredChild, service: ModelService) -> Object:
        """Return the owned child; create it if there is none, or if it differs in an immutable field."""
        live = self._informers.get(desired.kind, desired.key)
        if live is None:
            live = await self._create(desired, service)
        live = await self._claim(desired, live, service)
        return await self._recreate(desired, live, service) if desired.requires_recreate(live) else live

    async def _recreate(self, desired: DesiredChild, live: Object, service: ModelService) -> Object:
        """Delete the child and create it: an update of an immutable field is rejected.

        It is kept if its successor would be rejected, as for an IP family that the cluster does not have.
        """
        self._corrections.check(Correction.of_absence(desired, service))
        await self._verify_successor(desired, live, service)
        await self._writer.delete(desired.kind, live)
        kind, name = desired.kind, desired.key.name
        text = "Deleted %s %s to create it again: a field that differs is immutable"
        logger.info(text, kind.kind, name, extra=_fields("ImmutableField", kind, name))
        return await self._claim(desired, await self._create_successor(desired, service), service)

    async def _verify_successor(self, desired: DesiredChild, live: Object, service: ModelService) -> None:
        """Check that the API server does not reject the child for another reason than that `live` exists."""
        with self._rejections.guard(Target.of(desired, service)):
            await self._writer.verify_creation(desired.kind, without_held_ports(desired.create_body(), live))

    async def _create_successor(self, desired: DesiredChild, service: ModelService) -> Object:
        """Create the child after its predecessor was deleted.

        A dry run does not check the range of node ports (core/v1, portallocator.PortAllocationOperation). A Service
        whose node port is rejected is created without it: the model stays reachable, and the apply that follows
        reports the port.
        """
        try:
            return await self._create(desired, service)
        except InvalidRequestError as error:
            if not is_refused_for_node_port(error):
                raise
            self.discard_rejection(desired, service)
            return await self._create(without_node_ports(desired), service)

    async def _create(self, desired: DesiredChild, service: ModelService) -> Object:
        """Create the child, and return it, or the object that has its name and can be adopted.

        A child that was deleted, or has lost the label, counts as a correction.
        """
        correction = Correction.of_absence(desired, service)
        was_deleted = self._informers.was_recently_deleted(desired.kind, desired.key)
        if was_deleted:
            self._corrections.check(correction)
        with self._rejections.guard(Target.of(desired, service)):
            live = await self._writer.create(desired)
            check_ownership(desired, live, service)
            if was_deleted:
                self._record(correction, is_drift=True)
            if is_owned_by(live, service):
                kind, name = desired.kind, desired.key.name
                reason = "ChildDeleted" if was_deleted else "ChildMissing"
                logger.info("Created %s %s", kind.kind, name, extra=_fields(reason, kind, name))
                self._informers.upsert(desired.kind, live)
                _check_support(desired, live)
        return live

    async def _claim(self, desired: DesiredChild, live: Object, service: ModelService) -> Object:
        """Return `live` if it is owned, and adopt it if it may be (client-go, ControllerRefManager.ClaimObject).

        A reference to a ModelService that is being deleted would let the garbage collector delete what its user kept
        with --cascade=orphan, and the cache may not know of the deletion yet: a live GET comes first.
        """
        check_ownership(desired, live, service)
        if has_owner_reference(live, service):
            return live
        correction = Correction.of_field(desired, service, _OWNER_REFERENCES)
        self._corrections.check(correction)
        await self._recheck_owner(service)
        if is_owned_by(live, service):
            return live
        adopted = await self._adopt(desired, live, service)
        self._corrections.record(correction)
        return adopted

    async def _adopt(self, desired: DesiredChild, live: Object, service: ModelService) -> Object:
        """Take over an object that no controller owns. What differs from the child is corrected as for any other."""
        live = await self._writer.read_existing(desired.kind, key_of(live))  # with managedFields
        check_ownership(desired, live, service)
        adopted = await self._writer.adopt(desired, live, adopted_references(desired, live, service))
        kind, name = desired.kind, desired.key.name
        logger.info("Adopted %s %s", kind.kind, name, extra=_fields("Adopted", kind, name))
        return adopted

    def _replicas_to_set(self, desired: DesiredChild, live: Object, service: ModelService) -> int | None:
        """Return the replicas to scale `live` to; None if they are right or another controller owns them.

        That is also an autoscaler of another owner. It does not act on 0 replicas, so these stay with the operator.
        """
        replicas = desired.replicas_to_set(live)
        both_positive = replicas and live.get("spec", {}).get("replicas")
        if both_positive and desired.kind is DEPLOYMENT and find_foreign_autoscalers(self._informers, service):
            return None
        return replicas

    async def _scale_if_needed(
        self, desired: DesiredChild, live: Object, service: ModelService
    ) -> tuple[Object, DriftDetectedError | None]:
        """Return the child with the right replicas; with an error if another client reverts them each time."""
        replicas = self._replicas_to_set(desired, live, service)
        if replicas is None:
            return live, None
        correction = Correction.of_replicas(desired, service, replicas)
        try:
            self._corrections.check(correction)
        except DriftDetectedError as reverted:
            return live, reverted
        is_drift = self._corrections.is_repeated(correction)
        manager = await self._manager_if_repeated(correction, REPLICAS)
        with self._rejections.guard(Target.of(desired, service)):
            scaled = await self._writer.scale(desired.kind, live, replicas)
        kind, name = desired.kind, desired.key.name
        fields = _fields("ReplicasDiffer", kind, name, field=REPLICAS, manager=manager)
        logger.info("Scaled %s %s to %d replicas", kind.kind, name, replicas, extra=fields)
        self._record(correction, manager, is_drift=is_drift)
        return scaled, None

    async def _correct_drift(self, desired: DesiredChild, live: Object, service: ModelService) -> list[Drift]:
        """Apply until the response has no difference; return the fields that another client had changed.

        A mutating webhook can change the response itself, which the cache need not notice; the drift limit ends that.
        """
        drifts = []
        while (field := desired.first_difference(live)) is not None:
            correction = Correction.of_field(desired, service, field)
            self._corrections.check(correction)
            # If another desired state was applied, the difference is a new wish and no drift.
            is_drift = desired.was_applied_to(live)
            with self._rejections.guard(Target.of(desired, service)):
                manager = await self._last_manager_of(desired.kind, desired.key, field) if is_drift else None
                live = await self._server_side_apply(desired, live, service)
                _log_apply(desired, field, manager, is_drift=is_drift)
                _check_support(desired, live)
            self._record(correction, manager, is_drift=is_drift)
            if is_drift:
                drifts.append(Drift(kind=desired.kind.kind, field=field.removeprefix("."), manager=manager))
        return drifts

    def _record(self, correction: Correction, manager: str | None = None, *, is_drift: bool) -> None:
        """Count a correction for its limit, and in the metrics if another client made it necessary.

        Of the replicas and of objects to delete, only a repeated one is known to be drift: the first is usually a new
        wish.
        """
        self._corrections.record(correction, manager)
        if is_drift:
            record_correction(correction.target.kind.kind, correction.action)

    async def _server_side_apply(self, desired: DesiredChild, live: Object, service: ModelService) -> Object:
        version = await self._take_ownership(desired, live)
        try:
            return await self._writer.server_side_apply(desired, live, version=version)
        except InvalidRequestError as error:
            if is_refused_as_immutable(desired.kind, error):
                return await self._recreate(desired, live, service)
            return await self._replace_conflicting_nodes(desired, error)
        except TransientError as error:
            if _UNKNOWN_FIELD in str(error):
                _check_support(desired, live)
            raise

    async def _take_ownership(self, desired: DesiredChild, live: Object) -> str | None:
        """Become the only owner of what the next apply removes; return the version that it must meet, if any.

        Only the first apply after the POST, and a new desired state of a child with other owners, can need it.
        """
        has_co_owners = live.get(HAS_CO_OWNERS) and not desired.was_applied_to(live)
        if live.get(HAS_UPDATE_FIELDS) or has_co_owners:
            return await self._writer.take_ownership(desired)
        return None

    async def _replace_conflicting_nodes(self, desired: DesiredChild, error: InvalidRequestError) -> Object:
        """Replace nodes that another client put where the desired ones must be; raise `error` if there are none.

        An apply cannot: a port whose number was changed is another item to it, and two items of one name are rejected,
        as are two sources of one volume. Remaining differences are applied afterwards.
        """
        live = self._informers.get(desired.kind, desired.key)
        nodes = desired.conflicting_nodes(live) if live is not None else []
        if live is None or not nodes:
            raise error
        try:
            return await self._writer.replace_nodes(desired.kind, live, nodes)
        except InvalidRequestError:
            raise error from None

    async def _manager_if_repeated(self, correction: Correction, field: str) -> str | None:
        """Return the manager of `field` if this is not the first such correction; the first costs no request."""
        if not self._corrections.is_repeated(correction):
            return None
        return await self._last_manager_of(correction.target.kind, correction.child, field)

    async def _last_manager_of(self, kind: ResourceKind, key: NamespacedName, field: str) -> str | None:
        """Return the field manager that last wrote `field`, by a live GET: caches do not store managedFields."""
        with suppress(OperatorError):  # only the Event and the message name it
            live = await self._writer.read(kind, key)
            return last_manager_of_field(field, live["metadata"].get("managedFields") or [])
        return None


def _fields(reason: str, kind: ResourceKind, name: str, **others: str | None) -> dict[str, Any]:
    """Return the fields of a log line about a child; those without a value are left out."""
    known = {field: value for field, value in others.items() if value is not None}
    return {"reason": reason, "child": {"kind": kind.kind, "name": name}, **known}


def _log_apply(desired: DesiredChild, field: str, manager: str | None, *, is_drift: bool) -> None:
    """Log an apply: a correction of what another client changed, or another desired state."""
    kind, name = desired.kind, desired.key.name
    fields = _fields("DriftCorrected" if is_drift else "SpecChanged", kind, name, field=field, manager=manager)
    if is_drift:
        client = manager or "another client"
        logger.info("Corrected %s of %s %s, changed by %s", field, kind.kind, name, client, extra=fields)
    else:
        logger.info("Updated %s %s, first difference %s", kind.kind, name, field, extra=fields)


def _check_support(desired: DesiredChild, response: Object) -> None:
    """Raise FieldUnsupportedError if the API server has dropped a field in its response to a write."""
    if (dropped := find_dropped(desired.kind, desired.body, response)) is not None:
        raise dropped.error()
