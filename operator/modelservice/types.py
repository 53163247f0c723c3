# Generated from operator/modelservice_operator/api by make generate; do not edit.
"""Types of the fields of a ModelService (docs/reference.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from modelservice.fields import Fields

__all__ = [
    "Address",
    "Affinity",
    "Autoscaling",
    "AutoscalingStatus",
    "Behavior",
    "Cache",
    "ClaimCache",
    "ClaimMetadata",
    "ClaimResources",
    "ClaimSpec",
    "ClaimTemplate",
    "ClaimVolume",
    "Condition",
    "ConfigMapMount",
    "ContainerMetric",
    "ContainerMount",
    "ContainerPort",
    "Credentials",
    "CsiMount",
    "DisruptionBudget",
    "DnsConfig",
    "DnsOption",
    "DownwardFile",
    "DownwardMount",
    "EmptyDirMount",
    "EnvFromSource",
    "EnvSource",
    "EnvVar",
    "EphemeralMount",
    "Exec",
    "Expose",
    "ExternalMetric",
    "ExtraModel",
    "ExtraModelStatus",
    "Failure",
    "FieldRequirement",
    "FieldSelector",
    "FileFieldSelector",
    "Grpc",
    "HostAlias",
    "HostPath",
    "HttpGet",
    "HttpHeader",
    "HttpRouteOptions",
    "IngressOptions",
    "IngressPath",
    "IngressRule",
    "IngressTls",
    "InitContainer",
    "IpBlock",
    "KeySelector",
    "KeyToPath",
    "LabelRequirement",
    "LabelSelector",
    "Lifecycle",
    "LifecycleHandler",
    "LoadProgress",
    "Loader",
    "LocalReference",
    "MetricName",
    "MetricSpec",
    "ModelServiceSpec",
    "ModelServiceStatus",
    "ModelSource",
    "ModelStatus",
    "Monitoring",
    "Mount",
    "NetworkPeer",
    "NetworkPolicyOptions",
    "NodeAffinity",
    "NodeRequirement",
    "NodeTerm",
    "NodeTerms",
    "ObjectMetric",
    "ObjectReference",
    "ObjectTarget",
    "OptionalReference",
    "OtherResources",
    "ParentReference",
    "PodAffinity",
    "PodMonitorOptions",
    "PodResourceClaim",
    "PodTerm",
    "PodsMetric",
    "PodsTarget",
    "Policy",
    "PreferredNode",
    "PreferredPod",
    "Probe",
    "Probes",
    "ProjectedDownward",
    "ProjectedMount",
    "ProjectedObject",
    "ProjectedSource",
    "ResourceClaimRequest",
    "ResourceFieldSelector",
    "ResourceMetric",
    "ResourceReference",
    "ResourceRequirements",
    "ResourceTarget",
    "RolloutOptions",
    "RouteTimeouts",
    "ScalingRules",
    "SecretMount",
    "ServiceAccountToken",
    "ServiceOptions",
    "Sidecar",
    "SidecarPort",
    "Sleep",
    "StorageRequests",
    "TcpSocket",
    "Toleration",
    "TopologySpread",
]


@dataclass(kw_only=True)
class LocalReference(Fields):
    """Reference to an object in the same namespace."""

    name: str
    """Name of the object, in the namespace of the ModelService."""


@dataclass(kw_only=True)
class KeySelector(Fields):
    """One key of a Secret or ConfigMap."""

    name: str
    """Name of the object, in the namespace of the ModelService."""
    key: str
    """Key inside the object."""
    optional: bool | None = None
    """Start the container even if the object or key does not exist."""


@dataclass(kw_only=True)
class FieldSelector(Fields):
    """A field of the pod."""

    api_version: Literal["v1"] | None = None
    """API version of the pod. Defaults to v1."""
    field_path: str
    """Path of the field (downward API)."""


@dataclass(kw_only=True)
class ResourceFieldSelector(Fields):
    """A request or limit of a container."""

    container_name: str | None = None
    """Container with the request or limit. Defaults to this container; in a volume, to the model container."""
    resource: Literal[
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "limits.hugepages-2Mi",
        "limits.hugepages-1Gi",
        "requests.cpu",
        "requests.memory",
        "requests.ephemeral-storage",
        "requests.hugepages-2Mi",
        "requests.hugepages-1Gi",
    ]
    """Request or limit."""
    divisor: (
        Literal["0", "1", "1m", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"] | None
    ) = None
    """Unit of the value. Defaults to 1."""


@dataclass(kw_only=True)
class EnvSource(Fields):
    """Source of the value of an environment variable."""

    secret_key_ref: KeySelector | None = None
    """A key of a Secret."""
    config_map_key_ref: KeySelector | None = None
    """A key of a ConfigMap."""
    field_ref: FieldSelector | None = None
    """A field of the pod."""
    resource_field_ref: ResourceFieldSelector | None = None
    """A request or limit of a container."""


@dataclass(kw_only=True)
class EnvVar(Fields):
    """One environment variable of a container."""

    name: str
    """Name of the variable."""
    value: str | None = None
    """Value. As in a pod, $(VAR) is replaced by the value of a variable that is defined before; $$ is a literal $,
    so write $$(VAR) for a literal $(VAR).
    """
    value_from: EnvSource | None = None
    """Source of the value, such as a key of a Secret."""


@dataclass(kw_only=True)
class OptionalReference(Fields):
    """Reference to an object in the same namespace, which may be missing."""

    name: str
    """Name of the object, in the namespace of the ModelService."""
    optional: bool | None = None
    """Start the container even if the object does not exist."""


@dataclass(kw_only=True)
class EnvFromSource(Fields):
    """All keys of a Secret or ConfigMap as environment variables."""

    prefix: str | None = None
    """Text before the name of each variable."""
    secret_ref: OptionalReference | None = None
    """Use all keys of a Secret."""
    config_map_ref: OptionalReference | None = None
    """Use all keys of a ConfigMap."""


@dataclass(kw_only=True)
class ContainerPort(Fields):
    """A further port of the model container, which the Service offers as well."""

    name: str
    """Name of the port, of the container and of the Service."""
    container_port: int
    """Port that the server listens on."""
    service_port: int | None = None
    """Port of the Service. Defaults to containerPort. Ignored for headless Services."""
    protocol: Literal["TCP", "UDP"] | None = None
    """Transport protocol. Defaults to TCP."""
    app_protocol: str | None = None
    """Application protocol of the port, for proxies and load balancers."""
    node_port: int | None = None
    """Port of every node, for a Service of type NodePort or LoadBalancer. Assigned by Kubernetes if not set."""


@dataclass(kw_only=True)
class OtherResources(Fields):
    """CPU and memory of a container other than the model container.

    The policy in manifests/components/policies/resources.yaml has the rules that compare quantities: they would exceed
    the limit for the estimated cost of a schema before Kubernetes 1.34.
    """

    requests: dict[str, int | str] | None = None
    """Minimum amounts, reserved by the scheduler."""
    limits: dict[str, int | str] | None = None
    """Maximum amounts that the container may use."""


@dataclass(kw_only=True)
class ContainerMount(Fields):
    """A volume of the pod in this container."""

    name: str
    """Name of a volume: a name in spec.mounts, or model, tmp or home."""
    mount_path: str
    """Path of the volume in the container."""
    sub_path: str | None = None
    """Directory or file in the volume. Defaults to the root of the volume."""
    read_only: bool | None = None
    """Mount the volume read-only."""


@dataclass(kw_only=True)
class InitContainer(Fields):
    """A container that runs to completion before the server starts, with the model in place."""

    name: str
    """Name of the container."""
    image: str
    """Image of the container. Its ENTRYPOINT is used unless command is set."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """Image pull policy. Defaults to Always for the tag latest, otherwise IfNotPresent."""
    command: list[str] | None = None
    """Replaces the image's ENTRYPOINT, run without a shell. $(VAR) is expanded by Kubernetes."""
    args: list[str] | None = None
    """Replaces the image's CMD. $(VAR) is expanded by Kubernetes."""
    working_dir: str | None = None
    """Working directory. Defaults to that of the image."""
    env: list[EnvVar] | None = None
    """Environment variables of the container. USER, HOME and XDG_CACHE_HOME are as in the model container."""
    env_from: list[EnvFromSource] | None = None
    """Secrets and ConfigMaps whose keys are environment variables of the container."""
    resources: OtherResources | None = None
    """CPU and memory of the container. Defaults to none."""
    mounts: list[ContainerMount] | None = None
    """Volumes of the pod in this container. /tmp and HOME are mounted unless a volume is mounted there."""


