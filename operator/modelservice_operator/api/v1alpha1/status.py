"""ModelService status: what is running, as people and programs read it."""

from typing import Annotated, Literal

from pydantic import Field

from modelservice_operator.api.markers import ATOMIC, INT32, ApiModel, list_map

Observed = Annotated[int, Field(ge=0, le=2_147_483_647, json_schema_extra=INT32)]
Generation = Annotated[int, Field(ge=-1, le=2**53 - 1, json_schema_extra={"format": "int64"})]
Name = Annotated[str, Field(max_length=253)]
Url = Annotated[str, Field(max_length=4096)]
Message = Annotated[str, Field(max_length=32_768)]
Time = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
_TIME = "2026-03-01T12:00:00Z"


class Condition(ApiModel):
    """metav1.Condition (Kubernetes API conventions, "Typical status properties")."""

    type: str = Field(min_length=1, max_length=316, description="What the condition is about.", examples=["Ready"])
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.", examples=["True"])
    observed_generation: Generation | None = Field(
        default=None, description="Generation of the spec that it was computed from.", examples=[3]
    )
    last_transition_time: Time = Field(description="When the status last changed.", examples=[_TIME])
    reason: str = Field(
        min_length=1, max_length=1024, description="Why, in one word for programs.", examples=["RolloutComplete"]
    )
    message: Message = Field(description="Why, in a sentence for people.", examples=["All 2 replicas are available."])


class Address(ApiModel):
    """Where the model is reached inside the cluster."""

    url: Url | None = Field(default=None, description="URL by cluster DNS.", examples=["http://iris.ml.svc"])


class ResourceReference(ApiModel):
    """A child of the ModelService."""

    kind: Name = Field(description="Kind of the child.", examples=["Deployment"])
    name: Name = Field(description="Name of the child.", examples=["iris"])


class AutoscalingStatus(ApiModel):
    """What the autoscaler does. Its utilisation is not here: it would be a write for each look that it takes."""

    min_replicas: Observed | None = Field(default=None, description="Least number of replicas.", examples=[2])
    max_replicas: Observed | None = Field(default=None, description="Greatest number of replicas.", examples=[5])
    current_replicas: Observed | None = Field(default=None, description="Replicas that it saw last.", examples=[2])
    desired_replicas: Observed | None = Field(default=None, description="Replicas that it asks for.", examples=[3])
    last_scale_time: Time | None = Field(default=None, description="When it last changed the number.", examples=[_TIME])


class ModelStatus(ApiModel):
    """The model of the current revision."""

    uri: Url | None = Field(default=None, description="URI that was asked for.", examples=["models:/iris@champion"])
    resolved_uri: Url | None = Field(
        default=None,
        alias="resolvedURI",
        description="What the URI stood for when it was fetched, without credentials.",
        examples=["s3://models/iris/v3"],
    )
    digest: str | None = Field(
        default=None,
        max_length=512,
        description="Digest of what was fetched.",
        examples=["sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"],
    )
    state: Literal["Pending", "Loading", "Loaded", "Failed"] | None = Field(
        default=None, description="How far the loader is.", examples=["Loaded"]
    )


class Failure(ApiModel):
    """How a container of the current revision failed."""

    pod: Name | None = Field(
        default=None, description="Pod in which it was first seen.", examples=["iris-5d9f7c8b6-x2x7p"]
    )
    container: Name | None = Field(
        default=None, description="Container that failed; absent when the pod failed as a whole.", examples=["model"]
    )
    reason: str | None = Field(
        default=None, max_length=1024, description="One word of the kubelet's.", examples=["OOMKilled"]
    )
    exit_code: Annotated[int, Field(ge=-2_147_483_648, le=2_147_483_647, json_schema_extra=INT32)] | None = Field(
        default=None, description="Exit code of the container.", examples=[137]
    )
    message: Message | None = Field(
        default=None, description="Its last words.", examples=["MemoryError: cannot allocate 2.0 GiB"]
    )
    time: Time | None = Field(default=None, description="When it first failed like this.", examples=[_TIME])


class ModelServiceStatus(ApiModel):
    """What is running."""

    observed_generation: Generation | None = Field(
        default=None,
        description="Generation of the spec that this status was computed from; -1 before the first look.",
        examples=[3],
    )
    url: Url | None = Field(
        default=None, description="Where the model is reached.", examples=["https://iris.example.com"]
    )
    address: Address | None = Field(
        default=None,
        description="Where the model is reached inside the cluster.",
        examples=[{"url": "http://iris.ml.svc"}],
    )
    selector: str | None = Field(
        default=None,
        max_length=1024,
        description="Label selector of the pods, for the scale subresource.",
        examples=["app.kubernetes.io/name=modelservice,app.kubernetes.io/instance=iris"],
    )
    replicas: Observed | None = Field(default=None, description="Pods that exist.", examples=[2])
    ready_replicas: Observed | None = Field(default=None, description="Pods that are ready.", examples=[2])
    updated_replicas: Observed | None = Field(default=None, description="Pods of the current revision.", examples=[2])
    desired_replicas: Observed | None = Field(default=None, description="Pods that should exist.", examples=[2])
    autoscaling: AutoscalingStatus | None = Field(
        default=None,
        description="What the autoscaler does; absent without one of ours.",
        examples=[{"minReplicas": 2, "maxReplicas": 5, "currentReplicas": 2, "desiredReplicas": 3}],
    )
    model: ModelStatus | None = Field(
        default=None,
        description="The model of the current revision.",
        examples=[{"uri": "s3://models/iris/v3", "state": "Loaded"}],
    )
    last_failure: Failure | None = Field(
        default=None,
        description="Last failure of a container of the current revision. Stays when the replicas have recovered, and"
        " goes when another revision is complete.",
        examples=[{"pod": "iris-5d9f7c8b6-x2x7p", "container": "model", "reason": "OOMKilled", "exitCode": 137}],
    )
    resources: list[ResourceReference] | None = Field(
        default=None,
        max_length=32,
        description="The children.",
        examples=[[{"kind": "Deployment", "name": "iris"}]],
        json_schema_extra=ATOMIC,
    )
    conditions: list[Condition] | None = Field(
        default=None,
        max_length=32,
        description="Ready, Available, Progressing and others: what is, why, and since when.",
        examples=[
            [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "RolloutComplete",
                    "message": "All 2 replicas are available.",
                    "lastTransitionTime": _TIME,
                }
            ]
        ],
        json_schema_extra=list_map("type"),
    )
