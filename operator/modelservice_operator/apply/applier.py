"""Brings children to the desired state with as few requests as possible. Objects of other owners are never modified."""

from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.kinds import CHILD_KINDS, MODEL_SERVICE, ResourceKind
from modelservice_operator.apimachinery.managed_fields import last_manager_of_field
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.apply.drift_limiter import COOLDOWN_SECONDS, MAX_CORRECTIONS, DriftLimiter
from modelservice_operator.apply.ownership import check_ownership, is_owned_by
from modelservice_operator.apply.rejection_cache import RejectionCache
from modelservice_operator.apply.writer import ObjectWriter
from modelservice_operator.cache.informers import InformerSet
from modelservice_operator.errors import (
    DriftDetectedError,
    InvalidRequestError,
    KindNotServedError,
    NotFoundError,
    OperatorError,
    OwnerTerminatingError,
)
from modelservice_operator.resources import DesiredChild
from modelservice_operator.resources.diff import Drift
from modelservice_operator.resources.metadata import HAS_UPDATE_FIELDS


class Target(NamedTuple):
    """One child for one generation of a ModelService. A new generation is not bound by what was rejected before."""

    kind: ResourceKind
    owner_uid: str
    generation: int

    @classmethod
    def of(cls, desired: DesiredChild, service: ModelService) -> "Target":
        """Return the target of a desired child."""
        return cls(desired.kind, service.metadata.uid, service.metadata.generation)


