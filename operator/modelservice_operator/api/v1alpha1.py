"""The ModelService resource, version v1alpha1: the one source of the CRD, the parser and the reference.

Field descriptions are written for the person who reads `kubectl explain`.
Defaults here are schema defaults: the API server stores them, so that they show in `kubectl get -o yaml`.
"""

from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, ValidationError

from modelservice_operator.api.exposure import (
    Annotations,
    Expose,
    Labels,
    Monitoring,
    NetworkPolicyOptions,
    Selector,
    ServiceOptions,
)
from modelservice_operator.api.pods import (
    EnvVar,
    FreeForm,
    LocalReference,
    Mount,
    Probes,
    Resources,
    Toleration,
    TopologySpread,
    UserId,
)
from modelservice_operator.api.scaling import Autoscaling, DisruptionBudget, Rollout
from modelservice_operator.api.schema import (
    ATOMIC,
    AbsolutePath,
    ApiModel,
    Count,
    ObjectName,
    Port,
    Seconds,
    cel,
    list_map,
)
from modelservice_operator.errors import InvalidSpec

MAX_NAME_LENGTH = 63


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


_SCALED = "has(self.autoscaling) && has(self.autoscaling.maxReplicas)"
_FLOOR = (
    f"!({_SCALED})"
    " || (has(self.autoscaling.minReplicas) ? self.autoscaling.minReplicas : self.replicas)"
    " <= self.autoscaling.maxReplicas"
)
_REQUESTED = (
    "!has(self.autoscaling) || !has(self.autoscaling.{target}) || !has(self.resources)"
    " || (has(self.resources.requests) && '{kind}' in self.resources.requests)"
    " || (has(self.resources.limits) && '{kind}' in self.resources.limits)"
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
                    "rule": f"!({_SCALED}) || self.replicas >= 1"
                    " || (has(self.autoscaling.minReplicas) && self.autoscaling.minReplicas == 0)",
                    "message": "replicas must be at least 1 under autoscaling: set suspend to true to run none",
                    "fieldPath": ".replicas",
                },
                {
                    "rule": _REQUESTED.format(kind="cpu", target="targetCPUUtilizationPercentage"),
                    "message": "a CPU target needs a CPU request or limit: set resources.requests.cpu",
                    "fieldPath": ".resources",
                },
                {
                    "rule": _REQUESTED.format(kind="memory", target="targetMemoryUtilizationPercentage"),
                    "message": "a memory target needs a memory request or limit: set resources.requests.memory",
                    "fieldPath": ".resources",
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
    working_dir: AbsolutePath | None = Field(default=None, description="Folder in which the server starts.")
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
    suspend: bool = Field(
        default=False,
        description="Run no replica, keep everything else. Resuming starts from the count that is asked for.",
    )
    resources: Resources | None = Field(
        default=None,
        description="CPU and memory of the model container. Absent: requests of 500m CPU and 512Mi memory.",
    )
    probes: Probes | None = Field(default=None, description="Health checks of the model container.")
    service: ServiceOptions | None = Field(default=None, description="The Service in front of the replicas.")
    expose: Expose | None = Field(default=None, description="How the model is reached from outside of the cluster.")
    rollout: Rollout | None = Field(default=None, description="How replicas are replaced by those of a new revision.")
    disruption_budget: DisruptionBudget | None = Field(
        default=None, description="How many replicas a node drain may take away at once."
    )
    network_policy: NetworkPolicyOptions | None = Field(default=None, description="Who may reach the model.")
    mounts: list[Mount] | None = Field(
        default=None,
        max_length=32,
        description="More volumes of the model container.",
        json_schema_extra=list_map("name"),
    )
    service_account_name: ObjectName | None = Field(
        default=None, description="ServiceAccount of the pods; its token is mounted. Absent: no token."
    )
    run_as_user: UserId | None = Field(default=None, description="User of the container. Defaults to 10001.")
    run_as_group: UserId | None = Field(default=None, description="Group of the container. Defaults to runAsUser.")
    fs_group: UserId | None = Field(default=None, description="Group of the volumes. Defaults to runAsGroup.")
    pod_labels: Labels | None = Field(default=None, description="More labels of the pods.")
    pod_annotations: Annotations | None = Field(default=None, description="Annotations of the pods.")
    node_selector: Selector | None = Field(default=None, description="Labels that a node must have.")
    tolerations: list[Toleration] | None = Field(
        default=None, max_length=32, description="Taints of nodes that are tolerated.", json_schema_extra=ATOMIC
    )
    affinity: FreeForm | None = Field(default=None, description="Affinity of the pods, as in core/v1.")
    topology_spread_constraints: list[TopologySpread] | None = Field(
        default=None,
        max_length=8,
        description="How evenly the pods are spread over nodes or zones.",
        json_schema_extra=list_map("topologyKey", "whenUnsatisfiable"),
    )
    priority_class_name: ObjectName | None = Field(default=None, description="PriorityClass of the pods.")
    runtime_class_name: ObjectName | None = Field(default=None, description="RuntimeClass of the pods.")
    termination_grace_period_seconds: Seconds | None = Field(
        default=None, description="Time that a server gets to end. Defaults to 30."
    )
    monitoring: Monitoring | None = Field(default=None, description="How the model server is measured.")


class Metadata(ApiModel):
    """The parts of ObjectMeta that the operator reads."""

    name: str
    namespace: str
    uid: str
    generation: int = 1

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name, which the children share."""
        return self.namespace, self.name


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