@dataclass(kw_only=True)
class SidecarPort(Fields):
    """A port of a sidecar, for its probes and for other pods. The Service does not offer it."""

    name: str
    """Name of the port."""
    container_port: int
    """Port that the sidecar listens on."""


@dataclass(kw_only=True)
class HttpHeader(Fields):
    """An HTTP header of the probe request."""

    name: str
    """Name of the header."""
    value: str
    """Value of the header."""


@dataclass(kw_only=True)
class HttpGet(Fields):
    """An HTTP GET request; status 200 to 399 is success."""

    path: str | None = None
    """Path of the request. Defaults to /."""
    port: int | str | None = None
    """Port to connect to, by number or name. Defaults to containerPort."""
    scheme: Literal["HTTP", "HTTPS"] | None = None
    """HTTP, or HTTPS without verification of the certificate. Defaults to HTTP."""
    http_headers: list[HttpHeader] | None = None
    """Headers of the request."""


@dataclass(kw_only=True)
class TcpSocket(Fields):
    """A TCP connection; success if it can be opened."""

    port: int | str | None = None
    """Port to connect to, by number or name. Defaults to containerPort."""


@dataclass(kw_only=True)
class Grpc(Fields):
    """A request of the gRPC health checking protocol."""

    port: int | None = None
    """Port to connect to. Defaults to containerPort."""
    service: str | None = None
    """Service name in the health check request."""


@dataclass(kw_only=True)
class Exec(Fields):
    """A command in the container; exit code 0 is success."""

    command: list[str]
    """Command and arguments, run without a shell."""


@dataclass(kw_only=True)
class Probe(Fields):
    """Probe of the container. Without an action, a TCP connection to spec.containerPort is opened."""

    http_get: HttpGet | None = None
    """Send an HTTP GET request; status 200 to 399 is success."""
    tcp_socket: TcpSocket | None = None
    """Open a TCP connection."""
    grpc: Grpc | None = None
    """Use the gRPC health checking protocol."""
    exec: Exec | None = None
    """Run a command in the container; exit code 0 is success."""
    initial_delay_seconds: int | None = None
    """Seconds before the first probe. Defaults to 0."""
    period_seconds: int | None = None
    """Seconds between probes. Defaults to 10."""
    timeout_seconds: int | None = None
    """Seconds after which a probe times out. Defaults to 1."""
    failure_threshold: int | None = None
    """Consecutive failures after which the probe counts as failed. Defaults to 3."""
    success_threshold: int | None = None
    """Consecutive successes after which the probe counts as successful. Defaults to 1."""


@dataclass(kw_only=True)
class Probes(Fields):
    """Health checks of the model container."""

    readiness: Probe | None = None
    """Check whether the server can receive requests. Defaults to a TCP connection to containerPort."""
    liveness: Probe | None = None
    """Check whether the container must be restarted. If not set, it is never restarted by a probe, because a server
    that is still loading its model would be killed.
    """
    startup: Probe | None = None
    """Check whether the server has started; the other probes begin afterwards. Defaults to a TCP connection to
    containerPort within 30 minutes.
    """


@dataclass(kw_only=True)
class Sleep(Fields):
    """A pause (KEP-3960)."""

    seconds: int
    """Seconds to wait."""


@dataclass(kw_only=True)
class LifecycleHandler(Fields):
    """An action at the start or the end of a container."""

    exec: Exec | None = None
    """Run a command in the container."""
    http_get: HttpGet | None = None
    """Send an HTTP GET request."""
    sleep: Sleep | None = None
    """Wait."""


@dataclass(kw_only=True)
class Lifecycle(Fields):
    """Hooks of a container."""

    post_start: LifecycleHandler | None = None
    """Action after the start of the container, at the same time as its ENTRYPOINT."""
    pre_stop: LifecycleHandler | None = None
    """Action before the container gets SIGTERM."""


@dataclass(kw_only=True)
class Sidecar(Fields):
    """A container that runs next to the model container (native sidecar, KEP-753)."""

    name: str
    """Name of the container."""
    image: str
    """Image of the container. Its ENTRYPOINT is used unless command is set."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """Image pull policy. Defaults to Always for the tag latest, otherwise IfNotPresent."""
    command: list[str] | None = None
    """Replaces the image's ENTRYPOINT, run without a shell. $(VAR) is expanded by Kubernetes."""
    args: list[str] | None = None
    """Replaces the image's CMD. $(VAR) is expanded by Kubernetes."""
    working_dir: str | None = None
    """Working directory. Defaults to that of the image."""
    env: list[EnvVar] | None = None
    """Environment variables of the container. USER, HOME and XDG_CACHE_HOME are as in the model container."""
    env_from: list[EnvFromSource] | None = None
    """Secrets and ConfigMaps whose keys are environment variables of the container."""
    resources: OtherResources | None = None
    """CPU and memory of the container. Defaults to none."""
    mounts: list[ContainerMount] | None = None
    """Volumes of the pod in this container. /tmp and HOME are mounted unless a volume is mounted there."""
    ports: list[SidecarPort] | None = None
    """Ports of the sidecar. The first is the default of its probes."""
    probes: Probes | None = None
    """Health checks of the sidecar. Defaults to none. The containers after it start once its startup probe
    succeeds.
    """
    lifecycle: Lifecycle | None = None
    """Hooks of the sidecar. It is stopped after the model container."""


@dataclass(kw_only=True)
class Credentials(Fields):
    """Credentials for the model store."""

    secret_ref: LocalReference
    """Secret whose keys are settings of the store (AWS_*, GOOGLE_*, AZURE_*, HF_TOKEN, MLFLOW_*). It is mounted
    into the loader only.
    """


@dataclass(kw_only=True)
class Loader(Fields):
    """The init container that downloads the model."""

    image: str | None = None
    """Image of the loader. Defaults to the image configured for the operator."""
    resources: OtherResources | None = None
    """CPU and memory of the loader container."""
    allow_patterns: list[str] | None = None
    """Download only files that match one of these patterns."""
    ignore_patterns: list[str] | None = None
    """Skip files that match one of these patterns."""
    timeout_seconds: int | None = None
    """Maximum seconds for the download. Defaults to the operator's setting."""
    extract: bool | None = None
    """Unpack the archive that the URI names."""


@dataclass(kw_only=True)
class EmptyDirMount(Fields):
    """An empty directory with the lifetime of the pod."""

    medium: str | None = None
    """Memory stores the directory in RAM, which counts towards the memory limit. HugePages-SIZE requires hugepages
    in resources.
    """
    size_limit: int | str | None = None
    """Maximum size; a pod that exceeds it is evicted."""