class Applier:
    """Applies and prunes children, for the reconciler."""

    def __init__(self, writer: ObjectWriter, informers: InformerSet, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._writer = writer
        self._informers = informers
        self._drift_limiter = DriftLimiter(clock=clock)
        self._rejections = RejectionCache(clock=clock)

    def find_surplus(
        self, children: Iterable[DesiredChild], service: ModelService
    ) -> list[tuple[ResourceKind, Object]]:
        """Return the owned objects that are no longer desired. Sends no request."""
        desired = {child.kind for child in children}
        owned = ((kind, self._owned(kind, service)) for kind in CHILD_KINDS if kind not in desired)
        return [(kind, live) for kind, live in owned if live is not None]

    def find_outdated(self, children: Iterable[DesiredChild], service: ModelService) -> list[DesiredChild]:
        """Return the children for which `apply` would send a request. Sends none."""
        return [child for child in children if not self._is_up_to_date(child, service)]

    async def apply(self, desired: DesiredChild, service: ModelService) -> list[Drift]:
        """Create the child or correct it; return the fields that another client had changed.

        Raises KindNotServedError if the cluster does not serve its kind, NameConflictError if the name is taken,
        ConflictError while a predecessor is being deleted, DriftDetectedError if corrections are reverted.
        """
        if not self._informers.is_served(desired.kind):
            raise KindNotServedError(
                f"{desired.kind.kind} ({desired.kind.api_version}) is not available: install its CRD, or grant the"
                " operator list and watch on it."
            )
        live = await self._ensure_exists(desired, service)
        # Before the apply, which removes the annotation that marks a suspended Deployment.
        live = await self._scale_if_needed(desired, live, service)
        return await self._correct_drift(desired, live, service)

    async def prune(self, kind: ResourceKind, live: Object) -> None:
        """Delete an owned object that is no longer desired."""
        await self._writer.delete(kind, live)

    async def prune_owned(self, kind: ResourceKind, service: ModelService) -> None:
        """Delete the object of this kind, if there is one and it is owned."""
        if (live := self._owned(kind, service)) is not None:
            await self._writer.delete(kind, live)

    async def verify_owner_exists(self, children: Iterable[DesiredChild], service: ModelService) -> None:
        """Check with a live GET that the ModelService still exists before a deleted child is re-created.

        Watches are not ordered among each other: the garbage collector may have deleted the children of a ModelService
        whose own deletion has not arrived yet, and a child created then would have no owner.
        Raises OwnerTerminatingError.
        """
        key = service.metadata.key
        if not any(self._informers.was_recently_deleted(child.kind, key) for child in children):
            return
        try:
            metadata = (await self._writer.read(MODEL_SERVICE, key))["metadata"]
        except NotFoundError as error:
            raise OwnerTerminatingError(f"ModelService {key.name} was deleted.") from error
        if metadata["uid"] != service.metadata.uid or metadata.get("deletionTimestamp"):
            raise OwnerTerminatingError(f"ModelService {key.name} is being deleted, or was re-created.")

    def _owned(self, kind: ResourceKind, service: ModelService) -> Object | None:
        live = self._informers.get(kind, service.metadata.key)
        return live if is_owned_by(live, service) else None

    def _is_up_to_date(self, desired: DesiredChild, service: ModelService) -> bool:
        live = self._owned(desired.kind, service)
        return (
            live is not None
            and self._informers.is_served(desired.kind)
            and desired.replicas_to_set(live) is None
            and desired.first_difference(live) is None
        )

    async def _ensure_exists(self, desired: DesiredChild, service: ModelService) -> Object:
        """Return the live child; create it if there is none, or if it differs in an immutable field."""
        live = self._informers.get(desired.kind, desired.key)
        if live is not None and is_owned_by(live, service) and desired.requires_recreate(live):
            await self._writer.delete(desired.kind, live)
            live = None
        if live is not None:
            check_ownership(desired.kind, live, service)
            return live
        with self._rejections.guard(Target.of(desired, service)):
            live = await self._writer.create(desired)
            check_ownership(desired.kind, live, service)
        self._informers.upsert(desired.kind, live)
        return live

    async def _scale_if_needed(self, desired: DesiredChild, live: Object, service: ModelService) -> Object:
        replicas = desired.replicas_to_set(live)
        if replicas is None:
            return live
        with self._rejections.guard(Target.of(desired, service)):
            return await self._writer.scale(desired.kind, live, replicas)

    async def _correct_drift(self, desired: DesiredChild, live: Object, service: ModelService) -> list[Drift]:
        """Apply until the response has no difference; return the fields that another client had changed.

        A mutating webhook can change the response itself, which the cache need not notice; the drift limit ends that.
        """
        drifts = []
        while (field := desired.first_difference(live)) is not None:
            self._check_drift_limit(desired, field)
            # If another desired state was applied, the difference is a new wish and no drift.
            is_drift = desired.was_applied_to(live)
            manager = await self._last_manager_of(desired, field) if is_drift else None
            with self._rejections.guard(Target.of(desired, service)):
                live = await self._server_side_apply(desired, live)
            self._drift_limiter.record(_field_key(desired, field), manager)
            if is_drift:
                drifts.append(Drift(kind=desired.kind.kind, field=field.removeprefix("."), manager=manager))
        return drifts

    async def _server_side_apply(self, desired: DesiredChild, live: Object) -> Object:
        if live.get(HAS_UPDATE_FIELDS):
            await self._writer.upgrade_managed_fields(desired.kind, desired.key)
        try:
            return await self._writer.server_side_apply(desired, live)
        except InvalidRequestError as error:
            return await self._replace_conflicting_nodes(desired, error)

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

    async def _last_manager_of(self, desired: DesiredChild, field: str) -> str | None:
        """Return the field manager that last wrote `field`, by a live GET: caches do not store managedFields."""
        with suppress(OperatorError):  # only the Event and the message name it
            live = await self._writer.read(desired.kind, desired.key)
            return last_manager_of_field(field, live["metadata"].get("managedFields") or [])
        return None

    def _check_drift_limit(self, desired: DesiredChild, field: str) -> None:
        """Raise DriftDetectedError if this field was corrected, and reverted, too often."""
        key = _field_key(desired, field)
        if self._drift_limiter.allow(key):
            return
        manager = self._drift_limiter.last_manager(key)
        client = f"another client ({manager})" if manager else "another client"
        raise DriftDetectedError(
            f"{field.removeprefix('.')} of {desired.kind.kind} {desired.key.name} is being reverted by {client}."
            f" The operator corrected it {MAX_CORRECTIONS} times and will retry in {COOLDOWN_SECONDS / 60:.0f} minutes."
        )


def _field_key(desired: DesiredChild, field: str) -> tuple[object, ...]:
    """Key of a field in the drift limiter. The digest is part of it: a new desired state starts with no corrections."""
    return desired.kind, desired.key, desired.digest, field
