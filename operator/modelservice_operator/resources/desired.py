"""DesiredChild: the desired state of a child, and its comparison with the live object."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

from modelservice_operator.apimachinery.kinds import (
    CRON_JOB,
    DEPLOYMENT,
    OPTIONAL_CHILD_KINDS,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    ResourceKind,
)
from modelservice_operator.apimachinery.objects import NamespacedName, Object, key_of
from modelservice_operator.resources.canonical import canonical_form
from modelservice_operator.resources.diff import NodeReplacement, conflicting_nodes, first_difference
from modelservice_operator.resources.immutable import differs_in_immutable_field
from modelservice_operator.resources.metadata import HASH_ANNOTATION, SUSPENDED_ANNOTATION

EXCLUSIVE_FIELDS: Mapping[ResourceKind, frozenset[str]] = {
    DEPLOYMENT: frozenset(
        {
            *("volumes", "env", "ports", "startupProbe", "readinessProbe", "livenessProbe"),
            *("postStart", "preStop", "strategy"),
        }
    ),
    CRON_JOB: frozenset({"volumes", "env"}),
    SERVICE: frozenset({"ports"}),
    POD_DISRUPTION_BUDGET: frozenset({"spec"}),
}
"""Nodes, or lists of nodes, that become invalid if another client added to them: a volume with two sources, two ports
of one name, the limits of a rolling update with type Recreate. Server-side apply does not remove what another manager
owns, so the API server rejects it."""


def content_hash(node: Mapping[str, Any]) -> str:
    """Return a hash of a desired object or a part of it. Defaults of the API server are not part of it."""
    return hashlib.sha256(orjson.dumps(node, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class DesiredChild:
    """Desired state of one child. Build it with `of`."""

    kind: ResourceKind
    key: NamespacedName
    """Namespace and name: those of the ModelService, unless the Service has its own name."""
    body: Object
    """Configuration to apply. It contains no replicas."""
    digest: str
    """Hash of the desired state; `body` has it as an annotation."""
    replicas: int | None = None
    """Replicas at creation; None for kinds without replicas."""
    fixed_replicas: bool = False
    """`replicas` is enforced later as well, because no other controller scales the object."""

    @classmethod
    def of(cls, kind: ResourceKind, body: Object, *, replicas: int | None = None, fixed_replicas: bool = False) -> Self:
        """Return the child for `body`, in its canonical form.

        The hash annotation reveals a field that was removed from the desired state.
        """
        body = canonical_form(body)
        digest = content_hash(body)
        metadata = body["metadata"]
        annotated = metadata | {"annotations": metadata["annotations"] | {HASH_ANNOTATION: digest}}
        return cls(kind, key_of(body), body | {"metadata": annotated}, digest, replicas, fixed_replicas)

    def create_body(self) -> Object:
        """Return the body of the POST request, with replicas."""
        if self.replicas is None:
            return self.body
        return {**self.body, "spec": {**self.body["spec"], "replicas": self.replicas}}

    def apply_body(self, live: Mapping[str, Any]) -> Object:
        """Return the body of an apply to `live`: with the IP families that the API server added to the desired ones.

        They are part of a Service with two families, and are released only by the policy SingleStack.
        """
        spec = self.body.get("spec", {})
        wanted = spec.get("ipFamilies")
        families = live.get("spec", {}).get("ipFamilies") or []
        if not wanted or spec.get("ipFamilyPolicy") == "SingleStack" or families[: len(wanted)] != wanted:
            return self.body
        return {**self.body, "spec": spec | {"ipFamilies": families}}

    def first_difference(self, live: Object) -> str | None:
        """Return the path of the first field in which `live` differs from the desired state; None if none does."""
        # Defaults of kinds from CRDs are unknown, and the API server may add them inside of atomic nodes.
        return first_difference(self.body, live, atomic=self.kind not in OPTIONAL_CHILD_KINDS)

    def replicas_to_set(self, live: Mapping[str, Any]) -> int | None:
        """Return the replicas to scale `live` to; None if they are right or another controller owns them.

        With an autoscaler the operator scales up once: a Deployment that it scaled to zero itself, because no
        autoscaler acts on 0 replicas.
        """
        replicas = live.get("spec", {}).get("replicas")
        if self.replicas is None or replicas == self.replicas:
            return None
        if self.fixed_replicas:
            return self.replicas
        suspended = replicas == 0 and SUSPENDED_ANNOTATION in (live["metadata"].get("annotations") or {})
        return max(1, self.replicas) if suspended else None

    def requires_recreate(self, live: Mapping[str, Any]) -> bool:
        """Return True if the child must be deleted and created, because an immutable field differs."""
        return differs_in_immutable_field(self.kind, self.body, live)

    def was_applied_to(self, live: Mapping[str, Any]) -> bool:
        """Return True if this desired state was applied to `live` before, so that a difference is drift."""
        return (live["metadata"].get("annotations") or {}).get(HASH_ANNOTATION) == self.digest

    def conflicting_nodes(self, live: Mapping[str, Any]) -> list[NodeReplacement]:
        """Return the nodes of `live` that must be replaced before an apply can succeed."""
        return list(conflicting_nodes(self.body, live, EXCLUSIVE_FIELDS.get(self.kind, frozenset())))
