"""The only writer: create, apply, scale, delete, put_status. What is not ours is never written.

Every answer is fed back, so that no decision is made on a cache older than our own writes.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE, Kind
from modelservice_operator.apimachinery.managed_fields import handed_over, manager_of
from modelservice_operator.apply.drift_limiter import MOST, TRUCE, Corrections
from modelservice_operator.apply.rejection_cache import Refusals
from modelservice_operator.cache.informer import Informers, Key, Object, key_of
from modelservice_operator.client.rest import APPLY, JSON_PATCH, MERGE_PATCH, Connection
from modelservice_operator.controller.transforms import reduce_child
from modelservice_operator.errors import (
    Absent,
    Conflict,
    DriftDetected,
    KindUnavailable,
    NameConflict,
    OperatorError,
    Rejected,
    ServiceEnding,
)
from modelservice_operator.resources import Desired
from modelservice_operator.resources.metadata import OWNER_ANNOTATION
from modelservice_operator.settings import FIELD_MANAGER
from modelservice_operator.status.snapshot import POSTED, Drift

_BY_US = {"fieldManager": FIELD_MANAGER}
_UNPROCESSABLE = 422


class Ownership(StrEnum):
    """Whose an object under a child's name is."""

    OURS = "ours"
    LEAVING = "leaving"
    """Being deleted, or of an earlier ModelService of the same name: it goes by itself."""
    FOREIGN = "foreign"


def ownership(live: Mapping[str, Any], service: ModelService) -> Ownership:
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
        return Ownership.LEAVING if metadata.get("deletionTimestamp") else Ownership.OURS
    namesake = controller and (controller["kind"], controller["name"]) == (MODEL_SERVICE.kind, service.metadata.name)
    return Ownership.LEAVING if namesake else Ownership.FOREIGN


