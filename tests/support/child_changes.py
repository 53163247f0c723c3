"""Answers of the API server to changes of children: the old child is stored, the new one is applied by dry runs."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import DEPLOYMENT, OPTIONAL_CHILD_KINDS, ResourceKind
from modelservice_operator.client.status_errors import error_from_response
from modelservice_operator.errors import InvalidRequestError
from modelservice_operator.resources import DesiredChild, build_children
from modelservice_operator.resources.immutable import is_refused_as_immutable
from modelservice_operator.resources.newer_fields import find_dropped
from modelservice_operator.settings import FIELD_MANAGER
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.dry_run import DryRunClient, DryRunResponse
from tests.support.spec_changes import SpecGroup

Change = tuple[dict[str, Any], dict[str, Any]]
"""An old and a new spec."""
Refused = tuple[ResourceKind, str]
"""A kind, and the field of it whose update the API server rejects."""


@dataclass
class Outcomes:
    """Results of all changes of children."""

    updated: Counter[str] = field(default_factory=Counter)
    """Accepted updates, by kind."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Updates that are rejected and for which the operator deletes and creates the child, by kind."""
    recreated: dict[Refused, list[Change]] = field(default_factory=lambda: defaultdict(list))
    """The same changes by the fields that the API server names."""
    refused: list[str] = field(default_factory=list)
    """Updates that are rejected although the new child could be created: the operator does nothing about them."""
    needless: list[str] = field(default_factory=list)
    """Updates that the API server accepts although the operator deletes the child for them."""
    leaves: set[tuple[str, str, str]] = field(default_factory=set)
    """Leaves of children that were changed: kind, path, and whether it was added, changed or removed."""
    unsettled: list[str] = field(default_factory=list)
    """Updates after which the child is not as desired."""


