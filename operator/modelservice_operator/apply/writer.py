"""The requests that change objects. Each response is stored in the caches.

No decision is therefore made on a cache that is older than the operator's own writes.
"""

from contextlib import suppress
from typing import Any

from modelservice_operator.apimachinery.kinds import MODEL_SERVICE, ResourceKind
from modelservice_operator.apimachinery.managed_fields import claim_spec, release_fields, upgrade_managed_fields
from modelservice_operator.apimachinery.objects import NamespacedName, Object, key_of
from modelservice_operator.apply.dropped_fields import DroppedFieldsLog
from modelservice_operator.cache.informers import InformerSet
from modelservice_operator.client.rest import APPLY, JSON, JSON_PATCH, MERGE_PATCH, RestClient
from modelservice_operator.errors import ConflictError, ForbiddenError, InvalidRequestError, ObjectNotFoundError
from modelservice_operator.metrics.instruments import WriteReason, record_conflict, record_write
from modelservice_operator.resources import DesiredChild
from modelservice_operator.resources.diff import NodeReplacement
from modelservice_operator.resources.metadata import OWNER_ANNOTATION
from modelservice_operator.settings import FIELD_MANAGER

_INVALID = "Invalid"
"""Reason of an object that is not valid (metav1.StatusReason)."""
_FIELD_MANAGER_PARAMS = {"fieldManager": FIELD_MANAGER}


