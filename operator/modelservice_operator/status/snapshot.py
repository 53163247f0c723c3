"""Snapshot of a ModelService and its objects, read from the caches once per reconcile. Input of this package."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import DEPLOYMENT, SERVICE, ResourceKind
from modelservice_operator.errors import OperatorError
from modelservice_operator.resources.metadata import REVISION, TEMPLATE_HASH
from modelservice_operator.status.pods import Pod


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """Replica counts and conditions of a Deployment (apps/v1, DeploymentStatus)."""

    desired: int
    replicas: int
    ready: int
    updated: int
    available: int
    observed: bool
    """The Deployment controller has observed the generation that these counts are compared with."""
    conditions: Mapping[str, Mapping[str, Any]]
    uid: str = ""
    revision: str = ""
    """Number of the newest revision, as counted by the Deployment controller; empty before the first."""

    @classmethod
    def of(cls, deployment: Mapping[str, Any]) -> "DeploymentStatus":
        """Parse a Deployment."""
        status = deployment.get("status") or {}
        return cls(
            desired=deployment["spec"].get("replicas", 1),
            replicas=status.get("replicas", 0),
            ready=status.get("readyReplicas", 0),
            updated=status.get("updatedReplicas", 0),
            available=status.get("availableReplicas", 0),
            observed=status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0),
            conditions={condition["type"]: condition for condition in status.get("conditions") or ()},
            uid=deployment["metadata"].get("uid", ""),
            revision=(deployment["metadata"].get("annotations") or {}).get(REVISION, ""),
        )

    @property
    def complete(self) -> bool:
        """Return True if every desired pod is of the newest revision and available, and no other pod is left."""
        return self.observed and self.updated == self.desired == self.replicas == self.available


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A ModelService and the objects that belong to it."""

    service: ModelService
    child_kinds: tuple[ResourceKind, ...] = (DEPLOYMENT, SERVICE)
    """Kinds of the children."""
    rollout: DeploymentStatus | None = None
    """Status of the Deployment; None if there is none."""
    load_balancer: str | None = None
    """Address that a load balancer assigned to the Service."""
    failure: OperatorError | None = None
    """Error of this reconcile, if the children could not be applied."""
    pods: tuple[Pod, ...] = ()
    """Pods of all revisions."""
    replica_sets: tuple[Mapping[str, Any], ...] = ()
    """Cached ReplicaSets of all revisions (see `controller.transforms.transform_replica_set`)."""
    autoscaler: Mapping[str, Any] | None = None
    """HorizontalPodAutoscaler that is a child of the ModelService."""
    foreign_autoscalers: tuple[str, ...] = ()
    """Names of other HorizontalPodAutoscalers that target the Deployment."""
    pod_event_messages: tuple[str, ...] = ()
    """Messages of the Events of an unready pod about its probes and volumes, newest first."""

    @cached_property
    def current_replica_set(self) -> Mapping[str, Any] | None:
        """ReplicaSet of the Deployment's newest revision; None while it does not exist or is not cached.

        An older ReplicaSet is never used instead: its pods belong to the spec that was replaced.
        """
        if self.rollout is None or not self.rollout.revision:
            return None
        candidates = [one for one in self.replica_sets if _is_of(self.rollout, one["metadata"])]
        # Caches may show the same revision on two ReplicaSets while the number moves: the younger one is right.
        return max(candidates, key=_creation, default=None)

    @cached_property
    def current_pods(self) -> tuple[Pod, ...]:
        """Pods of the newest revision that are not being deleted, by name."""
        if self.current_replica_set is None:
            return ()
        revision = (self.current_replica_set["metadata"].get("labels") or {}).get(TEMPLATE_HASH)
        current = (pod for pod in self.pods if revision and pod.template_hash == revision and not pod.terminating)
        return tuple(sorted(current, key=lambda pod: pod.name))


def load_balancer_address(service: Mapping[str, Any] | None) -> str | None:
    """Return host name or IP address of a Service's load balancer; None while it has none."""
    ingress = (((service or {}).get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return next((entry.get("hostname") or entry.get("ip") for entry in ingress), None)


def _is_of(deployment: DeploymentStatus, metadata: Mapping[str, Any]) -> bool:
    """Return True if a ReplicaSet is of the newest revision of `deployment`."""
    owners = {owner["uid"] for owner in metadata.get("ownerReferences") or ()}
    revision = (metadata.get("annotations") or {}).get(REVISION)
    return bool(revision == deployment.revision and (not deployment.uid or deployment.uid in owners))


def _creation(body: Mapping[str, Any]) -> tuple[str, str]:
    metadata = body["metadata"]
    return str(metadata.get("creationTimestamp", "")), str(metadata["name"])