@dataclass(frozen=True)
class ChildChanges:
    """Sends the changes of children in one namespace to an API server."""

    server: DryRunClient
    namespace: str
    outcomes: Outcomes = field(default_factory=Outcomes)

    def send(self, group: SpecGroup) -> None:
        """Send the changes of all children of a group."""
        children = [self._children_of(spec) for spec in group.specs]
        for kind in {kind for found in children for kind in found} - set(OPTIONAL_CHILD_KINDS):
            self._send_kind(group, [found.get(kind) for found in children])

    def _children_of(self, spec: dict[str, Any]) -> dict[ResourceKind, DesiredChild]:
        """Return the children of a ModelService that the API server accepts, with its defaults; else none."""
        answer = self.server.create_model_service(self._service(spec))
        if not answer.is_accepted:
            return {}
        return {child.kind: child for child in build_children(ModelService.parse(answer.body))}

    def _service(self, spec: dict[str, Any]) -> ModelServiceBuilder:
        return model_service().named("iris", namespace=self.namespace).with_spec(**spec)

    def _send_kind(self, group: SpecGroup, children: list[DesiredChild | None]) -> None:
        """Send each change of the children of one kind that changes a leaf in a way in which none did before."""
        changes: dict[str, dict[str, tuple[DesiredChild, DesiredChild, Change]]] = defaultdict(dict)
        for index, successor in group.pairs():
            old, new = children[index], children[successor]
            if old is None or new is None or old.digest == new.digest or old.key != new.key:
                continue
            changed = {(old.kind.kind, *leaf) for leaf in changed_leaves(old.body, new.body)}
            if group.is_whole or not changed <= self.outcomes.leaves:
                self.outcomes.leaves |= changed
                changes[old.digest][new.digest] = (old, new, (group.specs[index], group.specs[successor]))
        for found in changes.values():
            self._send_changes_of(found.values())

    def _send_changes_of(self, changes: Iterable[tuple[DesiredChild, DesiredChild, Change]]) -> None:
        """Send changes that have the old child in common. One that cannot be created is reported as such."""
        unknown = []
        [old, *_] = (old for old, _, _ in changes)
        with self._stored(old) as live:
            if live is not None:
                unknown = [
                    (new, refusal) for _, new, change in changes if (refusal := self._send_one(live, new, change))
                ]
        self.outcomes.refused += [refusal for new, refusal in unknown if self._can_be_created(new)]

    def _can_be_created(self, child: DesiredChild) -> bool:
        path = child.kind.path(namespace=self.namespace)
        return self.server.create(path, unowned(child)).is_accepted

    @contextmanager
    def _stored(self, child: DesiredChild) -> Iterator[dict[str, Any] | None]:
        """Store a child for the length of a `with` block; None if the API server rejects it."""
        path = child.kind.path(namespace=self.namespace, name=child.key.name)
        body = unowned(child)
        if child.kind is DEPLOYMENT:
            body = body | {"spec": body["spec"] | {"replicas": 0}}  # no pods
        answer = self.server.apply(path, body, manager=FIELD_MANAGER, store=True)
        if not answer.is_accepted:
            yield None
            return
        try:
            yield answer.body
        finally:
            self.server.http.delete(path).raise_for_status()

    def _send_one(self, live: dict[str, Any], new: DesiredChild, change: Change) -> str:
        """Apply `new` to `live`, and record the outcome; return the refusal if the operator does nothing about it."""
        path = new.kind.path(namespace=self.namespace, name=new.key.name)
        body = unowned(replace(new, body=new.apply_body(live)))
        answer = self.server.apply(path, body, manager=FIELD_MANAGER)
        words = f"{new.kind.kind}, {change[0]} -> {change[1]}: {answer.message}"
        if answer.is_accepted:
            self._record_update(live, answer.body, new, words)
        elif new.requires_recreate(live) or is_refused_as_immutable(new.kind, _error_of(answer)):
            self.outcomes.rejected[new.kind.kind] += 1
            for name in _fields_of(answer):
                self.outcomes.recreated[new.kind, name].append(change)
        else:
            return words
        return ""

    def _record_update(self, live: dict[str, Any], updated: dict[str, Any], new: DesiredChild, words: str) -> None:
        """Record an accepted update. Some are accepted and have no effect: the operator must re-create these."""
        self.outcomes.updated[new.kind.kind] += 1
        if new.requires_recreate(live) and not new.requires_recreate(updated):
            self.outcomes.needless.append(words)
        wanted = replace(new, body=unowned(new))
        if not new.requires_recreate(live) and not find_dropped(new.kind, new.body, updated):
            self.outcomes.unsettled += [f"{words}{field}" for field in (wanted.first_difference(updated),) if field]


def changed_leaves(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path of each leaf that differs, without indices, and what became of it."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old.keys() | new.keys():
            yield from changed_leaves(old.get(name), new.get(name), f"{path}.{name}")
    elif isinstance(old, list) and isinstance(new, list):
        for one, other in zip_longest(old, new):
            yield from changed_leaves(one, other, f"{path}[]")
    elif isinstance(new, dict | list) and new and old is None:
        yield from changed_leaves(type(new)(), new, path)
    elif isinstance(old, dict | list) and old and new is None:
        yield from changed_leaves(old, type(old)(), path)
    elif old != new:
        yield path, "added" if old is None else "removed" if new is None else "changed"


def unowned(child: DesiredChild) -> dict[str, Any]:
    """Return the child without owner, which the garbage collector would miss."""
    metadata = {name: value for name, value in child.body["metadata"].items() if name != "ownerReferences"}
    return {**child.body, "metadata": metadata}


def _error_of(answer: DryRunResponse) -> InvalidRequestError:
    error = error_from_response(answer.status, json.dumps(answer.body).encode())
    assert isinstance(error, InvalidRequestError), error
    return error


def _fields_of(answer: DryRunResponse) -> list[str]:
    """Return the fields as the API server names them."""
    return [cause["field"] for cause in answer.body["details"]["causes"]]
