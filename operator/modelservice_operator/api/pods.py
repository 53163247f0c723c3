"""What runs in a pod: environment, probes, resources, files, identity and place."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from modelservice_operator.api.schema import (
    FREE_FORM,
    AbsolutePath,
    ApiModel,
    LabelValue,
    ObjectName,
    Port,
    PositiveCount,
    PositiveSeconds,
    Quantity,
    Rule,
    Seconds,
    cel,
)

_RESERVED = (
    "the names MODEL_NAME, MODEL_URI, MODEL_PATH and PORT and the prefixes KUBERNETES_ and LD_ are reserved:"
    " choose another name"
)


class LocalReference(ApiModel):
    """An object of the same namespace, by name."""

    name: ObjectName = Field(description="Name of the object, in the namespace of the ModelService.")


class KeySelector(ApiModel):
    """One key of a Secret or ConfigMap."""

    name: ObjectName = Field(description="Name of the object, in the namespace of the ModelService.")
    key: str = Field(min_length=1, max_length=253, description="Key inside the object.")
    optional: bool | None = Field(default=None, description="Start the container even if the object or key is absent.")


class FieldSelector(ApiModel):
    """A field of the pod."""

    field_path: str = Field(min_length=1, max_length=253, description="Path of the field, such as status.podIP.")


class EnvSource(ApiModel):
    """Where the value of an environment variable comes from."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef)].filter(x, x).size() == 1",
                "set exactly one of secretKeyRef, configMapKeyRef and fieldRef",
            )
        )
    )
    secret_key_ref: KeySelector | None = Field(default=None, description="A key of a Secret.")
    config_map_key_ref: KeySelector | None = Field(default=None, description="A key of a ConfigMap.")
    field_ref: FieldSelector | None = Field(default=None, description="A field of the pod.")


class EnvVar(ApiModel):
    """One environment variable of the model server."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("!(has(self.value) && has(self.valueFrom))", "set value or valueFrom, not both"),
            ("!(self.name in ['MODEL_NAME', 'MODEL_URI', 'MODEL_PATH', 'PORT'])", _RESERVED),
            ("!self.name.startsWith('KUBERNETES_') && !self.name.startsWith('LD_')", _RESERVED),
        )
    )
    name: str = Field(
        min_length=1,
        max_length=253,
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
        description="Name of the variable.",
        examples=["LOG_LEVEL"],
    )
    value: str | None = Field(
        default=None,
        max_length=32_768,
        description="Literal value: it reaches the container as it stands here, $(VAR) is not expanded.",
        examples=["info"],
    )
    value_from: EnvSource | None = Field(default=None, description="Take the value from another object.")


class Resources(ApiModel):
    """CPU and memory of the model container."""

    requests: dict[str, Quantity] | None = Field(
        default=None, max_length=16, description="What the scheduler reserves.", examples=[{"cpu": "500m"}]
    )
    limits: dict[str, Quantity] | None = Field(
        default=None, max_length=16, description="What the container may use at most.", examples=[{"memory": "1Gi"}]
    )


class HttpHeader(ApiModel):
    """A header of a probe's request."""

    name: str = Field(min_length=1, max_length=253, description="Name of the header.")
    value: str = Field(max_length=1024, description="Value of the header.")


class HttpGet(ApiModel):
    """A probe by HTTP GET: 200 to 399 is success."""

    path: str = Field(default="/", max_length=1024, pattern="^/", description="Path to ask for.", examples=["/isAlive"])
    port: Port | None = Field(default=None, description="Port to ask on. Defaults to spec.containerPort.")
    scheme: Literal["HTTP", "HTTPS"] = Field(default="HTTP", description="HTTP or HTTPS.")
    http_headers: list[HttpHeader] | None = Field(default=None, max_length=16, description="Headers to send.")


class TcpSocket(ApiModel):
    """A probe by opening a TCP connection."""

    port: Port | None = Field(default=None, description="Port to connect to. Defaults to spec.containerPort.")


class Grpc(ApiModel):
    """A probe by the gRPC health checking protocol."""

    port: Port | None = Field(default=None, description="Port to ask on. Defaults to spec.containerPort.")
    service: str | None = Field(default=None, max_length=253, description="Service name in the health request.")


class Exec(ApiModel):
    """A probe by a command inside the container: exit code 0 is success."""

    command: list[Annotated[str, Field(max_length=4096)]] = Field(
        min_length=1, max_length=64, description="Command and arguments; no shell is involved."
    )