@dataclass(kw_only=True)
class ClaimCache(Fields):
    """A directory of a PersistentVolumeClaim, shared by all replicas."""

    claim_name: str
    """Name of the claim, in the namespace of the ModelService."""
    sub_path: str | None = None
    """Directory in the volume. Defaults to its root."""


@dataclass(kw_only=True)
class Cache(Fields):
    """Storage of the downloaded model."""

    empty_dir: EmptyDirMount | None = None
    """An emptyDir volume: each replica downloads the model."""
    persistent_volume_claim: ClaimCache | None = None
    """A PersistentVolumeClaim: the model is downloaded once."""


@dataclass(kw_only=True)
class ExtraModel(Fields):
    """A model or adapter in addition to the model. It is downloaded before the server starts."""

    name: str
    """Name of the extra model. Its loader is the init container model-loader-NAME."""
    uri: str
    """Location of the extra model: s3, gs, az, abfs, https, hf (Hugging Face), models and runs (MLflow) and
    oci+artifact.
    """
    path: str | None = None
    """Path of the extra model in the container. Defaults to /mnt/models-extra/NAME."""
    revision: str | None = None
    """Commit or branch of a model hub, or version of an object. Defaults to the latest."""
    sha256: str | None = None
    """SHA-256 digest to verify the extra model against. If not set, it is not verified."""
    credentials: Credentials | None = None
    """Credentials for the store of the extra model. Those of the model do not apply."""


@dataclass(kw_only=True)
class ModelSource(Fields):
    """Model that the server loads."""

    uri: str | None = None
    """Location of the model. Models at s3, gs, az, abfs, https, hf (Hugging Face), models and runs (MLflow) and
    oci+artifact are downloaded before the server starts; oci (an image) and pvc (a claim) are mounted;
    file:///path is a file of the server's image, in which %XX is not decoded.
    """
    name: str | None = None
    """Name of the model in the server, passed to it as MODEL_NAME. Defaults to the name of the ModelService."""
    revision: str | None = None
    """Commit or branch of a model hub, or version of an object. Defaults to the latest."""
    path: str | None = None
    """Path of the model in the container, passed to the server as MODEL_PATH. With a file:// URI, MODEL_PATH is the
    path of the URI. Defaults to /mnt/models.
    """
    credentials: Credentials | None = None
    """Credentials for the model store. They take precedence over the identity of serviceAccountName; without
    either, access is anonymous.
    """
    sha256: str | None = None
    """SHA-256 digest to verify the downloaded model against. If not set, it is not verified."""
    loader: Loader | None = None
    """Options of the init container that downloads the model."""
    cache: Cache | None = None
    """Storage of the downloaded model. Defaults to an emptyDir volume of at most 10Gi."""
    extra: list[ExtraModel] | None = None
    """Further models or adapters. Of loader, only image, resources and timeoutSeconds apply to them. updatePolicy
    does not.
    """
    update_policy: Literal["OnSpecChange", "Auto", "Never"] | None = None
    """Update policy: look for a new version of the model when the spec changes (OnSpecChange), also periodically
    (Auto), or never (Never). Defaults to OnSpecChange.
    """
    refresh_interval_seconds: int | None = None
    """Seconds between checks for a new version with updatePolicy Auto. Defaults to the operator's setting."""


@dataclass(kw_only=True)
class ResourceTarget(Fields):
    """Target: a percentage of the requests, or a value per pod."""

    type: Literal["Utilization", "AverageValue"]
    """Type, which names the field to set."""
    average_value: int | str | None = None
    """Target value per pod."""
    average_utilization: int | None = None
    """Target percentage of the requests of the pods."""


@dataclass(kw_only=True)
class ResourceMetric(Fields):
    """CPU or memory of whole pods."""

    name: Literal["cpu", "memory"]
    """Name of the resource."""
    target: ResourceTarget
    """Target of the metric."""


@dataclass(kw_only=True)
class ContainerMetric(Fields):
    """CPU or memory of one container."""

    name: Literal["cpu", "memory"]
    """Name of the resource."""
    target: ResourceTarget
    """Target of the metric."""
    container: str
    """Name of the container. The model server is named model."""


