"""What there is, as far as the caches know: frozen, read once per reconciliation, judged by `status`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import DEPLOYMENT, SERVICE, ResourceKind
from modelservice_operator.errors import OperatorError
from modelservice_operator.resources.metadata import REVISION, TEMPLATE_HASH


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """A Deployment's progress in numbers (apps/v1, DeploymentStatus)."""

    desired: int
    replicas: int
    ready: int
    updated: int
    available: int
    observed: bool
    """Whether the Deployment controller has seen the spec that these numbers are compared with."""
    conditions: Mapping[str, Mapping[str, Any]]
    uid: str = ""
    revision: str = ""
    """Number of the newest revision, as its controller counts them; empty before the first."""

    @classmethod
    def of(cls, deployment: Mapping[str, Any]) -> "DeploymentStatus":
        """Read a Deployment."""
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
        """Whether every wanted pod is of the newest revision and available, and no other pod is left."""
        return self.observed and self.updated == self.desired == self.replicas == self.available


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A ModelService with what was found of it."""

    service: ModelService
    child_kinds: tuple[ResourceKind, ...] = (DEPLOYMENT, SERVICE)
    """Kinds of the children that it stands for."""
    rollout: DeploymentStatus | None = None
    load_balancer: str | None = None
    """Address that a load balancer gave to the Service."""
    failure: OperatorError | None = None
    """Why the children are not as they should be."""
    pods: tuple[Mapping[str, Any], ...] = ()
    """Its pods of all revisions, as `reductions.reduce_pod` leaves them."""
    replica_sets: tuple[Mapping[str, Any], ...] = ()
    """Its ReplicaSets of all revisions, as `reductions.reduce_replica_set` leaves them."""
    autoscaler: Mapping[str, Any] | None = None
    """The HorizontalPodAutoscaler that is its child."""
    foreign_autoscalers: tuple[str, ...] = ()
    """Names of those of others that target its Deployment."""
    pod_event_messages: tuple[str, ...] = ()
    """What the Events of a pod that stays unready say of its probes and volumes, newest first."""

    @property
    def current_replica_set(self) -> Mapping[str, Any] | None:
        """The ReplicaSet of the Deployment's newest revision; None while it is not there, or not seen.

        An older one never stands in for it: its pods would tell of what was replaced.
        """
        if self.rollout is None or not self.rollout.revision:
            return None
        found = [one for one in self.replica_sets if _is_of(self.rollout, one["metadata"])]
        # Two of one revision are two views of a moment in which the number moved: the younger one is right.
        return max(found, key=_age, default=None)

    @property
    def current_pods(self) -> tuple[Mapping[str, Any], ...]:
        """Pods of the newest revision that are there to stay, by name."""
        revision = _hash(self.current_replica_set)
        found = (pod for pod in self.pods if revision and _hash(pod) == revision)
        staying = (pod for pod in found if not pod["metadata"].get("deletionTimestamp"))
        return tuple(sorted(staying, key=lambda pod: str(pod["metadata"]["name"])))


def _is_of(rollout: DeploymentStatus, metadata: Mapping[str, Any]) -> bool:
    owners = {owner["uid"] for owner in metadata.get("ownerReferences") or ()}
    revision = (metadata.get("annotations") or {}).get(REVISION)
    return bool(revision == rollout.revision and (not rollout.uid or rollout.uid in owners))


def _age(body: Mapping[str, Any]) -> tuple[str, str]:
    metadata = body["metadata"]
    return str(metadata.get("creationTimestamp", "")), str(metadata["name"])


def _hash(body: Mapping[str, Any] | None) -> str | None:
    return None if body is None else (body["metadata"].get("labels") or {}).get(TEMPLATE_HASH)


def load_balancer_address(service: Mapping[str, Any] | None) -> str | None:
    """Host name or IP address of a Service's load balancer, None while there is none."""
    ingress = (((service or {}).get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return next((entry.get("hostname") or entry.get("ip") for entry in ingress), None)
