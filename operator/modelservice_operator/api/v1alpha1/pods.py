"""Pod settings: environment, probes, resources, volumes, identity and placement."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from modelservice_operator.api.markers import (
    ATOMIC,
    ApiModel,
    Rule,
    cel_rules,
    dns_label,
    string_with_pattern,
    upstream_schema,
)
from modelservice_operator.api.primitives import (
    LabelValue,
    MountPath,
    ObjectName,
    Port,
    PositiveCount,
    PositiveSeconds,
    QualifiedName,
    Quantity,
    RelativePath,
    RequestPath,
    Seconds,
)

_RESERVED = (
    "the names MODEL_NAME, MODEL_URI, MODEL_PATH and PORT and the prefixes KUBERNETES_ and LD_ are reserved:"
    " choose another name"
)
_KEY_SENTENCE = "must be a key of the object: letters, digits, '-', '_' and '.', not beginning with '..'"
DataKey = Annotated[
    str,
    string_with_pattern("^([-_a-zA-Z0-9]|[.][-_a-zA-Z0-9])[-._a-zA-Z0-9]*$", _KEY_SENTENCE, max_length=253),
]


class LocalReference(ApiModel):
    """Reference to an object in the same namespace."""

    name: ObjectName = Field(
        description="Name of the object, in the namespace of the ModelService.", examples=["registry-login"]
    )


class KeySelector(ApiModel):
    """One key of a Secret or ConfigMap."""

    name: ObjectName = Field(
        description="Name of the object, in the namespace of the ModelService.", examples=["iris-settings"]
    )
    key: DataKey = Field(description="Key inside the object.", examples=["token"])
    optional: bool | None = Field(
        default=None, description="Start the container even if the object or key does not exist.", examples=[True]
    )


_POD_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)


class FieldSelector(ApiModel):
    """A field of the pod."""

    field_path: Annotated[
        str,
        string_with_pattern(
            rf"^({'|'.join(_POD_FIELDS).replace('.', '[.]')}"
            r"|metadata[.](labels|annotations)\['[-A-Za-z0-9_./]{1,317}'\])$",
            f"must be one of {', '.join(_POD_FIELDS)}, metadata.labels['KEY'] or metadata.annotations['KEY']",
            max_length=340,
        ),
    ] = Field(description="Path of the field (downward API).", examples=["status.podIP"])


class EnvSource(ApiModel):
    """Source of the value of an environment variable."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef)].filter(x, x).size() == 1",
                "set exactly one of secretKeyRef, configMapKeyRef and fieldRef",
            )
        )
    )
    secret_key_ref: KeySelector | None = Field(
        default=None, description="A key of a Secret.", examples=[{"name": "iris-settings", "key": "token"}]
    )
    config_map_key_ref: KeySelector | None = Field(
        default=None, description="A key of a ConfigMap.", examples=[{"name": "iris-settings", "key": "threshold"}]
    )
    field_ref: FieldSelector | None = Field(
        default=None, description="A field of the pod.", examples=[{"fieldPath": "status.podIP"}]
    )