@dataclass(kw_only=True)
class LabelRequirement(Fields):
    """Requirement on a label."""

    key: str
    """Key of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """Comparison operator."""
    values: list[str] | None = None
    """Values to compare with. Must be empty for Exists and DoesNotExist."""


@dataclass(kw_only=True)
class LabelSelector(Fields):
    """Label selector; all requirements must be met."""

    match_labels: dict[str, str] | None = None
    """Required labels and their values."""
    match_expressions: list[LabelRequirement] | None = None
    """Requirements on labels."""


@dataclass(kw_only=True)
class MetricName(Fields):
    """Metric, identified by name and selector."""

    name: str
    """Name of the metric."""
    selector: LabelSelector | None = None
    """Selector of the time series."""


@dataclass(kw_only=True)
class PodsTarget(Fields):
    """Target value per pod."""

    type: Literal["AverageValue"]
    """Type, which names the field to set."""
    average_value: int | str
    """Target value per pod."""


@dataclass(kw_only=True)
class PodsMetric(Fields):
    """A metric of each pod."""

    metric: MetricName
    """Metric to use."""
    target: PodsTarget
    """Target of the metric."""


@dataclass(kw_only=True)
class ObjectTarget(Fields):
    """Target: a total value, or a value per pod."""

    type: Literal["Value", "AverageValue"]
    """Type, which names the field to set."""
    value: int | str | None = None
    """Target value of the metric."""
    average_value: int | str | None = None
    """Target value per pod."""


@dataclass(kw_only=True)
class ObjectReference(Fields):
    """An object of the same namespace."""

    api_version: str | None = None
    """API group and version."""
    kind: str
    """Kind of the object."""
    name: str
    """Name of the object, in the namespace of the ModelService."""


@dataclass(kw_only=True)
class ObjectMetric(Fields):
    """A metric of another object."""

    metric: MetricName
    """Metric to use."""
    target: ObjectTarget
    """Target of the metric."""
    described_object: ObjectReference
    """Object that the metric describes."""


@dataclass(kw_only=True)
class ExternalMetric(Fields):
    """A metric from outside the cluster."""

    metric: MetricName
    """Metric to use."""
    target: ObjectTarget
    """Target of the metric."""


@dataclass(kw_only=True)
class MetricSpec(Fields):
    """A metric of an autoscaler (autoscaling/v2 MetricSpec)."""

    type: Literal["Resource", "ContainerResource", "Pods", "Object", "External"]
    """Type, which names the field to set."""
    resource: ResourceMetric | None = None
    """CPU or memory of whole pods."""
    container_resource: ContainerMetric | None = None
    """CPU or memory of one container."""
    pods: PodsMetric | None = None
    """A metric of each pod."""
    object: ObjectMetric | None = None
    """A metric of another object of the namespace."""
    external: ExternalMetric | None = None
    """A metric from outside the cluster."""


@dataclass(kw_only=True)
class Policy(Fields):
    """Limit for the rate of change."""

    type: Literal["Pods", "Percent"]
    """Unit of value: pods, or percent of the current replicas."""
    value: int
    """Maximum change within the period."""
    period_seconds: int
    """Length of the period in seconds."""


@dataclass(kw_only=True)
class ScalingRules(Fields):
    """Scaling rules for one direction."""

    stabilization_window_seconds: int | None = None
    """Seconds of past recommendations to consider, to avoid flapping."""
    select_policy: Literal["Max", "Min", "Disabled"] | None = None
    """Policy to use: the largest change (Max), the smallest change (Min), or no scaling (Disabled)."""
    policies: list[Policy] | None = None
    """Limits for the rate of change."""
    tolerance: int | str | None = None
    """Deviation from the target that is tolerated, as a fraction."""


@dataclass(kw_only=True)
class Behavior(Fields):
    """Scaling behavior (autoscaling/v2 HorizontalPodAutoscalerBehavior)."""

    scale_up: ScalingRules | None = None
    """Rules for scaling up."""
    scale_down: ScalingRules | None = None
    """Rules for scaling down."""


@dataclass(kw_only=True)
class Autoscaling(Fields):
    """Scaling with the load, by a HorizontalPodAutoscaler of the operator or an external autoscaler."""

    API_NAMES: ClassVar[Mapping[str, str]] = {"target_cpu_utilization_percentage": "targetCPUUtilizationPercentage"}

    managed_by: Literal["Operator", "External"] | None = None
    """External: do not create a HorizontalPodAutoscaler and never set replicas. Use this with KEDA or your own
    autoscaler. Defaults to Operator.
    """
    min_replicas: int | None = None
    """Minimum number of replicas. Defaults to spec.replicas. 0 requires an External or Object metric."""
    max_replicas: int | None = None
    """Maximum number of replicas."""
    target_cpu_utilization_percentage: int | None = None
    """Target for the average CPU utilization of the model container, as a percentage of its CPU request. Defaults
    to 80 if no other metric is set.
    """
    target_memory_utilization_percentage: int | None = None
    """Target for the average memory utilization of the model container, as a percentage of its memory request."""
    metrics: list[MetricSpec] | None = None
    """Additional metrics (autoscaling/v2 MetricSpec). The metric that requires the most replicas decides."""
    behavior: Behavior | None = None
    """Scaling behavior (autoscaling/v2 HorizontalPodAutoscalerBehavior)."""


@dataclass(kw_only=True)
class ResourceClaimRequest(Fields):
    """A device of a resource claim that the container uses (core/v1 ResourceClaim)."""

    name: str
    """Name in spec.resourceClaims."""
    request: str | None = None
    """Request in the claim whose devices are used. Defaults to all."""


@dataclass(kw_only=True)
class ResourceRequirements(Fields):
    """CPU, memory and devices of the model container."""

    requests: dict[str, int | str] | None = None
    """Minimum amounts, reserved by the scheduler."""
    limits: dict[str, int | str] | None = None
    """Maximum amounts that the container may use."""
    claims: list[ResourceClaimRequest] | None = None
    """Devices of spec.resourceClaims that the container uses (dynamic resource allocation, enabled by default since
    Kubernetes 1.34).
    """


@dataclass(kw_only=True)
class ServiceOptions(Fields):
    """The Service of the replicas."""

    name: str | None = None
    """Name of the Service, and with it its DNS name. Defaults to the name of the ModelService. A Service of another
    owner is never taken over.
    """
    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "Headless"] | None = None
    """Type of the Service. Headless has no cluster IP: its DNS name resolves to the addresses of the pods. Defaults
    to ClusterIP.
    """
    port: int | None = None
    """Port of the Service. Ignored for headless Services, which use containerPort. Defaults to 80."""
    node_port: int | None = None
    """Port of every node that leads to port. Assigned by Kubernetes if not set."""
    labels: dict[str, str] | None = None
    """Additional labels of the Service, such as those that a ServiceMonitor selects."""
    annotations: dict[str, str] | None = None
    """Annotations of the Service, for load balancer controllers."""
    load_balancer_class: str | None = None
    """Class of the load balancer implementation. Changing it re-creates the Service."""
    external_traffic_policy: Literal["Cluster", "Local"] | None = None
    """Local routes external traffic only to pods on the receiving node and preserves the client's IP address."""
    internal_traffic_policy: Literal["Cluster", "Local"] | None = None
    """Local routes traffic from a pod only to replicas on the node of the pod. Defaults to Cluster."""
    traffic_distribution: Literal["PreferClose", "PreferSameZone", "PreferSameNode"] | None = None
    """Prefer replicas in the zone or on the node of the client. PreferSameZone and PreferSameNode require
    Kubernetes 1.34.
    """
    load_balancer_source_ranges: list[str] | None = None
    """Address ranges of the clients that the load balancer admits, if it supports this. Defaults to all."""
    session_affinity: Literal["None", "ClientIP"] | None = None
    """ClientIP routes all connections of a client to the same replica."""
    session_affinity_timeout_seconds: int | None = None
    """Seconds without a request after which a client may reach another replica. Defaults to 10800."""
    ip_family_policy: Literal["SingleStack", "PreferDualStack", "RequireDualStack"] | None = None
    """Use of IPv4 and IPv6 addresses by the Service. Defaults to SingleStack; removing it later keeps the last
    value.
    """
    ip_families: list[Literal["IPv4", "IPv6"]] | None = None
    """IP families of the Service, the primary one first. Defaults to those of the cluster. Changing the primary one
    re-creates the Service, unless it is headless.
    """
    publish_not_ready_addresses: bool | None = None
    """Also send requests to replicas that are not ready. Defaults to false."""
    app_protocol: str | None = None
    """Application protocol of the server, for proxies and load balancers."""


@dataclass(kw_only=True)
class IngressPath(Fields):
    """A path of an Ingress, and the port that receives its requests."""

    path: str | None = None
    """Path routed to the model. A regular expression is possible with pathType ImplementationSpecific, if the
    Ingress controller supports it. Defaults to /.
    """
    path_type: Literal["Prefix", "Exact", "ImplementationSpecific"] | None = None
    """Comparison of path (networking.k8s.io/v1). Defaults to Prefix."""
    port: str | None = None
    """Name of the port: portName, or one in ports. Defaults to portName."""


@dataclass(kw_only=True)
class IngressRule(Fields):
    """Paths of one host."""

    host: str | None = None
    """Host name. Defaults to every host."""
    paths: list[IngressPath]
    """Paths routed to the model."""


@dataclass(kw_only=True)
class IngressTls(Fields):
    """A certificate of an Ingress."""

    hosts: list[str] | None = None
    """Host names that the certificate is for. Defaults to every host."""
    secret_name: str | None = None
    """Secret with the certificate, in the namespace of the ModelService. Defaults to the certificate of the Ingress
    controller.
    """


@dataclass(kw_only=True)
class IngressOptions(Fields):
    """An Ingress for the Service: one host and path, or rules for several."""

    host: str | None = None
    """Host name of the model. Defaults to every host: the model is reached by the address of the Ingress
    controller.
    """
    class_name: str | None = None
    """IngressClass of the Ingress. Defaults to the default class of the cluster."""
    path: str | None = None
    """Path routed to the model. A regular expression is possible with pathType ImplementationSpecific, if the
    Ingress controller supports it. Defaults to /.
    """
    path_type: Literal["Prefix", "Exact", "ImplementationSpecific"] | None = None
    """Comparison of path (networking.k8s.io/v1). Defaults to Prefix."""
    port: str | None = None
    """Name of the port that receives the requests: portName, or one in ports. Defaults to portName."""
    rules: list[IngressRule] | None = None
    """Several hosts or paths, instead of host, path, pathType and port."""
    tls_secret_name: str | None = None
    """Secret with the certificate of all hosts, in the namespace of the ModelService."""
    tls: list[IngressTls] | None = None
    """Certificates of several hosts, instead of tlsSecretName."""
    labels: dict[str, str] | None = None
    """Additional labels of the Ingress."""
    annotations: dict[str, str] | None = None
    """Annotations of the Ingress, for its controller."""


