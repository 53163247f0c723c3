"""A child as it should be, and how it differs from the one that is there."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

from modelservice_operator.apimachinery.kinds import (
    DEPLOYMENT,
    OPTIONAL_CHILD_KINDS,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    ResourceKind,
)
from modelservice_operator.apimachinery.objects import NamespacedName, key_of
from modelservice_operator.resources.diff import NodeReplacement, conflicting_nodes, first_difference
from modelservice_operator.resources.metadata import CLUSTER_IP_NONE, HASH_ANNOTATION, SUSPENDED_ANNOTATION

EXCLUSIVE_FIELDS: Mapping[ResourceKind, frozenset[str]] = {
    DEPLOYMENT: frozenset({"volumes", "env", "ports", "startupProbe", "readinessProbe", "livenessProbe"}),
    SERVICE: frozenset({"ports"}),
    POD_DISRUPTION_BUDGET: frozenset({"spec"}),
}
"""Nodes, or lists of nodes, that are not valid with what somebody put there beside ours: two volume sources in one
volume, two ports of one name. An apply only adds, so it is refused."""


@dataclass(frozen=True, slots=True)
class DesiredChild:
    """One child: the configuration that is applied, and the count that only its creation carries."""

    kind: ResourceKind
    body: dict[str, Any]
    replicas: int | None = None
    """Replicas that the object is created with; never part of what is applied later."""
    fixed_replicas: bool = False
    """Whether `replicas` is also to be kept afterwards (nobody else scales the object)."""

    @property
    def key(self) -> NamespacedName:
        """Namespace and name of the child, which are those of its ModelService."""
        return key_of(self.body)

    @property
    def digest(self) -> str:
        """Hash of the desired state."""
        return str(self.body["metadata"]["annotations"][HASH_ANNOTATION])

    def replicas_to_set(self, live: Mapping[str, Any]) -> int | None:
        """Count to scale `live` to; None when its count is right or not ours.

        Under an autoscaler the count is ours once: a Deployment that we put to sleep must be woken by us, since no
        autoscaler acts on a count of 0.
        """
        count = live.get("spec", {}).get("replicas")
        if self.replicas is None or count == self.replicas:
            return None
        if self.fixed_replicas:
            return self.replicas
        asleep = count == 0 and SUSPENDED_ANNOTATION in (live["metadata"].get("annotations") or {})
        return max(1, self.replicas) if asleep else None

    def requires_recreate(self, live: Mapping[str, Any]) -> bool:
        """Whether `live` differs in a field that cannot be changed: a Service becomes headless, or stops being so."""
        if self.kind is not SERVICE:
            return False
        headless, is_headless = (spec.get("clusterIP") == CLUSTER_IP_NONE for spec in (self.body["spec"], live["spec"]))
        return bool(headless != is_headless)

    @classmethod
    def of(
        cls, kind: ResourceKind, body: dict[str, Any], *, replicas: int | None = None, fixed_replicas: bool = False
    ) -> Self:
        """`body` with its own hash as an annotation, by which a field that left the desired state is noticed."""
        digest = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
        body["metadata"]["annotations"][HASH_ANNOTATION] = digest
        return cls(kind, body, replicas, fixed_replicas)

    def create_body(self) -> dict[str, Any]:
        """What is POSTed."""
        if self.replicas is None:
            return dict(self.body)
        return {**self.body, "spec": {**self.body["spec"], "replicas": self.replicas}}

    def first_difference(self, live: dict[str, Any]) -> str | None:
        """Path of the first field of ours that `live` does not have as it should be; None when all are right."""
        # The defaults of kinds that others define are not known, and they may be inside of what is atomic.
        return first_difference(self.body, live, atomic=self.kind not in OPTIONAL_CHILD_KINDS)

    def was_applied_to(self, live: Mapping[str, Any]) -> bool:
        """Whether `live` was once brought to this very state: then what differs was changed by somebody."""
        return (live["metadata"].get("annotations") or {}).get(HASH_ANNOTATION) == self.digest

    def conflicting_nodes(self, live: Mapping[str, Any]) -> list[NodeReplacement]:
        """Nodes of `live` that must be replaced before an apply can succeed."""
        return list(conflicting_nodes(self.body, live, EXCLUSIVE_FIELDS.get(self.kind, frozenset())))
