"""The Kubernetes kinds that the operator reads or writes, and their paths in the API."""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResourceKind:
    """A resource of the Kubernetes API. There is one instance of each, so instances are compared by identity."""

    group: str
    version: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        """`group/version`; only the version for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_resource(self) -> str:
        """`plural.group`; only the plural for the core group (apimachinery, schema.GroupResource)."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, *, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the URL path of the resource. Every part is quoted, so that no name can leave its segment."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/" + "/".join(map(_quote, parts))


@lru_cache(maxsize=256)
def _quote(part: str) -> str:
    # Groups, plurals and namespaces repeat in each request.
    return quote(part, safe="")


MODEL_SERVICE = ResourceKind(group="modelservice.dev", version="v1alpha1", kind="ModelService", plural="modelservices")
DEPLOYMENT = ResourceKind(group="apps", version="v1", kind="Deployment", plural="deployments")
SERVICE = ResourceKind(group="", version="v1", kind="Service", plural="services")
HORIZONTAL_POD_AUTOSCALER = ResourceKind(
    group="autoscaling", version="v2", kind="HorizontalPodAutoscaler", plural="horizontalpodautoscalers"
)

POD_DISRUPTION_BUDGET = ResourceKind(
    group="policy", version="v1", kind="PodDisruptionBudget", plural="poddisruptionbudgets"
)
NETWORK_POLICY = ResourceKind(group="networking.k8s.io", version="v1", kind="NetworkPolicy", plural="networkpolicies")
INGRESS = ResourceKind(group="networking.k8s.io", version="v1", kind="Ingress", plural="ingresses")
HTTP_ROUTE = ResourceKind(group="gateway.networking.k8s.io", version="v1", kind="HTTPRoute", plural="httproutes")
POD_MONITOR = ResourceKind(group="monitoring.coreos.com", version="v1", kind="PodMonitor", plural="podmonitors")

CRON_JOB = ResourceKind(group="batch", version="v1", kind="CronJob", plural="cronjobs")

POD = ResourceKind(group="", version="v1", kind="Pod", plural="pods")
REPLICA_SET = ResourceKind(group="apps", version="v1", kind="ReplicaSet", plural="replicasets")

LEASE = ResourceKind(group="coordination.k8s.io", version="v1", kind="Lease", plural="leases")

BUILT_IN_CHILD_KINDS = (
    DEPLOYMENT,
    SERVICE,
    HORIZONTAL_POD_AUTOSCALER,
    POD_DISRUPTION_BUDGET,
    NETWORK_POLICY,
    INGRESS,
    CRON_JOB,
)
OPTIONAL_CHILD_KINDS = (HTTP_ROUTE, POD_MONITOR)
"""Kinds whose CRD may be missing, or may be installed later."""
CHILD_KINDS = BUILT_IN_CHILD_KINDS + OPTIONAL_CHILD_KINDS
DIAGNOSTIC_KINDS = (POD, REPLICA_SET)
"""Kinds that are only read, to explain why a Deployment is not ready."""