@dataclass(kw_only=True)
class ParentReference(Fields):
    """A Gateway. One of another namespace must admit the route by its allowedRoutes."""

    name: str
    """Name of the Gateway."""
    namespace: str | None = None
    """Namespace of the Gateway. Defaults to that of the ModelService."""
    section_name: str | None = None
    """Listener of the Gateway."""
    port: int | None = None
    """Port of the listeners of the Gateway."""


@dataclass(kw_only=True)
class RouteTimeouts(Fields):
    """Timeouts of an HTTPRoute."""

    request: str | None = None
    """Time for a whole request; 0s disables it. Defaults to that of the Gateway."""


@dataclass(kw_only=True)
class HttpRouteOptions(Fields):
    """An HTTPRoute of the Gateway API."""

    parent_refs: list[ParentReference]
    """Gateways that the route attaches to."""
    hostnames: list[str] | None = None
    """Host names of the route. Defaults to those of the Gateway."""
    path: str | None = None
    """Path prefix routed to the model. Defaults to /."""
    port: str | None = None
    """Name of the port that receives the requests: portName, or one in ports. Defaults to portName."""
    timeouts: RouteTimeouts | None = None
    """Timeouts of the route."""
    annotations: dict[str, str] | None = None
    """Annotations of the HTTPRoute, for the controllers of Gateways and DNS."""


@dataclass(kw_only=True)
class Expose(Fields):
    """Access to the model from outside the cluster."""

    ingress: IngressOptions | None = None
    """Create an Ingress; {} is one for every host."""
    http_route: HttpRouteOptions | None = None
    """Create an HTTPRoute (Gateway API)."""


@dataclass(kw_only=True)
class RolloutOptions(Fields):
    """Update strategy."""

    type: Literal["RollingUpdate", "Recreate"] | None = None
    """RollingUpdate replaces replicas one after another. Recreate stops all replicas first, so that the model is
    unavailable during the rollout: for devices and claims that two revisions cannot share. Defaults to
    RollingUpdate.
    """
    max_surge: int | str | None = None
    """Maximum number or percentage of replicas above the desired count during a rollout. Defaults to 1."""
    max_unavailable: int | str | None = None
    """Maximum number or percentage of unavailable replicas during a rollout. Defaults to 0."""
    min_ready_seconds: int | None = None
    """Seconds a replica must be ready before it counts as available. Defaults to 0."""
    progress_deadline_seconds: int | None = None
    """Seconds without progress after which a rollout counts as failed. Defaults to five minutes more than the
    maximum startup time of the server. If probes.startup is not set, the server must start within this time.
    """
    revision_history_limit: int | None = None
    """Number of old revisions to retain. Defaults to 3."""


@dataclass(kw_only=True)
class DisruptionBudget(Fields):
    """Limits for evictions, such as node drains. Created only if there are always at least two replicas."""

    min_available: int | str | None = None
    """Minimum number or percentage of replicas that must stay available."""
    max_unavailable: int | str | None = None
    """Maximum number or percentage of replicas that may be evicted at the same time."""


@dataclass(kw_only=True)
class IpBlock(Fields):
    """An address range."""

    cidr: str
    """Address range in CIDR notation."""


@dataclass(kw_only=True)
class NetworkPeer(Fields):
    """Allowed source of requests. If both selectors are set, both must match."""

    pod_labels: dict[str, str] | None = None
    """Pods with all of these labels."""
    namespace_labels: dict[str, str] | None = None
    """Namespaces with all of these labels. Defaults to the namespace of the ModelService."""
    ip_block: IpBlock | None = None
    """Address range of the clients."""


@dataclass(kw_only=True)
class NetworkPolicyOptions(Fields):
    """A NetworkPolicy that restricts who can reach the model."""

    API_NAMES: ClassVar[Mapping[str, str]] = {"sources": "from"}

    enabled: bool | None = None
    """Create a NetworkPolicy. Defaults to false."""
    sources: list[NetworkPeer] | None = None
    """Allowed sources of requests to containerPort and ports. Defaults to all pods of the namespace."""


@dataclass(kw_only=True)
class KeyToPath(Fields):
    """A key of a Secret or ConfigMap, and the file for it."""

    key: str
    """Key inside the object."""
    path: str
    """File in the volume."""
    mode: int | None = None
    """Permissions of the file. Defaults to defaultMode."""


@dataclass(kw_only=True)
class ConfigMapMount(Fields):
    """A ConfigMap, mounted as files."""

    name: str
    """Name of the ConfigMap, in the namespace of the ModelService."""
    items: list[KeyToPath] | None = None
    """Keys to mount and their files. Defaults to all keys."""
    optional: bool | None = None
    """Start the container even if the object or a key in items does not exist."""
    default_mode: int | None = None
    """Permissions of the files, as 0644 or 420. Defaults to 0644."""


@dataclass(kw_only=True)
class SecretMount(Fields):
    """A Secret, mounted as files."""

    name: str
    """Name of the Secret, in the namespace of the ModelService."""
    items: list[KeyToPath] | None = None
    """Keys to mount and their files. Defaults to all keys."""
    optional: bool | None = None
    """Start the container even if the object or a key in items does not exist."""
    default_mode: int | None = None
    """Permissions of the files, as 0644 or 420. Defaults to 0644."""


@dataclass(kw_only=True)
class ClaimVolume(Fields):
    """A PersistentVolumeClaim, mounted as a volume."""

    claim_name: str
    """Name of the claim, in the namespace of the ModelService."""
    read_only: bool | None = None
    """Attach the volume read-only, for every container."""


@dataclass(kw_only=True)
class CsiMount(Fields):
    """An inline volume of a CSI driver, which mounts it without a claim."""

    driver: str
    """Name of the CSI driver. It must support ephemeral volumes."""
    read_only: bool | None = None
    """Mount the volume read-only."""
    fs_type: str | None = None
    """Filesystem type. Defaults to that of the driver."""
    volume_attributes: dict[str, str] | None = None
    """Settings for the driver."""
    node_publish_secret_ref: LocalReference | None = None
    """Secret with credentials for the driver."""


@dataclass(kw_only=True)
class ClaimMetadata(Fields):
    """Metadata of a claim."""

    labels: dict[str, str] | None = None
    """Labels of the claim."""
    annotations: dict[str, str] | None = None
    """Annotations of the claim."""


@dataclass(kw_only=True)
class StorageRequests(Fields):
    """Requested amounts of a claim."""

    storage: int | str
    """Size of the volume."""


@dataclass(kw_only=True)
class ClaimResources(Fields):
    """Resources of a claim."""

    requests: StorageRequests
    """Requested amounts."""


@dataclass(kw_only=True)
class ClaimSpec(Fields):
    """Specification of a claim."""

    access_modes: list[Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]]
    """Ways in which the volume may be mounted."""
    storage_class_name: str | None = None
    """StorageClass. Defaults to that of the cluster."""
    resources: ClaimResources
    """Resources of the volume."""
    volume_mode: Literal["Filesystem"] | None = None
    """Kind of the volume: always a file system."""


@dataclass(kw_only=True)
class ClaimTemplate(Fields):
    """Template of a claim that each pod gets."""

    metadata: ClaimMetadata | None = None
    """Metadata of the claim."""
    spec: ClaimSpec
    """Specification of the claim."""


@dataclass(kw_only=True)
class EphemeralMount(Fields):
    """A claim of each pod, deleted with it."""

    volume_claim_template: ClaimTemplate
    """Template of the claim."""


