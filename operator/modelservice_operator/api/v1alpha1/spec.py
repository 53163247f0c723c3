"""The ModelService resource, version v1alpha1: the single source of the CRD, the parser and the reference.

Field descriptions appear in `kubectl explain`. Defaults here are schema defaults: the API server stores them, so that
they appear in `kubectl get -o yaml`.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError

from modelservice_operator.api.markers import (
    ATOMIC,
    ApiModel,
    Rule,
    cel_rules,
    list_map,
)
from modelservice_operator.api.primitives import (
    AbsolutePath,
    Count,
    ImageReference,
    ObjectName,
    OwnAnnotations,
    OwnLabels,
    Port,
    Seconds,
    Selector,
)
from modelservice_operator.api.v1alpha1.exposure import Expose, Monitoring, NetworkPolicyOptions, ServiceOptions
from modelservice_operator.api.v1alpha1.model import ModelSource
from modelservice_operator.api.v1alpha1.pods import (
    Affinity,
    EnvVar,
    LocalReference,
    Mount,
    Probes,
    ResourceRequirements,
    Toleration,
    TopologySpread,
    UserId,
)
from modelservice_operator.api.v1alpha1.rules import SPEC_RULES
from modelservice_operator.api.v1alpha1.scaling import Autoscaling, DisruptionBudget, RolloutOptions
from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.errors import InvalidSpecError

MAX_NAME_LENGTH = 63


class ModelServiceSpec(ApiModel):
    """Desired state."""

    model_config = ConfigDict(json_schema_extra=cel_rules(*SPEC_RULES))
    image: ImageReference = Field(
        description="Image of the model server. Its ENTRYPOINT is used unless command is set.",
        examples=["registry.example.com/iris-server:1.4"],
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None,
        description="Image pull policy. Defaults to Always for the tag latest, otherwise IfNotPresent.",
        examples=["IfNotPresent"],
    )
    image_pull_secrets: list[LocalReference] | None = Field(
        default=None,
        max_length=8,
        description="Secrets with credentials for private registries.",
        examples=[[{"name": "registry-login"}]],
        json_schema_extra=list_map("name"),
    )
    command: list[Annotated[str, Field(max_length=32_768)]] | None = Field(
        default=None,
        max_length=64,
        description="Replaces the image's ENTRYPOINT, run without a shell. $(VAR) is expanded by Kubernetes.",
        examples=[["/app/serve"]],
        json_schema_extra=ATOMIC,
    )
    args: list[Annotated[str, Field(max_length=32_768)]] | None = Field(
        default=None,
        max_length=256,
        description="Replaces the image's CMD. $(VAR) is expanded by Kubernetes.",
        examples=[["--workers", "2"]],
        json_schema_extra=ATOMIC,
    )
    working_dir: AbsolutePath | None = Field(
        default=None, description="Working directory. Defaults to that of the image.", examples=["/app"]
    )
    env: list[EnvVar] | None = Field(
        default=None,
        max_length=256,
        description="Environment variables of the model server.",
        examples=[[{"name": "LOG_LEVEL", "value": "info"}]],
        json_schema_extra=list_map("name"),
    )
    container_port: Port = Field(
        default=8080,
        description="Port the server listens on. Also set as the PORT environment variable. Ports below 1024 do not"
        " require root.",
        examples=[5000],
    )
    model: ModelSource | None = Field(
        default=None,
        description="Model that the server loads. If not set, only MODEL_NAME and PORT are passed to the server.",
        examples=[{"uri": "file:///app/model.joblib"}],
    )
    replicas: Count = Field(
        default=1,
        description="Number of replicas. With autoscaling: the initial number, and the minimum unless minReplicas is"
        " set.",
        examples=[2],
    )
    autoscaling: Autoscaling | None = Field(
        default=None,
        description="Scale the number of replicas with the load. If not set, it stays at replicas.",
        examples=[{"maxReplicas": 5, "targetCPUUtilizationPercentage": 80}],
    )
    suspend: bool = Field(
        default=False,
        description="Scale to zero and keep all other objects. Resuming restores the configured number of replicas.",
        examples=[True],
    )
    resources: ResourceRequirements | None = Field(
        default=None,
        description="CPU and memory of the model container. Defaults to requests of 500m CPU and 512Mi memory.",
        examples=[{"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}],
    )
    probes: Probes | None = Field(
        default=None,
        description="Health checks of the model container. Defaults to checking that its port accepts connections.",
        examples=[{"readiness": {"httpGet": {"path": "/isAlive"}}}],
    )
    service: ServiceOptions | None = Field(
        default=None,
        description="Service of the replicas. Defaults to type ClusterIP on port 80.",
        examples=[{"type": "LoadBalancer", "port": 8000}],
    )
    expose: Expose | None = Field(
        default=None,
        description="Access to the model from outside the cluster.",
        examples=[{"ingress": {"host": "iris.example.com", "className": "nginx"}}],
    )
    rollout: RolloutOptions | None = Field(
        default=None,
        description="Rolling update strategy. Defaults to starting one new replica before stopping an old one.",
        examples=[{"maxSurge": "25%"}],
    )
    disruption_budget: DisruptionBudget | None = Field(
        default=None,
        description="Limits for evictions, such as node drains. Created only if there are always at least two"
        " replicas.",
        examples=[{"minAvailable": "50%"}],
    )
    network_policy: NetworkPolicyOptions | None = Field(
        default=None,
        description="Restriction of who can reach the model. If not set, no NetworkPolicy is created.",
        examples=[{"enabled": True, "from": [{"podLabels": {"app": "gateway"}}]}],
    )
    mounts: (
        Annotated[
            list[Mount],
            Field(
                max_length=32,
                json_schema_extra=list_map("name")
                | cel_rules(
                    Rule(
                        "self.all(one, self.exists_one(other, other.mountPath == one.mountPath))",
                        "each mountPath must be used once: choose another path",
                    )
                ),
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="Additional volumes of the model container.",
        examples=[[{"name": "labels", "mountPath": "/etc/labels", "configMap": {"name": "labels"}}]],
    )
    service_account_name: ObjectName | None = Field(
        default=None,
        description="ServiceAccount of the pods. Its token is mounted. If not set, no token is mounted.",
        examples=["iris"],
    )
    run_as_user: UserId | None = Field(
        default=None, description="UID of the containers, never root. Defaults to 10001.", examples=[1000]
    )
    run_as_group: UserId | None = Field(
        default=None, description="GID of the containers. Defaults to runAsUser.", examples=[1000]
    )
    fs_group: UserId | None = Field(
        default=None, description="GID that owns the volumes. Defaults to runAsGroup.", examples=[1000]
    )
    pod_labels: OwnLabels | None = Field(
        default=None,
        description="Additional labels of the pods. Labels of the ModelService are not copied.",
        examples=[{"team": "flowers"}],
    )
    pod_annotations: OwnAnnotations | None = Field(
        default=None,
        description="Annotations of the pods. Annotations of the ModelService are not copied.",
        examples=[{"example.com/note": "petals"}],
    )
    node_selector: Selector | None = Field(
        default=None, description="Labels that a node must have.", examples=[{"disk": "ssd"}]
    )
    tolerations: list[Toleration] | None = Field(
        default=None,
        max_length=32,
        description="Tolerations of node taints.",
        examples=[[{"key": "nvidia.com/gpu", "operator": "Exists"}]],
        json_schema_extra=ATOMIC,
    )
    affinity: Affinity | None = Field(
        default=None,
        description="Scheduling constraints relative to nodes and to other pods of the namespace (core/v1 Affinity).",
        examples=[
            {
                "podAntiAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname"}]
                }
            }
        ],
    )
    topology_spread_constraints: list[TopologySpread] | None = Field(
        default=None,
        max_length=8,
        description="Spread of the pods over nodes or zones.",
        examples=[
            [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}]
        ],
        json_schema_extra=list_map("topologyKey", "whenUnsatisfiable"),
    )
    priority_class_name: ObjectName | None = Field(
        default=None, description="PriorityClass of the pods.", examples=["serving"]
    )
    runtime_class_name: ObjectName | None = Field(
        default=None, description="RuntimeClass of the pods.", examples=["gvisor"]
    )
    termination_grace_period_seconds: Seconds | None = Field(
        default=None, description="Seconds a pod may take to shut down. Defaults to 30.", examples=[60]
    )
    monitoring: Monitoring | None = Field(
        default=None, description="Monitoring of the model server.", examples=[{"podMonitor": {"enabled": True}}]
    )


class Metadata(ApiModel):
    """Fields of ObjectMeta (metav1) that the operator reads."""

    name: str
    namespace: str
    uid: str
    generation: int = 1

    @property
    def key(self) -> NamespacedName:
        """Namespace and name, which are also those of the children."""
        return NamespacedName(self.namespace, self.name)


class ModelService(ApiModel):
    """Metadata and spec of a ModelService, parsed once per generation."""

    metadata: Metadata
    spec: ModelServiceSpec

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        """Parse an object of the API. Raises InvalidSpecError, which names up to eight invalid fields."""
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            details = "; ".join(f"{_dotted(fault['loc'])}: {fault['msg']}" for fault in error.errors()[:8])
            raise InvalidSpecError(f"The object does not match the schema: {details}.") from error


def _dotted(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)
