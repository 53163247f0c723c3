"""The ModelService resource, version v1alpha1: the single source of the CRD, the parser and the reference.

Field descriptions appear in `kubectl explain`. Defaults here are schema defaults: the API server stores them, so that
they appear in `kubectl get -o yaml`.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError

from modelservice_operator.api.markers import (
    ATOMIC,
    ApiModel,
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
from modelservice_operator.api.v1alpha1.containers import InitContainers, Sidecars
from modelservice_operator.api.v1alpha1.dns import DnsConfig, DnsPolicy, HostAliases
from modelservice_operator.api.v1alpha1.environment import EnvFrom, Environment, LocalReference
from modelservice_operator.api.v1alpha1.exposure import Expose, Monitoring, NetworkPolicyOptions, ServiceOptions
from modelservice_operator.api.v1alpha1.lifecycle import DrainSeconds, Lifecycle
from modelservice_operator.api.v1alpha1.model import ModelSource
from modelservice_operator.api.v1alpha1.pods import (
    Affinity,
    GroupId,
    ResourceClaims,
    ResourceRequirements,
    SchedulerName,
    Toleration,
    TopologySpread,
    UserId,
)
from modelservice_operator.api.v1alpha1.ports import ContainerPorts, PortName
from modelservice_operator.api.v1alpha1.probes import Probes
from modelservice_operator.api.v1alpha1.refused import HostIPC, HostNetwork, HostPID, Privileged
from modelservice_operator.api.v1alpha1.rules import SPEC_RULES
from modelservice_operator.api.v1alpha1.scaling import Autoscaling, DisruptionBudget, RolloutOptions
from modelservice_operator.api.v1alpha1.volumes import Mounts
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
    env: Environment | None = Field(
        default=None,
        description="Environment variables of the model server. The operator adds PORT, MODEL_NAME, MODEL_URI and"
        " MODEL_PATH, and USER, HOME and XDG_CACHE_HOME for images that were built for another user; an own variable"
        " of the name takes precedence.",
        examples=[[{"name": "LOG_LEVEL", "value": "info"}]],
    )
    env_from: EnvFrom | None = Field(
        default=None,
        description="Secrets and ConfigMaps whose keys are environment variables of the model server. env, and the"
        " variables that the operator adds, take precedence: to set HOME from a Secret, use env.",
        examples=[[{"configMapRef": {"name": "iris-settings"}}]],
    )
    container_port: Port = Field(
        default=8080,
        description="Port the server listens on. Also set as the PORT environment variable. Ports below 1024 do not"
        " require root.",
        examples=[5000],
    )
    port_name: PortName | None = Field(
        default=None,
        description="Name of containerPort and of the port of the Service. Defaults to http. Renaming it takes"
        " the replicas of the old name out of the Service before the new ones are ready.",
        examples=["grpc"],
    )
    ports: ContainerPorts | None = Field(
        default=None,
        description="Further ports of the model container, such as gRPC or metrics. The Service and the NetworkPolicy"
        " have them as well.",
        examples=[[{"name": "grpc", "containerPort": 8001}]],
    )
    init_containers: InitContainers | None = Field(
        default=None,
        description="Containers that run one after another before the server starts, with the model in place. To"
        " download a model, use model.uri.",
        examples=[[{"name": "warm-up", "image": "registry.example.com/helper:1.0"}]],
    )
    sidecars: Sidecars | None = Field(
        default=None,
        description="Containers that run next to the server, such as a proxy. They start before everything else, except"
        " that those which mount the model start after it is loaded, and stop after the server.",
        examples=[[{"name": "proxy", "image": "registry.example.com/proxy:1.0"}]],
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
        description="CPU, memory and devices of the model container. Defaults to requests of 500m CPU and 512Mi memory;"
        " {} requests nothing.",
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
        description="Update strategy. Defaults to starting one new replica before stopping an old one.",
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
    mounts: Mounts | None = Field(
        default=None,
        description="Additional volumes of the pods, mounted into the model container. For a larger /dev/shm, mount an"
        " emptyDir with medium Memory there.",
        examples=[[{"name": "labels", "mountPath": "/etc/labels", "configMap": {"name": "labels"}}]],
    )
    service_account_name: ObjectName | None = Field(
        default=None,
        description="ServiceAccount of the pods. Its token is mounted. If not set, no token is mounted.",
        examples=["iris"],
    )
    automount_service_account_token: bool | None = Field(
        default=None,
        description="Mount the token of the ServiceAccount. Defaults to true if serviceAccountName is set.",
        examples=[False],
    )
    writable_root_filesystem: bool | None = Field(
        default=None,
        description="Mount the root filesystem of the model container writable, for images that write next to their"
        " program. Defaults to false: only the directories /tmp and HOME and mounts are writable.",
        examples=[True],
    )
    run_as_user: UserId | None = Field(
        default=None,
        description="UID of the containers, never root. Defaults to 10001.",
        examples=[1000],
    )
    run_as_group: GroupId | None = Field(
        default=None,
        description="GID of the containers. Defaults to runAsUser. Set 0 for images whose files are writable for the"
        " root group, as on OpenShift.",
        examples=[1000],
    )
    fs_group: GroupId | None = Field(
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
        description=(
            "Scheduling constraints relative to nodes and to other pods of the namespace (core/v1 Affinity). A term"
            " without `labelSelector` matches no pods; those of this ModelService have the label"
            " `app.kubernetes.io/instance` with its name."
        ),
        examples=[
            {
                "podAntiAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [
                        {
                            "labelSelector": {"matchLabels": {"app.kubernetes.io/instance": "sentiment"}},
                            "topologyKey": "kubernetes.io/hostname",
                        }
                    ]
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
    scheduler_name: SchedulerName | None = Field(
        default=None, description="Scheduler of the pods. Defaults to that of the cluster.", examples=["volcano"]
    )
    resource_claims: ResourceClaims | None = Field(
        default=None,
        description="Claims of devices for resources.claims (dynamic resource allocation, enabled by default since"
        " Kubernetes 1.34).",
        examples=[[{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]],
    )
    priority_class_name: ObjectName | None = Field(
        default=None, description="PriorityClass of the pods.", examples=["serving"]
    )
    runtime_class_name: ObjectName | None = Field(
        default=None, description="RuntimeClass of the pods.", examples=["gvisor"]
    )
    drain_seconds: DrainSeconds | None = Field(
        default=None,
        description="Seconds between the removal of a pod from the Service and SIGTERM, in which the server answers"
        " requests that are still sent to it. Defaults to 5, less if terminationGracePeriodSeconds is shorter. 0"
        " sends SIGTERM immediately.",
        examples=[15],
    )
    lifecycle: Lifecycle | None = Field(
        default=None,
        description="Hooks of the model container. preStop replaces the drain.",
        examples=[{"preStop": {"httpGet": {"path": "/drain"}}}],
    )
    termination_grace_period_seconds: Seconds | None = Field(
        default=None,
        description="Seconds a pod may take to shut down, including the drain. Defaults to 30 more than drainSeconds.",
        examples=[60],
    )
    host_aliases: HostAliases | None = Field(
        default=None,
        description="Entries of /etc/hosts.",
        examples=[[{"ip": "192.0.2.10", "hostnames": ["models.example.com"]}]],
    )
    dns_policy: DnsPolicy | None = Field(
        default=None, description="DNS policy of the pods. Defaults to ClusterFirst.", examples=["Default"]
    )
    dns_config: DnsConfig | None = Field(
        default=None, description="DNS settings of the pods.", examples=[{"options": [{"name": "ndots", "value": "2"}]}]
    )
    enable_service_links: bool | None = Field(
        default=None,
        description="Add environment variables for each Service of the namespace, as Kubernetes does by default."
        " Defaults to false, because the variables of a Service named like the server change its settings.",
        examples=[True],
    )
    host_network: HostNetwork | None = Field(
        default=None,
        description="Must be false. To reach the model from outside, use service.type or expose.",
        examples=[False],
    )
    host_pid: HostPID | None = Field(default=None, alias="hostPID", description="Must be false.", examples=[False])
    host_ipc: HostIPC | None = Field(
        default=None,
        alias="hostIPC",
        description="Must be false. For shared memory, mount an emptyDir with medium Memory at /dev/shm.",
        examples=[False],
    )
    privileged: Privileged | None = Field(
        default=None, description="Must be false. Request devices in resources.limits.", examples=[False]
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