@dataclass(kw_only=True)
class ProjectedObject(Fields):
    """A Secret or ConfigMap in a projected volume."""

    name: str
    """Name of the object, in the namespace of the ModelService."""
    items: list[KeyToPath] | None = None
    """Keys to mount and their files. Defaults to all keys."""
    optional: bool | None = None
    """Start the container even if the object or a key in items does not exist."""


@dataclass(kw_only=True)
class FileFieldSelector(Fields):
    """A field of the pod."""

    api_version: Literal["v1"] | None = None
    """API version of the pod. Defaults to v1."""
    field_path: str
    """Path of the field (downward API)."""


@dataclass(kw_only=True)
class DownwardFile(Fields):
    """A file with a field of the pod."""

    path: str
    """File in the volume."""
    field_ref: FileFieldSelector | None = None
    """A field of the pod."""
    resource_field_ref: ResourceFieldSelector | None = None
    """A request or limit of a container."""
    mode: int | None = None
    """Permissions of the file. Defaults to defaultMode."""


@dataclass(kw_only=True)
class ProjectedDownward(Fields):
    """Fields of the pod in a projected volume."""

    items: list[DownwardFile]
    """Files."""


@dataclass(kw_only=True)
class ServiceAccountToken(Fields):
    """A token of the ServiceAccount of the pod, renewed by the kubelet."""

    path: str
    """File in the volume."""
    audience: str | None = None
    """Audience of the token. Defaults to the API server."""
    expiration_seconds: int | None = None
    """Lifetime of a token in seconds. Defaults to 3600."""


@dataclass(kw_only=True)
class ProjectedSource(Fields):
    """One source of a projected volume."""

    API_NAMES: ClassVar[Mapping[str, str]] = {"downward_api": "downwardAPI"}

    config_map: ProjectedObject | None = None
    """Files of a ConfigMap."""
    secret: ProjectedObject | None = None
    """Files of a Secret."""
    downward_api: ProjectedDownward | None = None
    """Fields of the pod."""
    service_account_token: ServiceAccountToken | None = None
    """A token of the ServiceAccount."""


@dataclass(kw_only=True)
class ProjectedMount(Fields):
    """Several sources in one directory."""

    sources: list[ProjectedSource]
    """Sources of the files."""
    default_mode: int | None = None
    """Permissions of the files, as 0644 or 420. Defaults to 0644."""


@dataclass(kw_only=True)
class DownwardMount(Fields):
    """Fields of the pod, mounted as files (downward API)."""

    items: list[DownwardFile] | None = None
    """Files."""
    default_mode: int | None = None
    """Permissions of the files, as 0644 or 420. Defaults to 0644."""


@dataclass(kw_only=True)
class HostPath(Fields):
    """A path of the node. Always refused."""

    path: str | None = None
    """Path of the node."""
    type: str | None = None
    """Kind of the path."""


@dataclass(kw_only=True)
class Mount(Fields):
    """A volume mounted into the model container."""

    API_NAMES: ClassVar[Mapping[str, str]] = {"downward_api": "downwardAPI"}

    name: str
    """Name of the volume."""
    mount_path: str
    """Path of the volume in the container. A volume at /tmp replaces the operator's."""
    sub_path: str | None = None
    """Directory or file in the volume. Defaults to the root of the volume."""
    read_only: bool | None = None
    """Mount the volume read-only."""
    config_map: ConfigMapMount | None = None
    """Mount a ConfigMap."""
    secret: SecretMount | None = None
    """Mount a Secret."""
    persistent_volume_claim: ClaimVolume | None = None
    """Mount a PersistentVolumeClaim."""
    empty_dir: EmptyDirMount | None = None
    """Mount an empty directory."""
    csi: CsiMount | None = None
    """Mount a volume of a CSI driver, such as a bucket."""
    ephemeral: EphemeralMount | None = None
    """Mount a claim that each pod gets, such as a fast local disk."""
    projected: ProjectedMount | None = None
    """Mount several sources in one directory."""
    downward_api: DownwardMount | None = None
    """Mount fields of the pod as files."""
    host_path: HostPath | None = None
    """Always refused: a path of the node. Use persistentVolumeClaim, csi or model.uri."""


@dataclass(kw_only=True)
class Toleration(Fields):
    """Toleration of a taint (core/v1 Toleration)."""

    key: str | None = None
    """Key of the taint. If not set, every key matches."""
    operator: Literal["Exists", "Equal"] | None = None
    """Comparison of the value. Defaults to Equal."""
    value: str | None = None
    """Value of the taint."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint. If not set, every effect matches."""
    toleration_seconds: int | None = None
    """Seconds for which NoExecute is tolerated. If not set, it is tolerated forever."""


@dataclass(kw_only=True)
class NodeRequirement(Fields):
    """Requirement on a node label."""

    key: str
    """Key of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    """Comparison operator."""
    values: list[str] | None = None
    """Values to compare with. Gt and Lt require one number; must be empty for Exists and DoesNotExist."""


@dataclass(kw_only=True)
class FieldRequirement(Fields):
    """Requirement on a node field."""

    key: Literal["metadata.name"]
    """Name of the field."""
    operator: Literal["In", "NotIn"]
    """Comparison operator."""
    values: list[str]
    """Value to compare with."""


@dataclass(kw_only=True)
class NodeTerm(Fields):
    """Node selector term; all requirements must be met."""

    match_expressions: list[NodeRequirement] | None = None
    """Requirements on node labels."""
    match_fields: list[FieldRequirement] | None = None
    """Requirements on node fields."""


@dataclass(kw_only=True)
class NodeTerms(Fields):
    """Node selector; one of the terms must match."""

    node_selector_terms: list[NodeTerm]
    """Terms, one of which must match."""


@dataclass(kw_only=True)
class PreferredNode(Fields):
    """Preferred nodes."""

    weight: int
    """Weight of the preference."""
    preference: NodeTerm
    """Preferred nodes."""


@dataclass(kw_only=True)
class NodeAffinity(Fields):
    """Constraints on the nodes of the pods."""

    required_during_scheduling_ignored_during_execution: NodeTerms | None = None
    """Nodes on which the pods may run."""
    preferred_during_scheduling_ignored_during_execution: list[PreferredNode] | None = None
    """Nodes on which the pods should preferably run."""


@dataclass(kw_only=True)
class PodTerm(Fields):
    """Pods of the same namespace, and the topology domain to compare."""

    topology_key: str
    """Node label that identifies the topology domain."""
    label_selector: LabelSelector | None = None
    """Selector of the pods of the namespace."""
    match_label_keys: list[str] | None = None
    """Keys of labels that must have the same value on the selected pods and this pod."""
    mismatch_label_keys: list[str] | None = None
    """Keys of labels that must have different values on the selected pods and this pod."""


@dataclass(kw_only=True)
class PreferredPod(Fields):
    """Preference relative to other pods."""

    weight: int
    """Weight of the preference."""
    pod_affinity_term: PodTerm
    """Pods and topology domain of the preference."""


@dataclass(kw_only=True)
class PodAffinity(Fields):
    """Constraints relative to other pods."""

    required_during_scheduling_ignored_during_execution: list[PodTerm] | None = None
    """Required terms."""
    preferred_during_scheduling_ignored_during_execution: list[PreferredPod] | None = None
    """Preferred terms."""


@dataclass(kw_only=True)
class Affinity(Fields):
    """Scheduling constraints (core/v1 Affinity, without the fields that reference other namespaces)."""

    node_affinity: NodeAffinity | None = None
    """Constraints on the nodes of the pods."""
    pod_affinity: PodAffinity | None = None
    """Pods to run in the same topology domain as."""
    pod_anti_affinity: PodAffinity | None = None
    """Pods not to run in the same topology domain as."""


@dataclass(kw_only=True)
class TopologySpread(Fields):
    """Spread of the ModelService's pods over a topology domain (core/v1 TopologySpreadConstraint)."""

    max_skew: int
    """Maximum difference in the number of pods between two domains."""
    topology_key: str
    """Node label that identifies the domains."""
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    """Handling of a pod that would violate the constraint."""
    min_domains: int | None = None
    """Number of domains below which the minimum counts as 0. Requires DoNotSchedule."""
    match_label_keys: list[str] | None = None
    """Labels of the pod whose values select the pods to count, such as pod-template-hash for those of one revision."""
    node_affinity_policy: Literal["Honor", "Ignore"] | None = None
    """Honor counts only nodes that match nodeSelector and affinity. Defaults to Honor."""
    node_taints_policy: Literal["Honor", "Ignore"] | None = None
    """Honor counts only nodes whose taints are tolerated. Defaults to Ignore."""