class ObjectWriter:
    """Writes objects without checking who owns them: that is the task of the caller."""

    def __init__(self, client: RestClient, informers: InformerSet) -> None:
        self._client = client
        self._informers = informers
        self._dropped_fields = DroppedFieldsLog()

    async def read(self, kind: ResourceKind, key: NamespacedName) -> Object:
        """Return the live object. Raises ObjectNotFoundError."""
        return await self._client.request("GET", kind.path(namespace=key.namespace, name=key.name))

    async def create(self, desired: DesiredChild) -> Object:
        """Create a child, and return it as the cache stores it. If the name is taken, return the object that has it.

        That is either an earlier creation whose response was lost, or an object of another owner.
        """
        key, path = desired.key, desired.kind.path(namespace=desired.key.namespace)
        try:
            response = await self._write(desired.kind, WriteReason.CREATE, "POST", path, desired.create_body())
        except ConflictError:
            response = await self.read_existing(desired.kind, key)
        return self._informers.transform(desired.kind, response)

    async def verify_creation(self, kind: ResourceKind, body: Object) -> None:
        """Check by a dry run that the API server does not reject the creation of an object whose name may be taken.

        Raises InvalidRequestError. A quota is not checked, nor what a webhook without support of dry runs rejects.
        """
        path = kind.path(namespace=key_of(body).namespace)
        try:
            await self._client.request("POST", path, body=body, params=_FIELD_MANAGER_PARAMS | {"dryRun": "All"})
        except InvalidRequestError as error:
            if error.status is not None and error.status.reason == _INVALID:
                raise
        except (ConflictError, ForbiddenError):
            pass

    async def server_side_apply(self, desired: DesiredChild, live: Object, *, version: str | None = None) -> Object:
        """Apply a child by server-side apply (KEP-555), and return it as the cache stores it.

        The UID in the body makes the server reject the request if `live` was replaced by another object, `version` if
        there is a newer one. Raises ConflictError then.
        """
        expected = {"uid": live["metadata"]["uid"]} | ({} if version is None else {"resourceVersion": version})
        body = {**desired.apply_body(live), "metadata": desired.body["metadata"] | expected}
        params = _FIELD_MANAGER_PARAMS | {"force": "true"}
        try:
            return await self._patch(
                desired.kind, WriteReason.APPLY, desired.key, body, content_type=APPLY, params=params
            )
        except InvalidRequestError as error:
            if error.has_cause(field="metadata.uid"):
                raise ConflictError(f"{desired.kind.kind} {desired.key.name} was replaced concurrently.") from error
            raise

    async def replace_nodes(self, kind: ResourceKind, live: Object, nodes: list[NodeReplacement]) -> Object:
        """Replace nodes of `live` by a JSON patch (RFC 6902), and return it as the cache stores it.

        Raises ConflictError when there is a newer version than `live`.
        """
        targets = [("/metadata/resourceVersion", live["metadata"]["resourceVersion"]), *nodes]
        patch = [{"op": "replace", "path": pointer, "value": value} for pointer, value in targets]
        return await self._patch(kind, WriteReason.REPLACE, key_of(live), patch, content_type=JSON_PATCH)

    async def adopt(self, desired: DesiredChild, live: Object, owner_references: list[Object]) -> Object:
        """Set owner references, owner annotation and labels of a child, and return it as the cache stores it.

        Nothing else is changed, as in client-go's ControllerRefManager; but the next apply removes what it lacks of the
        spec (see `claim_spec`). `live` has managedFields. Raises ConflictError if there is a newer version than `live`:
        another controller may have taken it.
        """
        ours, metadata = desired.body["metadata"], live["metadata"]
        patch = {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "ownerReferences": owner_references,
            "labels": ours["labels"],
            "annotations": {OWNER_ANNOTATION: ours["annotations"][OWNER_ANNOTATION]},
            "managedFields": claim_spec(metadata.get("managedFields") or [], desired.kind.api_version),
        }
        return await self._patch(
            desired.kind, WriteReason.ADOPT, desired.key, {"metadata": patch}, content_type=MERGE_PATCH
        )

    async def take_ownership(self, desired: DesiredChild) -> str | None:
        """Make the operator the only owner of the fields that it applied before and that are no longer desired.

        An apply removes a field only if no other manager owns it, nor an Update entry such as that of the POST. The
        replicas are left out: an apply that omits them would otherwise reset them. Return the new resourceVersion if
        another manager owned one of them: it may claim it again. Raises ConflictError.
        """
        kind, key = desired.kind, desired.key
        metadata = (await self.read_existing(kind, key))["metadata"]
        upgraded = upgrade_managed_fields(metadata["managedFields"])
        entries = release_fields(upgraded, desired.body)
        if entries == metadata["managedFields"]:
            return None
        response = await self._replace_managed_fields(kind, metadata, entries)
        version: str = response["metadata"]["resourceVersion"]
        return version if entries != upgraded else None

    async def _replace_managed_fields(self, kind: ResourceKind, metadata: Object, entries: list[Object]) -> Object:
        patch = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
            {"op": "replace", "path": "/metadata/managedFields", "value": entries},
        ]
        try:
            return await self._patch(
                kind, WriteReason.RELEASE_FIELDS, key_of({"metadata": metadata}), patch, content_type=JSON_PATCH
            )
        except InvalidRequestError as error:
            # A failed `test` answers 422: a controller has just written the status.
            raise ConflictError(f"{kind.kind} {metadata['name']} was modified concurrently.") from error

    async def scale(self, kind: ResourceKind, live: Object, replicas: int) -> Object:
        """Set the replicas by the subresource `scale`, and return the object with them."""
        key, metadata = key_of(live), live["metadata"]
        path = kind.path(namespace=key.namespace, name=key.name, subresource="scale")
        body = {"metadata": {"uid": metadata["uid"]}, "spec": {"replicas": replicas}}
        scale = await self._write(kind, WriteReason.SCALE, "PATCH", path, body, content_type=MERGE_PATCH)
        # The response is a Scale: its object has that version now, and the next generation.
        version = {
            "resourceVersion": scale["metadata"]["resourceVersion"],
            "generation": metadata["generation"] + 1,
        }
        scaled = live | {"metadata": metadata | version, "spec": live["spec"] | {"replicas": replicas}}
        self._informers.upsert(kind, scaled)
        return scaled

    async def delete(self, kind: ResourceKind, live: Object) -> None:
        """Delete exactly this object: the precondition on its UID protects one of the same name."""
        key = key_of(live)
        body = {"preconditions": {"uid": live["metadata"]["uid"]}, "propagationPolicy": "Background"}
        with suppress(ObjectNotFoundError):  # already deleted
            path = kind.path(namespace=key.namespace, name=key.name)
            await self._write(kind, WriteReason.DELETE, "DELETE", path, body, params=None)
        self._informers.delete(kind, live)

    async def update_status(self, live: Object, status: dict[str, Any]) -> bool:
        """Write the whole status of a ModelService; return True if the API server has stored it as it was sent.

        A CRD that is older than the operator makes the server drop fields: each is logged once.
        The resourceVersion makes the server reject it when the object was modified. Raises ConflictError then.
        """
        key, metadata = key_of(live), live["metadata"]
        body: Object = {
            "apiVersion": MODEL_SERVICE.api_version,
            "kind": MODEL_SERVICE.kind,
            "metadata": {name: metadata[name] for name in ("name", "namespace", "uid", "resourceVersion")},
            "status": status,
        }
        if "spec" in live:  # an object stored under an older schema may have none
            body["spec"] = live["spec"]
        path = MODEL_SERVICE.path(namespace=key.namespace, name=key.name, subresource="status")
        response = await self._write(MODEL_SERVICE, WriteReason.STATUS, "PUT", path, body, urgent=True)
        self._informers.upsert(MODEL_SERVICE, response)
        stored = response.get("status") or {}
        if stored == status:
            return True
        self._dropped_fields.report(status, stored)
        return False

    async def _patch(
        self,
        kind: ResourceKind,
        reason: WriteReason,
        key: NamespacedName,
        body: object,
        *,
        content_type: str,
        params: dict[str, str] = _FIELD_MANAGER_PARAMS,
    ) -> Object:
        path = kind.path(namespace=key.namespace, name=key.name)
        response = await self._write(kind, reason, "PATCH", path, body, content_type=content_type, params=params)
        self._informers.upsert(kind, response)
        return self._informers.transform(kind, response)

    async def _write(
        self,
        kind: ResourceKind,
        reason: WriteReason,
        method: str,
        path: str,
        body: object,
        *,
        content_type: str = JSON,
        params: dict[str, str] | None = _FIELD_MANAGER_PARAMS,
        urgent: bool = False,
    ) -> dict[str, Any]:
        """Send a write, and count it by its reason, or as a conflict."""
        try:
            response = await self._client.request(
                method, path, body=body, content_type=content_type, params=params, urgent=urgent
            )
        except ConflictError:
            record_conflict(kind.kind)
            raise
        record_write(kind.kind, reason)
        return response

    async def read_existing(self, kind: ResourceKind, key: NamespacedName) -> Object:
        """Return the live object of a kind, which existed a moment ago. Raises ConflictError if it does not now."""
        try:
            return await self.read(kind, key)
        except ObjectNotFoundError as error:
            raise ConflictError(f"{kind.kind} {key.name} was deleted concurrently.") from error
