"""The ModelService resource, version v1alpha1: the one source of the CRD, the parser and the reference.

Field descriptions are written for the person who reads `kubectl explain`. Every string, list, map and number has a
bound: the API server refuses CEL rules whose cost it cannot estimate (KEP-2876).
Defaults here are schema defaults: the API server stores them, so that they show in `kubectl get -o yaml`.
"""

from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

from modelservice_operator.errors import InvalidSpec

SCHEMES_WITHOUT_LOADER = ("file",)
"""Model URI schemes that need nothing to be fetched. The loader's schemes are refused until the loader exists."""

MAX_NAME_LENGTH = 63
_RESERVED = (
    "the names MODEL_NAME, MODEL_URI, MODEL_PATH and PORT and the prefixes KUBERNETES_ and LD_ are reserved:"
    " choose another name"
)


def cel(*rules: tuple[str, str], **fields: str) -> JsonDict:
    """Schema extension with CEL rules `(rule, sentence)`; `fields` may name the fieldPath that all of them blame."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message, **fields} for rule, message in rules]}


def list_map(*keys: str) -> JsonDict:
    """Schema extension: a list whose items are told apart by `keys`, so that several managers can share it."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


INT32: JsonDict = {"format": "int32"}
Port = Annotated[int, Field(ge=1, le=65535, json_schema_extra=INT32)]
Count = Annotated[int, Field(ge=0, le=10_000, json_schema_extra=INT32)]
PositiveCount = Annotated[int, Field(ge=1, le=10_000, json_schema_extra=INT32)]
Seconds = Annotated[int, Field(ge=0, le=86_400, json_schema_extra=INT32)]
PositiveSeconds = Annotated[int, Field(ge=1, le=86_400, json_schema_extra=INT32)]
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
AbsolutePath = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1024,
        pattern="^/",
        json_schema_extra=cel(("!self.split('/').exists(part, part == '..')", "must not contain '..'")),
    ),
]
Quantity = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    Field(
        max_length=64,
        pattern=r"^([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+|[mkMGTPE]|[KMGTPE]i)?$",
        # The API server does not match the pattern of an int-or-string, so a rule says it once more.
        json_schema_extra={"x-kubernetes-int-or-string": True}
        | cel(
            (
                "type(self) == int ? self >= 0 : isQuantity(self) && !quantity(self).isLessThan(quantity('0'))",
                "must be a quantity of at least 0, such as 500m, 2 or 1.5Gi",
            )
        ),
    ),
]


class ApiModel(BaseModel):
    """Camel case outside, snake case inside; frozen; what is unknown was pruned by the API server."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


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


class ModelSource(ApiModel):
    """The model that the server loads."""

    uri: str | None = Field(
        default=None,
        min_length=1,
        max_length=2048,
        description="Where the model is. file:///path names a file that is already inside the image.",
        examples=["file:///app/model.joblib"],
        json_schema_extra=cel(
            (
                "self.startsWith('file:///')",
                "only file:///absolute/path is supported by this version: put the model into the image",
            ),
            ("!self.split('/').exists(part, part == '..')", "must not contain '..'"),
        ),
    )
    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        description="Name under which the server offers the model, given to it as MODEL_NAME. Defaults to the name of"
        " the ModelService.",
        examples=["diabetes"],
    )
    path: AbsolutePath = Field(
        default="/mnt/models",
        description="Where the server finds the model, given to it as MODEL_PATH. With a file:// URI, MODEL_PATH is"
        " the path of the URI.",
    )

    @property
    def mount_path(self) -> str:
        """Value of MODEL_PATH."""
        return urlsplit(self.uri).path if self.uri and self.uri.startswith("file://") else self.path


class Autoscaling(ApiModel):
    """How the replicas follow the load: a HorizontalPodAutoscaler on the model container."""

    min_replicas: PositiveCount | None = Field(
        default=None, description="Least number of replicas. Defaults to spec.replicas.", examples=[2]
    )
    max_replicas: PositiveCount = Field(description="Greatest number of replicas.", examples=[5])
    target_cpu_utilization_percentage: Annotated[int, Field(ge=1, le=1000, json_schema_extra=INT32)] | None = Field(
        default=None,
        alias="targetCPUUtilizationPercentage",
        description="Average CPU use of the model container that the autoscaler aims at, in percent of its CPU"
        " request. Defaults to 80.",
        examples=[80],
    )


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


class ServiceOptions(ApiModel):
    """The Service in front of the replicas."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = Field(
        default="ClusterIP", description="How the Service is reached from outside."
    )
    port: Port = Field(default=80, description="Port of the Service.")
    annotations: dict[str, Annotated[str, Field(max_length=4096)]] | None = Field(
        default=None, max_length=64, description="Annotations of the Service, for load balancer controllers."
    )


_FLOOR = (
    "!has(self.autoscaling)"
    " || (has(self.autoscaling.minReplicas) ? self.autoscaling.minReplicas : self.replicas)"
    " <= self.autoscaling.maxReplicas"
)