@dataclass(kw_only=True)
class PodResourceClaim(Fields):
    """A claim of devices for the pods (core/v1 PodResourceClaim)."""

    name: str
    """Name of the claim in resources.claims."""
    resource_claim_name: str | None = None
    """ResourceClaim that all pods share."""
    resource_claim_template_name: str | None = None
    """ResourceClaimTemplate from which each pod gets a claim."""


@dataclass(kw_only=True)
class HostAlias(Fields):
    """Host names of an address, in /etc/hosts."""

    ip: str
    """Address."""
    hostnames: list[str]
    """Host names of the address."""


@dataclass(kw_only=True)
class DnsOption(Fields):
    """An option of the resolver."""

    name: str
    """Name of the option."""
    value: str | None = None
    """Value of the option, as text."""


@dataclass(kw_only=True)
class DnsConfig(Fields):
    """Settings of the resolver, merged with those of dnsPolicy."""

    nameservers: list[str] | None = None
    """Addresses of DNS servers."""
    searches: list[str] | None = None
    """Domains that are searched for short names."""
    options: list[DnsOption] | None = None
    """Options of the resolver."""


@dataclass(kw_only=True)
class PodMonitorOptions(Fields):
    """A PodMonitor of the Prometheus operator."""

    enabled: bool | None = None
    """Create a PodMonitor. Defaults to false."""
    path: str | None = None
    """HTTP path of the metrics. Defaults to /metrics."""
    port: str | None = None
    """Name of the port with the metrics: portName, or one in ports. Defaults to portName."""
    interval: str | None = None
    """Time between two scrapes. Defaults to that of Prometheus."""
    labels: dict[str, str] | None = None
    """Additional labels of the PodMonitor, such as those that Prometheus selects."""


@dataclass(kw_only=True)
class Monitoring(Fields):
    """Monitoring of the model server."""

    pod_monitor: PodMonitorOptions | None = None
    """Create a PodMonitor (Prometheus operator)."""


@dataclass(kw_only=True)
class ModelServiceSpec(Fields):
    """Desired state."""

    API_NAMES: ClassVar[Mapping[str, str]] = {"host_pid": "hostPID", "host_ipc": "hostIPC"}

    image: str
    """Image of the model server. Its ENTRYPOINT is used unless command is set."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """Image pull policy. Defaults to Always for the tag latest, otherwise IfNotPresent."""
    image_pull_secrets: list[LocalReference] | None = None
    """Secrets with credentials for private registries."""
    command: list[str] | None = None
    """Replaces the image's ENTRYPOINT, run without a shell. $(VAR) is expanded by Kubernetes."""
    args: list[str] | None = None
    """Replaces the image's CMD. $(VAR) is expanded by Kubernetes."""
    working_dir: str | None = None
    """Working directory. Defaults to that of the image."""
    env: list[EnvVar] | None = None
    """Environment variables of the model server. The operator adds PORT, MODEL_NAME, MODEL_URI and MODEL_PATH, and
    USER, HOME and XDG_CACHE_HOME for images that were built for another user; an own variable of the name takes
    precedence.
    """
    env_from: list[EnvFromSource] | None = None
    """Secrets and ConfigMaps whose keys are environment variables of the model server. env, and the variables that
    the operator adds, take precedence: to set HOME from a Secret, use env.
    """
    container_port: int | None = None
    """Port the server listens on. Also set as the PORT environment variable. Ports below 1024 do not require root.
    Defaults to 8080.
    """
    port_name: str | None = None
    """Name of containerPort and of the port of the Service. Defaults to http. Renaming it takes the replicas of the
    old name out of the Service before the new ones are ready.
    """
    ports: list[ContainerPort] | None = None
    """Further ports of the model container, such as gRPC or metrics. The Service and the NetworkPolicy have them as
    well.
    """
    init_containers: list[InitContainer] | None = None
    """Containers that run one after another before the server starts, with the model in place. To download a model,
    use model.uri.
    """
    sidecars: list[Sidecar] | None = None
    """Containers that run next to the server, such as a proxy. They start before everything else, except that those
    which mount the model start after it is loaded, and stop after the server.
    """
    model: ModelSource | None = None
    """Model that the server loads. If not set, only MODEL_NAME and PORT are passed to the server."""
    replicas: int | None = None
    """Number of replicas. With autoscaling: the initial number, and the minimum unless minReplicas is set. Defaults
    to 1.
    """
    autoscaling: Autoscaling | None = None
    """Scale the number of replicas with the load. If not set, it stays at replicas."""
    suspend: bool | None = None
    """Scale to zero and keep all other objects. Resuming restores the configured number of replicas. Defaults to
    false.
    """
    resources: ResourceRequirements | None = None
    """CPU, memory and devices of the model container. Defaults to requests of 500m CPU and 512Mi memory; {}
    requests nothing.
    """
    probes: Probes | None = None
    """Health checks of the model container. Defaults to checking that its port accepts connections."""
    service: ServiceOptions | None = None
    """Service of the replicas. Defaults to type ClusterIP on port 80."""
    expose: Expose | None = None
    """Access to the model from outside the cluster."""
    rollout: RolloutOptions | None = None
    """Update strategy. Defaults to starting one new replica before stopping an old one."""
    disruption_budget: DisruptionBudget | None = None
    """Limits for evictions, such as node drains. Created only if there are always at least two replicas."""
    network_policy: NetworkPolicyOptions | None = None
    """Restriction of who can reach the model. If not set, no NetworkPolicy is created."""
    mounts: list[Mount] | None = None
    """Additional volumes of the pods, mounted into the model container. For a larger /dev/shm, mount an emptyDir
    with medium Memory there.
    """
    service_account_name: str | None = None
    """ServiceAccount of the pods. Its token is mounted. If not set, no token is mounted."""
    automount_service_account_token: bool | None = None
    """Mount the token of the ServiceAccount. Defaults to true if serviceAccountName is set."""
    writable_root_filesystem: bool | None = None
    """Mount the root filesystem of the model container writable, for images that write next to their program.
    Defaults to false: only the directories /tmp and HOME and mounts are writable.
    """
    run_as_user: int | None = None
    """UID of the containers, never root. Defaults to 10001."""
    run_as_group: int | None = None
    """GID of the containers. Defaults to runAsUser. Set 0 for images whose files are writable for the root group,
    as on OpenShift.
    """
    fs_group: int | None = None
    """GID that owns the volumes. Defaults to runAsGroup."""
    pod_labels: dict[str, str] | None = None
    """Additional labels of the pods. Labels of the ModelService are not copied."""
    pod_annotations: dict[str, str] | None = None
    """Annotations of the pods. Annotations of the ModelService are not copied."""
    node_selector: dict[str, str] | None = None
    """Labels that a node must have."""
    tolerations: list[Toleration] | None = None
    """Tolerations of node taints."""
    affinity: Affinity | None = None
    """Scheduling constraints relative to nodes and to other pods of the namespace (core/v1 Affinity). A term
    without `labelSelector` matches no pods; those of this ModelService have the label
    `app.kubernetes.io/instance` with its name.
    """
    topology_spread_constraints: list[TopologySpread] | None = None
    """Spread of the pods over nodes or zones."""
    scheduler_name: str | None = None
    """Scheduler of the pods. Defaults to that of the cluster."""
    resource_claims: list[PodResourceClaim] | None = None
    """Claims of devices for resources.claims (dynamic resource allocation, enabled by default since Kubernetes
    1.34).
    """
    priority_class_name: str | None = None
    """PriorityClass of the pods."""
    runtime_class_name: str | None = None
    """RuntimeClass of the pods."""
    drain_seconds: int | None = None
    """Seconds between the removal of a pod from the Service and SIGTERM, in which the server answers requests that
    are still sent to it. Defaults to 5, less if terminationGracePeriodSeconds is shorter. 0 sends SIGTERM
    immediately.
    """
    lifecycle: Lifecycle | None = None
    """Hooks of the model container. preStop replaces the drain."""
    termination_grace_period_seconds: int | None = None
    """Seconds a pod may take to shut down, including the drain. Defaults to 30 more than drainSeconds."""
    host_aliases: list[HostAlias] | None = None
    """Entries of /etc/hosts."""
    dns_policy: Literal["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"] | None = None
    """DNS policy of the pods. Defaults to ClusterFirst."""
    dns_config: DnsConfig | None = None
    """DNS settings of the pods."""
    enable_service_links: bool | None = None
    """Add environment variables for each Service of the namespace, as Kubernetes does by default. Defaults to
    false, because the variables of a Service named like the server change its settings.
    """
    host_network: bool | None = None
    """Must be false. To reach the model from outside, use service.type or expose."""
    host_pid: bool | None = None
    """Must be false."""
    host_ipc: bool | None = None
    """Must be false. For shared memory, mount an emptyDir with medium Memory at /dev/shm."""
    privileged: bool | None = None
    """Must be false. Request devices in resources.limits."""
    monitoring: Monitoring | None = None
    """Monitoring of the model server."""


