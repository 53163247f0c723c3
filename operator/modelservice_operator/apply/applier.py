"""The only writer: create, apply, scale, delete, put_status. What is not ours is never written.

Every answer is fed back, so that no decision is made on a cache older than our own writes.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE, ResourceKind
from modelservice_operator.apimachinery.managed_fields import last_manager_of_field, upgrade_managed_fields
from modelservice_operator.apimachinery.objects import NamespacedName, Object, key_of
from modelservice_operator.apply.drift_limiter import COOLDOWN_SECONDS, MAX_CORRECTIONS, DriftLimiter
from modelservice_operator.apply.rejection_cache import RejectionCache
from modelservice_operator.cache.informer import InformerSet
from modelservice_operator.client.rest import APPLY, JSON_PATCH, MERGE_PATCH, RestClient
from modelservice_operator.controller.transforms import transform_child
from modelservice_operator.errors import (
    ConflictError,
    DriftDetectedError,
    InvalidRequestError,
    KindNotServedError,
    NameConflictError,
    NotFoundError,
    OperatorError,
    OwnerTerminatingError,
)
from modelservice_operator.resources import DesiredChild
from modelservice_operator.resources.diff import Drift
from modelservice_operator.resources.metadata import HAS_UPDATE_FIELDS, OWNER_ANNOTATION
from modelservice_operator.settings import FIELD_MANAGER

_FIELD_MANAGER_PARAMS = {"fieldManager": FIELD_MANAGER}


class Ownership(StrEnum):
    """Whose an object under a child's name is."""

    OWNED = "ours"
    TERMINATING = "leaving"
    """Being deleted, or of an earlier ModelService of the same name: it goes by itself."""
    NOT_OWNED = "foreign"


def ownership_of(live: Mapping[str, Any], service: ModelService) -> Ownership:
    """Decide by UID, never by name or label.

    An object without a controller is still ours when it carries the UID in our annotation: somebody removed the owner
    reference, which is drift like any other.
    """
    metadata = live["metadata"]
    controller = next((ref for ref in metadata.get("ownerReferences") or () if ref.get("controller")), None)
    ours = controller is not None and controller["uid"] == service.metadata.uid
    if controller is None:
        ours = (metadata.get("annotations") or {}).get(OWNER_ANNOTATION) == service.metadata.uid
    if ours:
        return Ownership.TERMINATING if metadata.get("deletionTimestamp") else Ownership.OWNED
    namesake = controller and (controller["kind"], controller["name"]) == (MODEL_SERVICE.kind, service.metadata.name)
    return Ownership.TERMINATING if namesake else Ownership.NOT_OWNED