class Probe(ApiModel):
    """How the kubelet asks the container; without an action it opens a TCP connection to spec.containerPort."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "[has(self.httpGet), has(self.tcpSocket), has(self.grpc), has(self.exec)].filter(x, x).size() <= 1",
                "set at most one of httpGet, tcpSocket, grpc and exec",
            )
        )
    )
    http_get: HttpGet | None = Field(default=None, description="Ask by HTTP GET.")
    tcp_socket: TcpSocket | None = Field(default=None, description="Open a TCP connection.")
    grpc: Grpc | None = Field(default=None, description="Ask by the gRPC health checking protocol.")
    exec: Exec | None = Field(default=None, description="Run a command in the container.")
    initial_delay_seconds: Seconds | None = Field(default=None, description="Wait before the first probe.")
    period_seconds: PositiveSeconds | None = Field(default=None, description="Time between two probes.")
    timeout_seconds: PositiveSeconds | None = Field(default=None, description="Time for one answer.")
    failure_threshold: PositiveCount | None = Field(default=None, description="Failures in a row that count as failed.")
    success_threshold: PositiveCount | None = Field(
        default=None, description="Successes in a row that count as healthy."
    )


class Probes(ApiModel):
    """Health checks of the model container."""

    readiness: Probe | None = Field(
        default=None, description="When may requests be sent? Default: the port accepts connections."
    )
    liveness: Probe | None = Field(default=None, description="When must the container be restarted? Default: never.")
    startup: Probe | None = Field(
        default=None,
        description="When has the server started? Default: the port accepts connections within 30 minutes.",
    )


class ConfigMapMount(ApiModel):
    """A ConfigMap as files."""

    name: ObjectName = Field(description="Name of the ConfigMap, in the namespace of the ModelService.")


class SecretMount(ApiModel):
    """A Secret as files."""

    name: ObjectName = Field(description="Name of the Secret, in the namespace of the ModelService.")


class ClaimMount(ApiModel):
    """A PersistentVolumeClaim."""

    claim_name: ObjectName = Field(description="Name of the claim, in the namespace of the ModelService.")


class EmptyDirMount(ApiModel):
    """An empty folder that lives as long as the pod."""

    medium: Literal["", "Memory"] | None = Field(default=None, description="Memory keeps it in RAM.")
    size_limit: Quantity | None = Field(default=None, description="Largest size.")


class Mount(ApiModel):
    """One volume at one path of the model container."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "[has(self.configMap), has(self.secret), has(self.persistentVolumeClaim), has(self.emptyDir)]"
                ".filter(x, x).size() == 1",
                "set exactly one of configMap, secret, persistentVolumeClaim and emptyDir",
            ),
            ("!(self.name in ['tmp', 'model'])", "the names tmp and model are taken: choose another name"),
        )
    )
    name: Annotated[str, Field(min_length=1, max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] = Field(
        description="Name of the volume.", examples=["labels"]
    )
    mount_path: AbsolutePath = Field(description="Where the container sees it.", examples=["/etc/labels"])
    sub_path: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        description="Folder or file inside the volume.",
        json_schema_extra=cel(
            ("!self.startsWith('/') && !self.split('/').exists(part, part == '..')", "must be relative, without '..'")
        ),
    )
    read_only: bool | None = Field(default=None, description="Whether the container may only read.")
    config_map: ConfigMapMount | None = Field(default=None, description="Mount a ConfigMap.")
    secret: SecretMount | None = Field(default=None, description="Mount a Secret.")
    persistent_volume_claim: ClaimMount | None = Field(default=None, description="Mount a PersistentVolumeClaim.")
    empty_dir: EmptyDirMount | None = Field(default=None, description="Mount an empty folder.")


class Toleration(ApiModel):
    """A taint that the pods tolerate."""

    key: str | None = Field(default=None, max_length=316, description="Key of the taint. Absent: every key.")
    operator: Literal["Exists", "Equal"] | None = Field(default=None, description="How the value is compared.")
    value: LabelValue | None = Field(default=None, description="Value of the taint.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint. Absent: every effect."
    )
    toleration_seconds: Seconds | None = Field(default=None, description="How long NoExecute is tolerated.")


class TopologySpread(ApiModel):
    """How evenly the pods are spread; the selector is the ModelService's own pods."""

    max_skew: PositiveCount = Field(description="Largest difference between two domains.")
    topology_key: str = Field(
        min_length=1, max_length=316, description="Label of the nodes.", examples=["topology.kubernetes.io/zone"]
    )
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        description="What to do with a pod that would break the rule."
    )


UserId = Annotated[int, Field(ge=1, le=2_147_483_647, json_schema_extra={"format": "int64"})]
FreeForm = Annotated[dict[str, Any], Field(max_length=64, json_schema_extra=FREE_FORM)]