class ModelServiceSpec(ApiModel):
    """What should run."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": _FLOOR,
                    "message": "the floor (autoscaling.minReplicas, else replicas) must not be greater than"
                    " autoscaling.maxReplicas: raise maxReplicas or lower the floor",
                    "fieldPath": ".autoscaling.maxReplicas",
                },
                {
                    "rule": "!has(self.autoscaling) || self.replicas >= 1",
                    "message": "replicas must be at least 1 under autoscaling: remove autoscaling first to run none",
                    "fieldPath": ".replicas",
                },
            ]
        }
    )
    image: str = Field(
        min_length=1,
        max_length=1024,
        pattern=r"^\S+$",
        description="Image of the model server. Its own ENTRYPOINT is kept unless command is set.",
        examples=["registry.example.com/iris-server:1.4"],
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None, description="When the image is pulled. Default: Kubernetes' own rule."
    )
    image_pull_secrets: list[LocalReference] | None = Field(
        default=None,
        max_length=8,
        description="Secrets with the logins of private registries.",
        json_schema_extra=list_map("name"),
    )
    command: list[Annotated[str, Field(max_length=32_768)]] | None = Field(
        default=None, max_length=64, description="Replaces the image's ENTRYPOINT."
    )
    args: list[Annotated[str, Field(max_length=32_768)]] | None = Field(
        default=None, max_length=256, description="Replaces the image's CMD."
    )
    env: list[EnvVar] | None = Field(
        default=None,
        max_length=256,
        description="Environment variables of the model server.",
        json_schema_extra=list_map("name"),
    )
    container_port: Port = Field(
        default=8080, description="Port that the server listens on, given to it as PORT.", examples=[8080]
    )
    model: ModelSource | None = Field(
        default=None, description="The model. Absent: the image needs to be told nothing."
    )
    replicas: Count = Field(
        default=1,
        description="Number of replicas; with autoscaling, the number to start from and the floor.",
        examples=[2],
    )
    autoscaling: Autoscaling | None = Field(default=None, description="Let the number of replicas follow the load.")
    resources: Resources | None = Field(
        default=None,
        description="CPU and memory of the model container. Absent: requests of 500m CPU and 512Mi memory.",
    )
    probes: Probes | None = Field(default=None, description="Health checks of the model container.")
    service: ServiceOptions | None = Field(default=None, description="The Service in front of the replicas.")


class Condition(ApiModel):
    """metav1.Condition (Kubernetes API conventions, "Typical status properties")."""

    type: str = Field(max_length=316, description="What the condition is about.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    observed_generation: int | None = Field(
        default=None, ge=0, description="Generation that it was computed from.", json_schema_extra={"format": "int64"}
    )
    last_transition_time: str = Field(
        description="When the status last changed.", json_schema_extra={"format": "date-time"}
    )
    reason: str = Field(min_length=1, max_length=1024, description="One word for programs.")
    message: str = Field(max_length=32_768, description="A sentence for people.")


class Address(ApiModel):
    """Where the model is reached inside the cluster."""

    url: str | None = Field(default=None, description="URL by cluster DNS.")


class ResourceReference(ApiModel):
    """A child of the ModelService."""

    kind: str = Field(description="Kind of the child.")
    name: str = Field(description="Name of the child.")


Observed = Annotated[int, Field(json_schema_extra=INT32)]


class ModelServiceStatus(ApiModel):
    """What is running."""

    observed_generation: int | None = Field(
        default=None,
        description="Generation of the spec that this status was computed from.",
        json_schema_extra={"format": "int64"},
    )
    url: str | None = Field(default=None, description="Where the model is reached.")
    address: Address | None = Field(default=None, description="Where the model is reached inside the cluster.")
    selector: str | None = Field(default=None, description="Label selector of the pods, for the scale subresource.")
    replicas: Observed | None = Field(default=None, description="Pods that exist.")
    ready_replicas: Observed | None = Field(default=None, description="Pods that are ready.")
    updated_replicas: Observed | None = Field(default=None, description="Pods of the current revision.")
    desired_replicas: Observed | None = Field(default=None, description="Pods that should exist.")
    resources: list[ResourceReference] | None = Field(default=None, description="The children.")
    conditions: list[Condition] | None = Field(
        default=None, description="Ready, Available and Progressing.", json_schema_extra=list_map("type")
    )


class Metadata(ApiModel):
    """The parts of ObjectMeta that the operator reads."""

    name: str
    namespace: str
    uid: str
    generation: int = 1


class ModelService(ApiModel):
    """A ModelService as the operator sees it: identity and spec, parsed once per generation."""

    metadata: Metadata
    spec: ModelServiceSpec

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        """Read an object of the API. InvalidSpec names every field that cannot be understood."""
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            faults = "; ".join(f"{_dotted(fault['loc'])}: {fault['msg']}" for fault in error.errors()[:8])
            raise InvalidSpec(f"The object does not follow the schema: {faults}.") from error


def _dotted(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)
