"""Other clients that undo every change of the operator immediately."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from modelservice_operator.apimachinery.kinds import (
    BUILT_IN_CHILD_KINDS,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    MODEL_SERVICE,
    ResourceKind,
)
from modelservice_operator.apimachinery.well_known import MANAGED_BY_LABEL
from modelservice_operator.resources import build_children
from modelservice_operator.resources.metadata import OWNER_ANNOTATION
from tests.support.api import MERGE_PATCH, ApiClient, Object, RequestRejectedError, Watcher
from tests.support.builders import ModelServiceBuilder, golden, model_service

REACTION_SECONDS = 0.05
_APPLY = "application/apply-patch+yaml"
_SERVER_FIELDS = ("managedFields", "uid", "resourceVersion", "creationTimestamp", "generation")
PART_OF = "app.kubernetes.io/part-of"


@dataclass(frozen=True)
class Opponent:
    """One client and the ModelService that it fights over."""

    name: str
    kind: ResourceKind
    undo: Callable[["Arena", "Opponent", Object | None], Any]
    """Called repeatedly with the live object of the kind; returns an awaitable."""
    service: ModelServiceBuilder = field(default_factory=model_service)
    message: str = ""
    """Part of the message of DriftDetected; empty if the fight is not reported there."""
    is_fight: bool = True
    """False if the operator corrects nothing, and only reports the counts that the client changes."""

    @property
    def builder(self) -> ModelServiceBuilder:
        return self.service.named(self.name)


@dataclass(frozen=True)
class Arena:
    """A namespace in which the opponents act."""

    api: ApiClient
    watcher: Watcher
    namespace: str

    def path(self, kind: ResourceKind, name: str, subresource: str = "") -> str:
        return kind.path(namespace=self.namespace, name=name, subresource=subresource)

    async def merge(self, kind: ResourceKind, name: str, patch: Object, subresource: str = "") -> None:
        await self.api.request("PATCH", self.path(kind, name, subresource), patch, content_type=MERGE_PATCH)

    async def act(self, opponent: Opponent) -> None:
        """Undo until cancelled. An object that changes or disappears concurrently is handled in the next turn."""
        while True:
            with suppress(RequestRejectedError):
                await opponent.undo(self, opponent, self.watcher.get(opponent.kind, opponent.name))
            await asyncio.sleep(REACTION_SECONDS)


@asynccontextmanager
async def fighting(arena: Arena, opponents: list[Opponent]) -> AsyncIterator[None]:
    """Let all opponents act for the length of a `with` block."""
    tasks = [asyncio.create_task(arena.act(opponent)) for opponent in opponents]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert not [result for result in results if not isinstance(result, asyncio.CancelledError)]


async def delete(arena: Arena, opponent: Opponent, live: Object | None) -> None:
    """Delete a child as soon as it exists."""
    if live is not None:
        await arena.api.request("DELETE", arena.path(opponent.kind, opponent.name))


def patch_metadata(metadata: Mapping[str, Any], *, is_done: Callable[[Object], bool]) -> Callable[..., Any]:
    """Return an opponent that changes the metadata of a child unless `is_done`."""

    async def undo(arena: Arena, opponent: Opponent, live: Object | None) -> None:
        if live is not None and not is_done(live["metadata"]):
            await arena.merge(opponent.kind, opponent.name, {"metadata": metadata})

    return undo


set_label = patch_metadata({"labels": {PART_OF: "theirs"}}, is_done=lambda it: it["labels"].get(PART_OF) == "theirs")
remove_label = patch_metadata(
    {"labels": {MANAGED_BY_LABEL: None}}, is_done=lambda it: MANAGED_BY_LABEL not in it.get("labels", {})
)
remove_owner = patch_metadata({"ownerReferences": None}, is_done=lambda it: not it.get("ownerReferences"))
remove_annotation = patch_metadata(
    {"annotations": {OWNER_ANNOTATION: None}}, is_done=lambda it: OWNER_ANNOTATION not in it["annotations"]
)


async def scale(arena: Arena, opponent: Opponent, live: Object | None) -> None:
    """Set the replicas back, by the subresource as an autoscaler does."""
    if live is not None and live["spec"]["replicas"] != 3:
        await arena.merge(DEPLOYMENT, opponent.name, {"spec": {"replicas": 3}}, "scale")


NUMBERS = count()


async def scale_at_random(arena: Arena, opponent: Opponent, live: Object | None) -> None:
    """Set another number of replicas each time."""
    if live is not None:
        await arena.merge(DEPLOYMENT, opponent.name, {"spec": {"replicas": 1 + next(NUMBERS) % 4}}, "scale")
        await asyncio.sleep(0.5)


async def change_annotations(arena: Arena, opponent: Opponent, live: Object | None) -> None:
    """Change a foreign annotation repeatedly."""
    if live is not None:
        number = str(next(NUMBERS))
        await arena.merge(opponent.kind, opponent.name, {"metadata": {"annotations": {"example.com/n": number}}})


async def add_autoscaler(arena: Arena, opponent: Opponent, live: Object | None) -> None:
    """Have the Deployment scaled by an autoscaler of another owner."""
    if live is None or arena.watcher.get(HORIZONTAL_POD_AUTOSCALER, f"{opponent.name}-theirs") is not None:
        return
    target = {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind, "name": opponent.name}
    body = {
        "apiVersion": HORIZONTAL_POD_AUTOSCALER.api_version,
        "kind": HORIZONTAL_POD_AUTOSCALER.kind,
        "metadata": {"name": f"{opponent.name}-theirs"},
        "spec": {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 4},
    }
    await arena.api.request("POST", HORIZONTAL_POD_AUTOSCALER.path(namespace=arena.namespace), body)


async def restore_autoscaler(arena: Arena, opponent: Opponent, live: Object | None) -> None:
    """Create the autoscaler that the spec does not ask for, as the restore of a backup does."""
    owner = arena.watcher.get(MODEL_SERVICE, opponent.name)
    if live is None and owner is not None:
        builder = opponent.builder.named(opponent.name, namespace=arena.namespace).autoscaled(max_replicas=3)
        children = build_children(type(builder.parsed()).parse(builder.body() | {"metadata": owner["metadata"]}))
        [body] = [child.body for child in children if child.kind is HORIZONTAL_POD_AUTOSCALER]
        await arena.api.request("POST", HORIZONTAL_POD_AUTOSCALER.path(namespace=arena.namespace), body)


async def overwrite_status(arena: Arena, opponent: Opponent, live: Object | None) -> None:
    """Replace the status that the operator wrote."""
    if live is not None and (live.get("status") or {}).get("selector") not in {None, "theirs"}:
        await arena.merge(MODEL_SERVICE, opponent.name, {"status": {"selector": "theirs"}}, "status")


async def apply_as_it_is(api: ApiClient, kind: ResourceKind, namespace: str, name: str) -> None:
    """Apply a live object with all of its fields, as a GitOps tool or a restored backup does: it then owns them too."""
    path = kind.path(namespace=namespace, name=name)
    live = await api.request("GET", path)
    metadata = {field: value for field, value in live["metadata"].items() if field not in _SERVER_FIELDS}
    body = {field: value for field, value in live.items() if field != "status"} | {"metadata": metadata}
    await api.request("PATCH", path, body, content_type=_APPLY)


def complete_service() -> ModelServiceBuilder:
    """Return a ModelService that has a child of each kind, and no pods: its service account does not exist."""
    return golden("everything")


def opponents() -> list[Opponent]:
    """Return one of each sort, for each kind of child where it differs."""
    found = [
        Opponent("scale", DEPLOYMENT, scale, message="spec.replicas of Deployment scale is being reverted by another"),
        Opponent("scale-random", DEPLOYMENT, scale_at_random, message="spec.replicas of Deployment scale-random is"),
        Opponent("scale-external", DEPLOYMENT, scale_at_random, model_service().externally_scaled(), is_fight=False),
        Opponent("autoscaler", DEPLOYMENT, add_autoscaler, model_service().with_spec(replicas=2)),
        Opponent("surplus", HORIZONTAL_POD_AUTOSCALER, restore_autoscaler, message="surplus is not part of the spec"),
        Opponent("status", MODEL_SERVICE, overwrite_status),
        Opponent("own-annotations", MODEL_SERVICE, change_annotations),
    ]
    for kind in BUILT_IN_CHILD_KINDS:
        reverted = {
            "label": (set_label, f"metadata.labels.{PART_OF} of {kind.kind}"),
            "unlabel": (remove_label, f"{kind.kind}"),
            "disown": (remove_owner, f"metadata.ownerReferences of {kind.kind}"),
            "unmark": (remove_annotation, f"metadata.annotations.{OWNER_ANNOTATION} of {kind.kind}"),
            "delete": (delete, "is being deleted by another client each time"),
            "annotate": (change_annotations, ""),
        }
        for sort, (undo, message) in reverted.items():
            found.append(Opponent(f"{sort}-{kind.kind.lower()}", kind, undo, complete_service(), message))
    return found
