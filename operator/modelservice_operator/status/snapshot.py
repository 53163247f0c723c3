"""Snapshot of a ModelService and its objects, read from the caches once per reconcile. Input of this package."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import ResourceKind
from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.apimachinery.text import sanitize
from modelservice_operator.apimachinery.well_known import REVISION, TEMPLATE_HASH
from modelservice_operator.errors import OperatorError
from modelservice_operator.status.load_progress import LoadProgress
from modelservice_operator.status.normalizer import TextNormalizer
from modelservice_operator.status.pods import Pod

_MAX_ADDRESS_CHARS = 253
"""Characters of a host name (RFC 1035)."""
_ROLLED_OUT_REASONS = frozenset({"NewReplicaSetAvailable", "DeploymentPaused"})
"""Reasons of a Deployment's condition Progressing after a rollout (pkg/controller/deployment/util)."""


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
    observed_generation: int
    """The generation that it has observed."""
    conditions: Mapping[str, Mapping[str, Any]]
    uid: str = ""
    revision: str = ""
    """Number of the newest revision, as counted by the Deployment controller; empty before the first."""
    paused: bool = False
    """A user has paused the rollout: the Deployment controller scales, but creates no revision."""
    min_ready_seconds: int = 0
    """Seconds that a pod must be ready to count as available."""

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
            observed_generation=status.get("observedGeneration", 0),
            conditions={condition["type"]: condition for condition in status.get("conditions") or ()},
            uid=deployment["metadata"].get("uid", ""),
            revision=(deployment["metadata"].get("annotations") or {}).get(REVISION, ""),
            paused=bool(deployment["spec"].get("paused")),
            min_ready_seconds=deployment["spec"].get("minReadySeconds") or 0,
        )

    @property
    def complete(self) -> bool:
        """Return True if every desired pod is of the newest revision and available, and no other pod is left."""
        return self.observed and self.updated == self.desired == self.replicas == self.available

    @property
    def rolled_out(self) -> bool:
        """Return True if the newest revision was complete once, and no pod of another revision is left.

        The Deployment controller keeps the reason NewReplicaSetAvailable while it scales, until there is another
        revision (pkg/controller/deployment, syncRolloutStatus). A pause replaces it.
        """
        if not self.observed or self.updated != self.replicas or self.updated < min(self.desired, 1):
            return False  # without pods, a ReplicaSet of the newest revision may not exist
        return self.complete or self.conditions.get("Progressing", {}).get("reason") in _ROLLED_OUT_REASONS


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A ModelService and the objects that belong to it."""

    service: ModelService
    children: tuple[tuple[ResourceKind, NamespacedName], ...] = ()
    """Kinds and names of the children."""
    rollout: DeploymentStatus | None = None
    """Status of the Deployment; None if there is none."""
    load_balancer: str | None = None
    """Address that a load balancer assigned to the Service."""
    ingress_address: str | None = None
    """Address of the Ingress."""
    route_parents: tuple[Mapping[str, Any], ...] = ()
    """Reports of the controllers of Gateways about the HTTPRoute (gateway.networking.k8s.io/v1, RouteStatus)."""
    failure: OperatorError | None = None
    """Error of this reconcile, if the children could not be applied."""
    pods: tuple[Pod, ...] = ()
    """Pods of all revisions."""
    replica_sets: tuple[Mapping[str, Any], ...] = ()
    """Cached ReplicaSets of all revisions (see `controller.transforms.transform_replica_set`)."""
    autoscaler: Mapping[str, Any] | None = None
    """HorizontalPodAutoscaler that is a child of the ModelService."""
    cron_job: Mapping[str, Any] | None = None
    """CronJob of an auto-updated model."""
    foreign_autoscalers: tuple[str, ...] = ()
    """Names of other HorizontalPodAutoscalers that target the Deployment."""
    ages: Mapping[str, float] = field(default_factory=dict)
    """Seconds since the operator first saw an object that it waits for, by UID (see `controller.ages`)."""
    pod_event_messages: tuple[str, ...] = ()
    """Messages of the Events of an unready pod about its probes and volumes, newest first."""
    load_progress: LoadProgress | None = None
    """Progress of a loader of the newest revision; None if it is not known."""

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

    def with_pod_events(self, messages: tuple[str, ...]) -> Self:
        """Return the snapshot with messages of Events."""
        return self._share_derived(replace(self, pod_event_messages=messages))

    def with_load_progress(self, progress: LoadProgress) -> Self:
        """Return the snapshot with the progress of a loader."""
        return self._share_derived(replace(self, load_progress=progress))

    def _share_derived(self, changed: Self) -> Self:
        """Add what has been derived from the pods already, which are those of the changed snapshot too.

        A thousand pods would be sorted again, and the normalizer built again.
        """
        fields = vars(changed)
        fields.update({name: value for name, value in vars(self).items() if name not in fields})
        return changed

    @property
    def autoscaler_uid(self) -> str:
        """UID of the autoscaler; empty if there is none."""
        return str(((self.autoscaler or {}).get("metadata") or {}).get("uid") or "")

    def seconds_left(self, uid: str, duration: float) -> float:
        """Return the rest of `duration` seconds since the operator first saw an object; 0 if it is over or unknown."""
        return max(0.0, duration - self.ages[uid]) if uid in self.ages else 0.0

    def is_older(self, uid: str, seconds: float) -> bool:
        """Return True if the operator first saw an object at least so many seconds ago."""
        return self.ages.get(uid, 0.0) >= seconds

    @cached_property
    def normalizer(self) -> TextNormalizer:
        """Normalizer of texts about the pods of all revisions."""
        labels = ((one["metadata"].get("labels") or {}).get(TEMPLATE_HASH) for one in self.replica_sets)
        hashes = {template_hash for template_hash in labels if template_hash}
        hashes |= {pod.template_hash for pod in self.pods if pod.template_hash}
        return TextNormalizer(self.service.metadata.name, [pod.name for pod in self.pods], hashes)

    @cached_property
    def has_old_pods(self) -> bool:
        """Return True if pods of an earlier revision run."""
        current = {pod.name for pod in self.current_pods}
        return any(
            pod.template_hash and pod.name not in current and pod.phase == "Running" and not pod.terminating
            for pod in self.pods
        )


def load_balancer_address(live: Mapping[str, Any] | None) -> str | None:
    """Return host name or IP address of the load balancer of a Service or Ingress; None while it has none."""
    ingress = (((live or {}).get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    addresses = (str(entry.get("hostname") or entry.get("ip") or "") for entry in ingress)
    return sanitize(next(addresses, ""), _MAX_ADDRESS_CHARS).strip() or None


def route_parents(route: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], ...]:
    """Return the reports of the controllers of Gateways about an HTTPRoute."""
    return tuple(((route or {}).get("status") or {}).get("parents") or ())


def _is_of(deployment: DeploymentStatus, metadata: Mapping[str, Any]) -> bool:
    """Return True if a ReplicaSet is of the newest revision of `deployment`."""
    owners = {owner["uid"] for owner in metadata.get("ownerReferences") or ()}
    revision = (metadata.get("annotations") or {}).get(REVISION)
    return bool(revision == deployment.revision and (not deployment.uid or deployment.uid in owners))


def _creation(body: Mapping[str, Any]) -> tuple[str, str]:
    metadata = body["metadata"]
    return str(metadata.get("creationTimestamp", "")), str(metadata["name"])