class EnvVar(ApiModel):
    """One environment variable of the model server."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            ("!(has(self.value) && has(self.valueFrom))", "set value or valueFrom, not both"),
        )
    )
    name: Annotated[
        str,
        string_with_pattern(
            "^[A-Za-z_][A-Za-z0-9_]*$",
            "must be the name of a variable: letters, digits and '_', not beginning with a digit",
            max_length=253,
            rules=cel_rules(
                Rule(
                    "!(self in ['MODEL_NAME', 'MODEL_URI', 'MODEL_PATH', 'PORT'])"
                    " && !self.startsWith('KUBERNETES_') && !self.startsWith('LD_')",
                    _RESERVED,
                )
            ),
        ),
    ] = Field(description="Name of the variable.", examples=["LOG_LEVEL"])
    value: str | None = Field(
        default=None,
        max_length=32_768,
        description="Literal value; $(VAR) is not expanded.",
        examples=["info"],
    )
    value_from: EnvSource | None = Field(
        default=None,
        description="Source of the value, such as a key of a Secret.",
        examples=[{"secretKeyRef": {"name": "iris-settings", "key": "token"}}],
    )


_KINDS_OF_RESOURCES = Rule(
    "self.all(name, name in ['cpu', 'memory', 'ephemeral-storage']"
    " || (name.contains('/') && !name.startsWith('kubernetes.io/')"
    " && !format.qualifiedName().validate(name).hasValue()))",
    "must be cpu, memory, ephemeral-storage, or a device such as nvidia.com/gpu",
)
Amounts = Annotated[dict[str, Quantity], Field(max_length=16, json_schema_extra=cel_rules(_KINDS_OF_RESOURCES))]
_COMPARED = (
    "!has(self.requests) || !has(self.limits) || self.requests.all(name, !(name in self.limits)"
    " || !isQuantity(string(self.requests[name])) || !isQuantity(string(self.limits[name]))"
    " || !quantity(string(self.requests[name])).isGreaterThan(quantity(string(self.limits[name]))))"
)
_WHOLE_DEVICES = (
    "!has(self.{block}) || self.{block}.all(name, !name.contains('/') || !isQuantity(string(self.{block}[name]))"
    " || quantity(string(self.{block}[name])).isInteger())"
)
_SHARED_DEVICES = (
    "!has(self.requests) || self.requests.all(name, !name.contains('/') || (has(self.limits) && name in self.limits"
    " && string(self.limits[name]) == string(self.requests[name])))"
)


class ResourceRequirements(ApiModel):
    """CPU and memory of the model container."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            Rule(_COMPARED, "a request must not be greater than its limit: raise the limit or lower the request"),
            Rule(_SHARED_DEVICES, "devices cannot be overcommitted: set the same request and limit"),
            Rule(_WHOLE_DEVICES.format(block="requests"), "requests of devices must be whole numbers"),
            Rule(_WHOLE_DEVICES.format(block="limits"), "limits of devices must be whole numbers"),
        )
    )
    requests: Amounts | None = Field(
        default=None,
        description="Minimum amounts, reserved by the scheduler.",
        examples=[{"cpu": "500m", "memory": "512Mi"}],
    )
    limits: Amounts | None = Field(
        default=None, description="Maximum amounts that the container may use.", examples=[{"memory": "1Gi"}]
    )


class HttpHeader(ApiModel):
    """An HTTP header of the probe request."""

    name: Annotated[
        str,
        string_with_pattern("^[-A-Za-z0-9]+$", "must be the name of a header: letters, digits and '-'", max_length=253),
    ] = Field(description="Name of the header.", examples=["X-Probe"])
    value: str = Field(max_length=1024, description="Value of the header.", examples=["kubelet"])


class HttpGet(ApiModel):
    """An HTTP GET request; status 200 to 399 is success."""

    path: RequestPath = Field(default="/", description="Path of the request.", examples=["/isAlive"])
    port: Port | None = Field(
        default=None, description="Port to connect to. Defaults to spec.containerPort.", examples=[8081]
    )
    scheme: Literal["HTTP", "HTTPS"] = Field(
        default="HTTP", description="HTTP, or HTTPS without verification of the certificate.", examples=["HTTPS"]
    )
    http_headers: list[HttpHeader] | None = Field(
        default=None,
        max_length=16,
        description="Headers of the request.",
        examples=[[{"name": "X-Probe", "value": "kubelet"}]],
        json_schema_extra=ATOMIC,
    )


class TcpSocket(ApiModel):
    """A TCP connection; success if it can be opened."""

    port: Port | None = Field(
        default=None, description="Port to connect to. Defaults to spec.containerPort.", examples=[8081]
    )


class Grpc(ApiModel):
    """A request of the gRPC health checking protocol."""

    port: Port | None = Field(
        default=None, description="Port to connect to. Defaults to spec.containerPort.", examples=[9000]
    )
    service: str | None = Field(
        default=None,
        max_length=253,
        description="Service name in the health check request.",
        examples=["inference.GRPCInferenceService"],
    )