class Applier:
    """Writes for the reconciler."""

    def __init__(self, connection: RestClient, informers: InformerSet) -> None:
        self._connection = connection
        self._informers = informers
        self._corrections = DriftLimiter()
        self._refusals = RejectionCache()

    def is_up_to_date(self, desired: DesiredChild, service: ModelService) -> bool:
        """Whether the child is there, ours and as it should be: then `ensure` would do nothing."""
        live = self._informers.get(desired.kind, service.metadata.key)
        return (
            live is not None
            and self._informers.is_served(desired.kind)
            and ownership_of(live, service) is Ownership.OWNED
            and desired.replicas_to_set(live) is None
            and desired.first_difference(live) is None
        )

    def should_prune(self, kind: ResourceKind, service: ModelService) -> bool:
        """Whether there is an object of ours for `prune` to delete."""
        live = self._informers.get(kind, service.metadata.key)
        return live is not None and ownership_of(live, service) is Ownership.OWNED

    async def apply(self, desired: DesiredChild, service: ModelService) -> list[Drift]:
        """Create the child or correct what differs; no request when it is right. Return what others had changed.

        KindUnavailable: the cluster does not know its kind. NameConflict: the name is taken. Conflict: a predecessor
        is still going.
        """
        if not self._informers.is_served(desired.kind):
            raise KindNotServedError(
                f"The cluster does not serve {desired.kind.kind} ({desired.kind.api_version}) to the operator: install"
                " its CRD, or give the operator the right to read it."
            )
        key = key_of(dict(desired.body))
        live = self._informers.get(desired.kind, key)
        if live is not None and ownership_of(live, service) is Ownership.OWNED and desired.requires_recreate(live):
            await self._delete(desired.kind, live)
            live = None
        # A new generation is a new matter: it is asked for at once.
        what = (desired.kind, key, service.metadata.uid, service.metadata.generation)
        if live is None:
            with self._refusals.guard(what):
                live = await self._create(desired, key)
                check_ownership(desired.kind, live, service)
        else:
            check_ownership(desired.kind, live, service)
        self._informers.upsert(desired.kind, live)
        # Before the apply, which takes away the mark by which a sleeping Deployment is known.
        if (replicas := desired.replicas_to_set(live)) is not None:
            with self._refusals.guard(what):
                live = await self._scale(desired.kind, key, live, replicas)
        drifts = []
        # Again where the answer differs still (a webhook that rewrites us), since such an answer may be no news to the
        # cache; the end is DriftDetected.
        while (field := desired.first_difference(live)) is not None:
            self._check_drift_limit(desired, key, field)
            # Of another desired state it is no drift: we want something else now.
            drifted = desired.was_applied_to(live)
            manager = await self._last_manager_of(desired.kind, key, field) if drifted else None
            with self._refusals.guard(what):
                live = await self._server_side_apply(desired, key, live)
            self._corrections.record((desired.kind, key, desired.digest, field))
            if drifted:
                drifts.append(Drift(kind=desired.kind.kind, field=field.removeprefix("."), manager=manager))
        return drifts

    async def _last_manager_of(self, kind: ResourceKind, key: NamespacedName, field: str) -> str | None:
        """Say whose a field is before it becomes ours again. Caches hold no managedFields; a drift is worth a look."""
        with suppress(OperatorError):  # nobody's work depends on it
            return last_manager_of_field(field, (await self._read(kind, key))["metadata"].get("managedFields") or [])
        return None

    def _check_drift_limit(self, desired: DesiredChild, key: NamespacedName, field: str) -> None:
        """DriftDetected when this field has been corrected, and reverted, too often."""
        # A new desired state is a new matter: its digest is part of what is counted.
        if not self._corrections.allow((desired.kind, key, desired.digest, field)):
            raise DriftDetectedError(
                f"{desired.kind.kind} {key[1]}: somebody changes {field.removeprefix('.')} back each time that it is"
                f" corrected. It was corrected {MAX_CORRECTIONS} times and is left alone for"
                f" {COOLDOWN_SECONDS / 60:.0f} minutes."
            )

    async def verify_owner_exists(self, children: Iterable[DesiredChild], service: ModelService) -> None:
        """Look at the live ModelService when a child of its name has gone; ServiceEnding when it has gone too.

        Watches are not ordered among each other: the garbage collector may have deleted the children of a ModelService
        whose own deletion we have not heard of, and what was then made would belong to nobody.
        """
        key = service.metadata.key
        if not any(self._informers.was_recently_deleted(child.kind, key) for child in children):
            return
        try:
            live = await self._connection.request("GET", MODEL_SERVICE.path(namespace=key[0], name=key[1]))
        except NotFoundError as error:
            raise OwnerTerminatingError(f"ModelService {key[1]} has gone.") from error
        if live["metadata"]["uid"] != service.metadata.uid or live["metadata"].get("deletionTimestamp"):
            raise OwnerTerminatingError(f"ModelService {key[1]} is being deleted, or was made anew.")

    async def prune(self, kind: ResourceKind, service: ModelService) -> None:
        """Delete a child that is not wanted any more, if it is ours."""
        live = self._informers.get(kind, service.metadata.key)
        if live is None or ownership_of(live, service) is not Ownership.OWNED:
            return
        await self._delete(kind, live)

    async def update_status(self, live: Object, status: dict[str, Any]) -> None:
        """Write the whole status. The version makes the server refuse it when the object has changed meanwhile."""
        metadata = live["metadata"]
        body: Object = {
            "apiVersion": MODEL_SERVICE.api_version,
            "kind": MODEL_SERVICE.kind,
            "metadata": {name: metadata[name] for name in ("name", "namespace", "uid", "resourceVersion")},
            "status": status,
        }
        if "spec" in live:  # an object written past an older schema may have none
            body["spec"] = live["spec"]
        path = MODEL_SERVICE.path(namespace=metadata["namespace"], name=metadata["name"], subresource="status")
        answer = await self._connection.request("PUT", path, body=body, params=_FIELD_MANAGER_PARAMS)
        self._informers.upsert(MODEL_SERVICE, answer)

    async def _create(self, desired: DesiredChild, key: NamespacedName) -> Object:
        path = desired.kind.path(namespace=key[0])
        try:
            return transform_child(
                await self._connection.request("POST", path, body=desired.create_body(), params=_FIELD_MANAGER_PARAMS)
            )
        except ConflictError:
            # Either our own POST whose answer was lost, or somebody else's object: the live one tells.
            return transform_child(await self._read(desired.kind, key))

    async def _server_side_apply(self, desired: DesiredChild, key: NamespacedName, live: Object) -> Object:
        """Server-side apply (KEP-555); the UID in the body makes sure that it is still the object that we judged."""
        if live.get(HAS_UPDATE_FIELDS):
            await self._upgrade_managed_fields(desired.kind, key)
        uid = live["metadata"]["uid"]
        body = {**desired.body, "metadata": {**desired.body["metadata"], "uid": uid}}
        path = desired.kind.path(namespace=key[0], name=key[1])
        try:
            answer = await self._connection.request(
                "PATCH", path, body=body, content_type=APPLY, params=_FIELD_MANAGER_PARAMS | {"force": "true"}
            )
        except InvalidRequestError as error:
            if error.has_cause(field="metadata.uid"):
                raise ConflictError(f"{desired.kind.kind} {key[1]} was replaced meanwhile.") from error
            answer = await self._replace_conflicting_nodes(desired, key, error)
        return self._cache_response(desired.kind, answer)

    async def _replace_conflicting_nodes(
        self, desired: DesiredChild, key: NamespacedName, error: InvalidRequestError
    ) -> Object:
        """Replace what somebody put where ours has to be, so that an apply is possible; else raise `error`.

        An apply cannot: a port whose number somebody changed is another item to it, and two items of one name are
        refused, as are two sources of one volume. What differs then still is applied at the next look.
        """
        live = self._informers.get(desired.kind, key)
        obstacles = desired.conflicting_nodes(live) if live is not None else []
        if live is None or not obstacles:
            raise error
        # With the version in it, the answer is 409 when there is a newer one.
        places = [("/metadata/resourceVersion", live["metadata"]["resourceVersion"]), *obstacles]
        patch = [{"op": "replace", "path": place, "value": value} for place, value in places]
        path = desired.kind.path(namespace=key[0], name=key[1])
        try:
            return await self._connection.request(
                "PATCH", path, body=patch, content_type=JSON_PATCH, params=_FIELD_MANAGER_PARAMS
            )
        except InvalidRequestError:
            raise error from None

    async def _upgrade_managed_fields(self, kind: ResourceKind, key: NamespacedName) -> None:
        """Turn the fields that our POST set into applied ones: an apply never removes what an Update owns.

        The replicas are left out: an apply that omits them would otherwise reset them.
        """
        metadata = (await self._read(kind, key))["metadata"]
        patch = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
            {
                "op": "replace",
                "path": "/metadata/managedFields",
                "value": upgrade_managed_fields(metadata["managedFields"]),
            },
        ]
        path = kind.path(namespace=key[0], name=key[1])
        try:
            answer = await self._connection.request(
                "PATCH", path, body=patch, content_type=JSON_PATCH, params=_FIELD_MANAGER_PARAMS
            )
        except InvalidRequestError as error:
            # A failed `test` answers 422: its controller has just written its status.
            raise ConflictError(f"{kind.kind} {key[1]} changed meanwhile.") from error
        self._cache_response(kind, answer)

    async def _delete(self, kind: ResourceKind, live: Object) -> None:
        """Delete this very object: the UID guards one that took its place."""
        key = key_of(live)
        body = {"preconditions": {"uid": live["metadata"]["uid"]}, "propagationPolicy": "Background"}
        with suppress(NotFoundError):  # gone already
            await self._connection.request("DELETE", kind.path(namespace=key[0], name=key[1]), body=body)
        self._informers.delete(kind, live)

    async def _scale(self, kind: ResourceKind, key: NamespacedName, live: Object, replicas: int) -> Object:
        path = kind.path(namespace=key[0], name=key[1], subresource="scale")
        body = {"metadata": {"uid": live["metadata"]["uid"]}, "spec": {"replicas": replicas}}
        scale = await self._connection.request(
            "PATCH", path, body=body, content_type=MERGE_PATCH, params=_FIELD_MANAGER_PARAMS
        )
        # The answer is a Scale: the object that it belongs to has that version, and a generation more.
        metadata = live["metadata"] | {
            "resourceVersion": scale["metadata"]["resourceVersion"],
            "generation": live["metadata"]["generation"] + 1,
        }
        scaled = live | {"metadata": metadata, "spec": live["spec"] | {"replicas": replicas}}
        self._informers.upsert(kind, scaled)
        return scaled

    async def _read(self, kind: ResourceKind, key: NamespacedName) -> Object:
        try:
            return await self._connection.request("GET", kind.path(namespace=key[0], name=key[1]))
        except NotFoundError as error:
            raise ConflictError(f"{kind.kind} {key[1]} went away meanwhile.") from error

    def _cache_response(self, kind: ResourceKind, answer: Object) -> Object:
        """Feed the answer to a write, and return it as a cache holds it."""
        self._informers.upsert(kind, answer)
        return transform_child(answer)


def check_ownership(kind: ResourceKind, live: Object, service: ModelService) -> None:
    """Raise NameConflictError or ConflictError unless `live` is owned by `service`."""
    name = service.metadata.name
    match ownership_of(live, service):
        case Ownership.TERMINATING:
            whose = "" if live["metadata"].get("deletionTimestamp") else "belongs to an earlier ModelService and "
            raise ConflictError(f"{kind.kind} {name} {whose}is being deleted; waiting until it is gone.")
        case Ownership.NOT_OWNED:
            raise NameConflictError(
                f"{kind.kind} {name} exists and does not belong to this ModelService, so it is left untouched."
                f" {_conflict_hint(live)}"
            )
        case Ownership.OWNED:
            pass


def _conflict_hint(live: Mapping[str, Any]) -> str:
    metadata = live["metadata"]
    if OWNER_ANNOTATION in (metadata.get("annotations") or {}) and not metadata.get("ownerReferences"):
        return (
            "An earlier ModelService of this name left it behind (--cascade=orphan): delete it to have a new one made."
        )
    return "Delete or rename it, or give the ModelService another name."