@dataclass(kw_only=True)
class Address(Fields):
    """Address of the model inside the cluster."""

    url: str | None = None
    """URL with the cluster DNS name."""


@dataclass(kw_only=True)
class AutoscalingStatus(Fields):
    """State of the HorizontalPodAutoscaler. Metric values are omitted: each change would cost a write."""

    min_replicas: int | None = None
    """Minimum number of replicas."""
    max_replicas: int | None = None
    """Maximum number of replicas."""
    current_replicas: int | None = None
    """Number of replicas last observed by the autoscaler."""
    desired_replicas: int | None = None
    """Number of replicas last calculated by the autoscaler."""
    last_scale_time: str | None = None
    """Time of the last scaling."""


@dataclass(kw_only=True)
class ExtraModelStatus(Fields):
    """An extra model of the current revision."""

    API_NAMES: ClassVar[Mapping[str, str]] = {"resolved_uri": "resolvedURI"}

    name: str
    """Name in model.extra."""
    uri: str | None = None
    """URI in the spec."""
    resolved_uri: str | None = None
    """URI that the URI in the spec resolved to, without credentials."""
    digest: str | None = None
    """Digest as its loader reports it."""
    state: Literal["Pending", "Loading", "Loaded", "Failed"] | None = None
    """Loading state of the extra model."""
    reason: str | None = None
    """Machine-readable reason of the state, unless it is Loaded."""


@dataclass(kw_only=True)
class LoadProgress(Fields):
    """Progress of the loader of one pod. It is updated every 15 seconds while the model is loaded."""

    loaded_bytes: int
    """Number of loaded bytes."""
    total_bytes: int | None = None
    """Size of the model in bytes. Not set if the store does not report it."""
    percent: int | None = None
    """Loaded percentage of the bytes, rounded down."""
    seconds_left: int | None = None
    """Estimated time left in seconds, at the rate of the last 30 seconds."""


@dataclass(kw_only=True)
class ModelStatus(Fields):
    """The model of the current revision."""

    API_NAMES: ClassVar[Mapping[str, str]] = {"resolved_uri": "resolvedURI"}

    uri: str | None = None
    """URI in the spec."""
    resolved_uri: str | None = None
    """URI that the URI in the spec resolved to when the model was downloaded, without credentials."""
    digest: str | None = None
    """Digest of the downloaded model as its loader reports it, such as that of b3sum."""
    state: Literal["Pending", "Loading", "Loaded", "Failed"] | None = None
    """Loading state of the model."""
    extra: list[ExtraModelStatus] | None = None
    """The extra models of the current revision."""
    progress: LoadProgress | None = None
    """Progress of the loader that runs. Only set while a load takes more than 15 seconds."""


@dataclass(kw_only=True)
class Failure(Fields):
    """Failure of a container of the current revision."""

    pod: str | None = None
    """Pod in which the failure was first observed."""
    container: str | None = None
    """Container that failed. Not set if the pod failed as a whole."""
    reason: str | None = None
    """Reason reported by the kubelet, such as OOMKilled or Error."""
    exit_code: int | None = None
    """Exit code of the container."""
    message: str | None = None
    """Last log line or termination message."""
    time: str | None = None
    """Time of the first failure of this kind."""


@dataclass(kw_only=True)
class ResourceReference(Fields):
    """An object created for the ModelService."""

    kind: str
    """Kind of the object."""
    name: str
    """Name of the object."""


@dataclass(kw_only=True)
class Condition(Fields):
    """metav1.Condition (Kubernetes API conventions, "Typical status properties")."""

    type: str
    """Type of the condition."""
    status: Literal["True", "False", "Unknown"]
    """Status of the condition."""
    observed_generation: int | None = None
    """Generation of the spec that the condition was computed from."""
    last_transition_time: str
    """Time of the last change of the status."""
    reason: str
    """Machine-readable reason."""
    message: str
    """Human-readable message."""


@dataclass(kw_only=True)
class ModelServiceStatus(Fields):
    """Observed state."""

    observed_generation: int | None = None
    """Generation of the spec that this status was computed from; -1 until the operator has processed the object."""
    url: str | None = None
    """URL of the model."""
    address: Address | None = None
    """Address of the model inside the cluster."""
    selector: str | None = None
    """Label selector of the pods, for the scale subresource."""
    replicas: int | None = None
    """Number of pods."""
    ready_replicas: int | None = None
    """Number of ready pods."""
    updated_replicas: int | None = None
    """Number of pods of the current revision."""
    desired_replicas: int | None = None
    """Desired number of pods."""
    autoscaling: AutoscalingStatus | None = None
    """State of the HorizontalPodAutoscaler. Not set without one managed by the operator."""
    model: ModelStatus | None = None
    """The model of the current revision."""
    last_failure: Failure | None = None
    """Last failure of a container of the current revision. Retained after recovery until another revision is
    complete.
    """
    resources: list[ResourceReference] | None = None
    """Objects created for the ModelService."""
    conditions: list[Condition] | None = None
    """Conditions: Ready, Available, Progressing and others."""