class Exec(ApiModel):
    """A command in the container; exit code 0 is success."""

    command: list[Annotated[str, Field(max_length=4096)]] = Field(
        min_length=1,
        max_length=64,
        description="Command and arguments, run without a shell.",
        examples=[["/app/healthy", "--quick"]],
        json_schema_extra=ATOMIC,
    )


class Probe(ApiModel):
    """Probe of the container. Without an action, a TCP connection to spec.containerPort is opened."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "[has(self.httpGet), has(self.tcpSocket), has(self.grpc), has(self.exec)].filter(x, x).size() <= 1",
                "set at most one of httpGet, tcpSocket, grpc and exec",
            )
        )
    )
    http_get: HttpGet | None = Field(
        default=None,
        description="Send an HTTP GET request; status 200 to 399 is success.",
        examples=[{"path": "/isAlive"}],
    )
    tcp_socket: TcpSocket | None = Field(default=None, description="Open a TCP connection.", examples=[{"port": 8081}])
    grpc: Grpc | None = Field(
        default=None, description="Use the gRPC health checking protocol.", examples=[{"port": 9000}]
    )
    exec: Exec | None = Field(
        default=None,
        description="Run a command in the container; exit code 0 is success.",
        examples=[{"command": ["/app/healthy"]}],
    )
    initial_delay_seconds: Seconds | None = Field(
        default=None, description="Seconds before the first probe. Defaults to 0.", examples=[5]
    )
    period_seconds: PositiveSeconds | None = Field(
        default=None, description="Seconds between probes. Defaults to 10.", examples=[5]
    )
    timeout_seconds: PositiveSeconds | None = Field(
        default=None, description="Seconds after which a probe times out. Defaults to 1.", examples=[2]
    )
    failure_threshold: PositiveCount | None = Field(
        default=None,
        description="Consecutive failures after which the probe counts as failed. Defaults to 3.",
        examples=[3],
    )
    success_threshold: PositiveCount | None = Field(
        default=None,
        description="Consecutive successes after which the probe counts as successful. Defaults to 1.",
        examples=[1],
    )


_ONE_SUCCESS = "!has(self.{probe}) || !has(self.{probe}.successThreshold) || self.{probe}.successThreshold == 1"


class Probes(ApiModel):
    """Health checks of the model container."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (_ONE_SUCCESS.format(probe="liveness"), "liveness.successThreshold must be 1: remove it"),
            (_ONE_SUCCESS.format(probe="startup"), "startup.successThreshold must be 1: remove it"),
        )
    )
    readiness: Probe | None = Field(
        default=None,
        description="Check whether the server can receive requests. Defaults to a TCP connection to containerPort.",
        examples=[{"httpGet": {"path": "/isAlive"}}],
    )
    liveness: Probe | None = Field(
        default=None,
        description="Check whether the container must be restarted. If not set, it is never restarted by a probe,"
        " because a server that is still loading its model would be killed.",
        examples=[{"httpGet": {"path": "/isAlive"}, "failureThreshold": 5}],
    )
    startup: Probe | None = Field(
        default=None,
        description="Check whether the server has started; the other probes begin afterwards. Defaults to a TCP"
        " connection to containerPort within 30 minutes.",
        examples=[{"httpGet": {"path": "/isAlive"}, "periodSeconds": 5, "failureThreshold": 360}],
    )


class ConfigMapMount(ApiModel):
    """A ConfigMap, mounted as files."""

    name: ObjectName = Field(
        description="Name of the ConfigMap, in the namespace of the ModelService.", examples=["labels"]
    )


class SecretMount(ApiModel):
    """A Secret, mounted as files."""

    name: ObjectName = Field(
        description="Name of the Secret, in the namespace of the ModelService.", examples=["signing-key"]
    )