class Cluster:
    """Writes for the reconciler."""

    def __init__(self, connection: Connection, informers: Informers) -> None:
        self._connection = connection
        self._informers = informers
        self._corrections = Corrections()
        self._refusals = Refusals()

    def is_right(self, desired: Desired, service: ModelService) -> bool:
        """Whether the child is there, ours and as it should be: then `ensure` would do nothing."""
        live = self._informers.get(desired.kind, service.metadata.key)
        return (
            live is not None
            and self._informers.has(desired.kind)
            and ownership(live, service) is Ownership.OURS
            and desired.replicas_for(live) is None
            and desired.difference(live) is None
        )

    def is_surplus(self, kind: Kind, service: ModelService) -> bool:
        """Whether there is an object of ours for `prune` to delete."""
        live = self._informers.get(kind, service.metadata.key)
        return live is not None and ownership(live, service) is Ownership.OURS

    async def ensure(self, desired: Desired, service: ModelService) -> list[Drift]:
        """Create the child or correct what differs; no request when it is right. Return what others had changed.

        KindUnavailable: the cluster does not know its kind. NameConflict: the name is taken. Conflict: a predecessor
        is still going.
        """
        if not self._informers.has(desired.kind):
            raise KindUnavailable(
                f"The cluster does not serve {desired.kind.kind} ({desired.kind.api_version}) to the operator: install"
                " its CRD, or give the operator the right to read it."
            )
        key = key_of(dict(desired.body))
        live = self._informers.get(desired.kind, key)
        if live is not None and ownership(live, service) is Ownership.OURS and desired.must_be_remade(live):
            await self._delete(desired.kind, live)
            live = None
        # A new generation is a new matter: it is asked for at once.
        what = (desired.kind, key, service.metadata.uid, service.metadata.generation)
        if live is None:
            with self._refusals.remembered(what):
                live = await self._create(desired, key)
                _refuse_others(desired.kind, live, service)
        else:
            _refuse_others(desired.kind, live, service)
        self._informers.feed(desired.kind, live)
        # Before the apply, which takes away the mark by which a sleeping Deployment is known.
        if (replicas := desired.replicas_for(live)) is not None:
            with self._refusals.remembered(what):
                live = await self._scale(desired.kind, key, live, replicas)
        drifts = []
        # Again where the answer differs still (a webhook that rewrites us), since such an answer may be no news to the
        # cache; the end is DriftDetected.
        while (field := desired.difference(live)) is not None:
            self._refuse_a_fight(desired, key, field)
            # Of another desired state it is no drift: we want something else now.
            drifted = desired.is_of_this_state(live)
            manager = await self._changed_by(desired.kind, key, field) if drifted else None
            with self._refusals.remembered(what):
                live = await self._apply(desired, key, live)
            self._corrections.count((desired.kind, key, desired.digest, field))
            if drifted:
                drifts.append(Drift(kind=desired.kind.kind, field=field.removeprefix("."), manager=manager))
        return drifts

    async def _changed_by(self, kind: Kind, key: Key, field: str) -> str | None:
        """Say whose a field is before it becomes ours again. Caches hold no managedFields; a drift is worth a look."""
        with suppress(OperatorError):  # nobody's work depends on it
            return manager_of(field, (await self._read(kind, key))["metadata"].get("managedFields") or [])
        return None

    def _refuse_a_fight(self, desired: Desired, key: Key, field: str) -> None:
        """DriftDetected when this field has been corrected, and reverted, too often."""
        # A new desired state is a new matter: its digest is part of what is counted.
        if not self._corrections.allows((desired.kind, key, desired.digest, field)):
            raise DriftDetected(
                f"{desired.kind.kind} {key[1]}: somebody changes {field.removeprefix('.')} back each time that it is"
                f" corrected. It was corrected {MOST} times and is left alone for {TRUCE / 60:.0f} minutes."
            )

    async def look_before_remaking(self, children: Iterable[Desired], service: ModelService) -> None:
        """Look at the live ModelService when a child of its name has gone; ServiceEnding when it has gone too.

        Watches are not ordered among each other: the garbage collector may have deleted the children of a ModelService
        whose own deletion we have not heard of, and what was then made would belong to nobody.
        """
        key = (service.metadata.namespace, service.metadata.name)
        if not any(self._informers.went(child.kind, key) for child in children):
            return
        try:
            live = await self._connection.request("GET", MODEL_SERVICE.path(namespace=key[0], name=key[1]))
        except Absent as error:
            raise ServiceEnding(f"ModelService {key[1]} has gone.") from error
        if live["metadata"]["uid"] != service.metadata.uid or live["metadata"].get("deletionTimestamp"):
            raise ServiceEnding(f"ModelService {key[1]} is being deleted, or was made anew.")

    async def prune(self, kind: Kind, service: ModelService) -> None:
        """Delete a child that is not wanted any more, if it is ours."""
        live = self._informers.get(kind, service.metadata.key)
        if live is None or ownership(live, service) is not Ownership.OURS:
            return
        await self._delete(kind, live)

    async def put_status(self, live: Object, status: dict[str, Any]) -> None:
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
        answer = await self._connection.request("PUT", path, body=body, params=_BY_US)
        self._informers.feed(MODEL_SERVICE, answer)

    async def _create(self, desired: Desired, key: Key) -> Object:
        path = desired.kind.path(namespace=key[0])
        try:
            return reduce_child(await self._connection.request("POST", path, body=desired.creation(), params=_BY_US))
        except Conflict:
            # Either our own POST whose answer was lost, or somebody else's object: the live one tells.
            return reduce_child(await self._read(desired.kind, key))

    async def _apply(self, desired: Desired, key: Key, live: Object) -> Object:
        """Server-side apply (KEP-555); the UID in the body makes sure that it is still the object that we judged."""
        if live.get(POSTED):
            await self._hand_over(desired.kind, key)
        uid = live["metadata"]["uid"]
        body = {**desired.body, "metadata": {**desired.body["metadata"], "uid": uid}}
        path = desired.kind.path(namespace=key[0], name=key[1])
        try:
            answer = await self._connection.request(
                "PATCH", path, body=body, content_type=APPLY, params=_BY_US | {"force": "true"}
            )
        except Rejected as error:
            if error.status == _UNPROCESSABLE and "metadata.uid" in str(error):
                raise Conflict(f"{desired.kind.kind} {key[1]} was replaced meanwhile.") from error
            answer = await self._clear(desired, key, error)
        return self._taken(desired.kind, answer)

    async def _clear(self, desired: Desired, key: Key, error: Rejected) -> Object:
        """Replace what somebody put where ours has to be, so that an apply is possible; else raise `error`.

        An apply cannot: a port whose number somebody changed is another item to it, and two items of one name are
        refused, as are two sources of one volume. What differs then still is applied at the next look.
        """
        live = self._informers.get(desired.kind, key)
        obstacles = desired.obstacles(live) if live is not None else []
        if live is None or not obstacles:
            raise error
        # With the version in it, the answer is 409 when there is a newer one.
        places = [("/metadata/resourceVersion", live["metadata"]["resourceVersion"]), *obstacles]
        patch = [{"op": "replace", "path": place, "value": value} for place, value in places]
        path = desired.kind.path(namespace=key[0], name=key[1])
        try:
            return await self._connection.request("PATCH", path, body=patch, content_type=JSON_PATCH, params=_BY_US)
        except Rejected:
            raise error from None

    async def _hand_over(self, kind: Kind, key: Key) -> None:
        """Turn the fields that our POST set into applied ones: an apply never removes what an Update owns.

        The replicas are left out: an apply that omits them would otherwise reset them.
        """
        metadata = (await self._read(kind, key))["metadata"]
        patch = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
            {"op": "replace", "path": "/metadata/managedFields", "value": handed_over(metadata["managedFields"])},
        ]
        path = kind.path(namespace=key[0], name=key[1])
        try:
            answer = await self._connection.request("PATCH", path, body=patch, content_type=JSON_PATCH, params=_BY_US)
        except Rejected as error:
            # A failed `test` answers 422: its controller has just written its status.
            raise Conflict(f"{kind.kind} {key[1]} changed meanwhile.") from error
        self._taken(kind, answer)

    async def _delete(self, kind: Kind, live: Object) -> None:
        """Delete this very object: the UID guards one that took its place."""
        key = key_of(live)
        body = {"preconditions": {"uid": live["metadata"]["uid"]}, "propagationPolicy": "Background"}
        with suppress(Absent):  # gone already
            await self._connection.request("DELETE", kind.path(namespace=key[0], name=key[1]), body=body)
        self._informers.feed_deletion(kind, live)

    async def _scale(self, kind: Kind, key: Key, live: Object, replicas: int) -> Object:
        path = kind.path(namespace=key[0], name=key[1], subresource="scale")
        body = {"metadata": {"uid": live["metadata"]["uid"]}, "spec": {"replicas": replicas}}
        scale = await self._connection.request("PATCH", path, body=body, content_type=MERGE_PATCH, params=_BY_US)
        # The answer is a Scale: the object that it belongs to has that version, and a generation more.
        metadata = live["metadata"] | {
            "resourceVersion": scale["metadata"]["resourceVersion"],
            "generation": live["metadata"]["generation"] + 1,
        }
        scaled = live | {"metadata": metadata, "spec": live["spec"] | {"replicas": replicas}}
        self._informers.feed(kind, scaled)
        return scaled

    async def _read(self, kind: Kind, key: Key) -> Object:
        try:
            return await self._connection.request("GET", kind.path(namespace=key[0], name=key[1]))
        except Absent as error:
            raise Conflict(f"{kind.kind} {key[1]} went away meanwhile.") from error

    def _taken(self, kind: Kind, answer: Object) -> Object:
        """Feed the answer to a write, and return it as a cache holds it."""
        self._informers.feed(kind, answer)
        return reduce_child(answer)


def _refuse_others(kind: Kind, live: Object, service: ModelService) -> None:
    name = service.metadata.name
    match ownership(live, service):
        case Ownership.LEAVING:
            whose = "" if live["metadata"].get("deletionTimestamp") else "belongs to an earlier ModelService and "
            raise Conflict(f"{kind.kind} {name} {whose}is being deleted; waiting until it is gone.")
        case Ownership.FOREIGN:
            raise NameConflict(
                f"{kind.kind} {name} exists and does not belong to this ModelService, so it is left untouched."
                f" {_way_out(live)}"
            )
        case Ownership.OURS:
            pass


def _way_out(live: Mapping[str, Any]) -> str:
    metadata = live["metadata"]
    if OWNER_ANNOTATION in (metadata.get("annotations") or {}) and not metadata.get("ownerReferences"):
        return (
            "An earlier ModelService of this name left it behind (--cascade=orphan): delete it to have a new one made."
        )
    return "Delete or rename it, or give the ModelService another name."