class ClaimMount(ApiModel):
    """A PersistentVolumeClaim."""

    claim_name: ObjectName = Field(
        description="Name of the claim, in the namespace of the ModelService.", examples=["features"]
    )


class EmptyDirMount(ApiModel):
    """An empty directory with the lifetime of the pod."""

    medium: Literal["", "Memory"] | None = Field(
        default=None,
        description="Memory stores the directory in RAM, which counts towards the memory limit.",
        examples=["Memory"],
    )
    size_limit: Quantity | None = Field(
        default=None, description="Maximum size; a pod that exceeds it is evicted.", examples=["1Gi"]
    )


class Mount(ApiModel):
    """A volume mounted into the model container."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            Rule(
                "[has(self.configMap), has(self.secret), has(self.persistentVolumeClaim), has(self.emptyDir)]"
                ".filter(x, x).size() == 1",
                "set exactly one of configMap, secret, persistentVolumeClaim and emptyDir",
            ),
        )
    )
    name: Annotated[
        str,
        dns_label(
            "volume",
            rules=cel_rules(
                ("!(self in ['tmp', 'model'])", "the names tmp and model are reserved: choose another name")
            ),
        ),
    ] = Field(description="Name of the volume.", examples=["labels"])
    mount_path: MountPath = Field(description="Path of the volume in the container.", examples=["/etc/labels"])
    sub_path: RelativePath | None = Field(
        default=None,
        description="Directory or file in the volume. Defaults to the root of the volume.",
        examples=["labels.json"],
    )
    read_only: bool | None = Field(default=None, description="Mount the volume read-only.", examples=[True])
    config_map: ConfigMapMount | None = Field(
        default=None, description="Mount a ConfigMap.", examples=[{"name": "labels"}]
    )
    secret: SecretMount | None = Field(default=None, description="Mount a Secret.", examples=[{"name": "signing-key"}])
    persistent_volume_claim: ClaimMount | None = Field(
        default=None, description="Mount a PersistentVolumeClaim.", examples=[{"claimName": "features"}]
    )
    empty_dir: EmptyDirMount | None = Field(
        default=None, description="Mount an empty directory.", examples=[{"sizeLimit": "1Gi"}]
    )


class Toleration(ApiModel):
    """Toleration of a taint (core/v1 Toleration)."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
                "a toleration without a key matches every taint: set operator to Exists, or set key",
            ),
            (
                "!has(self.value) || self.value == '' || !has(self.operator) || self.operator != 'Exists'",
                "operator Exists must not have a value: remove value, or set operator to Equal",
            ),
            (
                "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                "tolerationSeconds requires effect NoExecute: set effect, or remove tolerationSeconds",
            ),
        )
    )
    key: QualifiedName | None = Field(
        default=None, description="Key of the taint. If not set, every key matches.", examples=["nvidia.com/gpu"]
    )
    operator: Literal["Exists", "Equal"] | None = Field(
        default=None, description="Comparison of the value. Defaults to Equal.", examples=["Exists"]
    )
    value: LabelValue | None = Field(default=None, description="Value of the taint.", examples=["serving"])
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint. If not set, every effect matches.", examples=["NoSchedule"]
    )
    toleration_seconds: Seconds | None = Field(
        default=None,
        description="Seconds for which NoExecute is tolerated. If not set, it is tolerated forever.",
        examples=[300],
    )


class TopologySpread(ApiModel):
    """Spread of the ModelService's pods over a topology domain."""

    max_skew: PositiveCount = Field(
        description="Maximum difference in the number of pods between two domains.", examples=[1]
    )
    topology_key: QualifiedName = Field(
        description="Node label that identifies the domains.", examples=["topology.kubernetes.io/zone"]
    )
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        description="Handling of a pod that would violate the constraint.", examples=["ScheduleAnyway"]
    )


UserId = Annotated[int, Field(ge=1, le=2_147_483_647, json_schema_extra={"format": "int64"})]
Affinity = Annotated[dict[str, Any], Field(json_schema_extra=upstream_schema("Affinity"))]
