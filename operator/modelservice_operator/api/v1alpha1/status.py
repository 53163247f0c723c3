"""Status of a ModelService."""

from typing import Annotated, Literal

from pydantic import Field

from modelservice_operator.api.markers import (
    ATOMIC,
    INT32,
    ApiModel,
    list_map,
)
from modelservice_operator.api.v1alpha1.model import MAX_EXTRA_MODELS

ReplicaCount = Annotated[int, Field(ge=0, le=2_147_483_647, json_schema_extra=INT32)]
Generation = Annotated[int, Field(ge=-1, le=2**53 - 1, json_schema_extra={"format": "int64"})]
ByteCount = Annotated[int, Field(ge=0, le=2**53 - 1, json_schema_extra={"format": "int64"})]
Name = Annotated[str, Field(max_length=253)]
Url = Annotated[str, Field(max_length=4096)]
Message = Annotated[str, Field(max_length=32_768)]
Time = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
LoadState = Literal["Pending", "Loading", "Loaded", "Failed"]
_TIME = "2026-03-01T12:00:00Z"


class Condition(ApiModel):
    """metav1.Condition (Kubernetes API conventions, "Typical status properties")."""

    type: str = Field(min_length=1, max_length=316, description="Type of the condition.", examples=["Ready"])
    status: Literal["True", "False", "Unknown"] = Field(description="Status of the condition.", examples=["True"])
    observed_generation: Generation | None = Field(
        default=None, description="Generation of the spec that the condition was computed from.", examples=[3]
    )
    last_transition_time: Time = Field(description="Time of the last change of the status.", examples=[_TIME])
    reason: str = Field(
        min_length=1, max_length=1024, description="Machine-readable reason.", examples=["RolloutComplete"]
    )
    message: Message = Field(description="Human-readable message.", examples=["All 2 replicas are available."])


class Address(ApiModel):
    """Address of the model inside the cluster."""

    url: Url | None = Field(default=None, description="URL with the cluster DNS name.", examples=["http://iris.ml.svc"])


class ResourceReference(ApiModel):
    """An object created for the ModelService."""

    kind: Name = Field(description="Kind of the object.", examples=["Deployment"])
    name: Name = Field(description="Name of the object.", examples=["iris"])


class AutoscalingStatus(ApiModel):
    """State of the HorizontalPodAutoscaler. Metric values are omitted: each change would cost a write."""

    min_replicas: ReplicaCount | None = Field(default=None, description="Minimum number of replicas.", examples=[2])
    max_replicas: ReplicaCount | None = Field(default=None, description="Maximum number of replicas.", examples=[5])
    current_replicas: ReplicaCount | None = Field(
        default=None, description="Number of replicas last observed by the autoscaler.", examples=[2]
    )
    desired_replicas: ReplicaCount | None = Field(
        default=None, description="Number of replicas last calculated by the autoscaler.", examples=[3]
    )
    last_scale_time: Time | None = Field(default=None, description="Time of the last scaling.", examples=[_TIME])


class LoadProgress(ApiModel):
    """Progress of the loader of one pod. It is updated every 15 seconds while the model is loaded."""

    loaded_bytes: ByteCount = Field(description="Number of loaded bytes.", examples=[3_221_225_472])
    total_bytes: ByteCount | None = Field(
        default=None,
        description="Size of the model in bytes. Not set if the store does not report it.",
        examples=[10_737_418_240],
    )
    percent: Annotated[int, Field(ge=0, le=100, json_schema_extra=INT32)] | None = Field(
        default=None, description="Loaded percentage of the bytes, rounded down.", examples=[30]
    )
    seconds_left: Annotated[int, Field(ge=0, le=2_592_000, json_schema_extra=INT32)] | None = Field(
        default=None, description="Estimated time left in seconds, at the rate of the last 30 seconds.", examples=[41]
    )


class ExtraModelStatus(ApiModel):
    """An extra model of the current revision."""

    name: str = Field(min_length=1, max_length=40, description="Name in model.extra.", examples=["sql"])
    uri: Url | None = Field(default=None, description="URI in the spec.", examples=["s3://adapters/sql/v3"])
    resolved_uri: Url | None = Field(
        default=None,
        alias="resolvedURI",
        description="URI that the URI in the spec resolved to, without credentials.",
        examples=["s3://adapters/sql/v3"],
    )
    digest: str | None = Field(
        default=None, max_length=512, description="Digest as its loader reports it.", examples=["blake3:af1349b9"]
    )
    state: LoadState | None = Field(default=None, description="Loading state of the extra model.", examples=["Failed"])
    reason: str | None = Field(
        default=None,
        max_length=1024,
        description="Machine-readable reason of the state, unless it is Loaded.",
        examples=["AccessDenied"],
    )


class ModelStatus(ApiModel):
    """The model of the current revision."""

    uri: Url | None = Field(default=None, description="URI in the spec.", examples=["models:/iris@champion"])
    resolved_uri: Url | None = Field(
        default=None,
        alias="resolvedURI",
        description="URI that the URI in the spec resolved to when the model was downloaded, without credentials.",
        examples=["s3://models/iris/v3"],
    )
    digest: str | None = Field(
        default=None,
        max_length=512,
        description="Digest of the downloaded model as its loader reports it, such as that of b3sum.",
        examples=["blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"],
    )
    state: LoadState | None = Field(default=None, description="Loading state of the model.", examples=["Loaded"])
    extra: list[ExtraModelStatus] | None = Field(
        default=None,
        max_length=MAX_EXTRA_MODELS,
        description="The extra models of the current revision.",
        examples=[[{"name": "sql", "uri": "s3://adapters/sql/v3", "state": "Loaded"}]],
        json_schema_extra=list_map("name"),
    )
    progress: LoadProgress | None = Field(
        default=None,
        description="Progress of the loader that runs. Only set while a load takes more than 15 seconds.",
        examples=[{"loadedBytes": 3_221_225_472, "totalBytes": 10_737_418_240, "percent": 30, "secondsLeft": 41}],
    )


class Failure(ApiModel):
    """Failure of a container of the current revision."""

    pod: Name | None = Field(
        default=None, description="Pod in which the failure was first observed.", examples=["iris-5d9f7c8b6-x2x7p"]
    )
    container: Name | None = Field(
        default=None, description="Container that failed. Not set if the pod failed as a whole.", examples=["model"]
    )
    reason: str | None = Field(
        default=None,
        max_length=1024,
        description="Reason reported by the kubelet, such as OOMKilled or Error.",
        examples=["OOMKilled"],
    )
    exit_code: Annotated[int, Field(ge=-2_147_483_648, le=2_147_483_647, json_schema_extra=INT32)] | None = Field(
        default=None, description="Exit code of the container.", examples=[137]
    )
    message: Message | None = Field(
        default=None,
        description="Last log line or termination message.",
        examples=["MemoryError: cannot allocate 2.0 GiB"],
    )
    time: Time | None = Field(default=None, description="Time of the first failure of this kind.", examples=[_TIME])


class ModelServiceStatus(ApiModel):
    """Observed state."""

    observed_generation: Generation | None = Field(
        default=None,
        description="Generation of the spec that this status was computed from; -1 until the operator has processed"
        " the object.",
        examples=[3],
    )
    url: Url | None = Field(default=None, description="URL of the model.", examples=["https://iris.example.com"])
    address: Address | None = Field(
        default=None,
        description="Address of the model inside the cluster.",
        examples=[{"url": "http://iris.ml.svc"}],
    )
    selector: str | None = Field(
        default=None,
        max_length=1024,
        description="Label selector of the pods, for the scale subresource.",
        examples=["app.kubernetes.io/name=modelservice,app.kubernetes.io/instance=iris"],
    )
    replicas: ReplicaCount | None = Field(default=None, description="Number of pods.", examples=[2])
    ready_replicas: ReplicaCount | None = Field(default=None, description="Number of ready pods.", examples=[2])
    updated_replicas: ReplicaCount | None = Field(
        default=None, description="Number of pods of the current revision.", examples=[2]
    )
    desired_replicas: ReplicaCount | None = Field(default=None, description="Desired number of pods.", examples=[2])
    autoscaling: AutoscalingStatus | None = Field(
        default=None,
        description="State of the HorizontalPodAutoscaler. Not set without one managed by the operator.",
        examples=[{"minReplicas": 2, "maxReplicas": 5, "currentReplicas": 2, "desiredReplicas": 3}],
    )
    model: ModelStatus | None = Field(
        default=None,
        description="The model of the current revision.",
        examples=[{"uri": "s3://models/iris/v3", "state": "Loaded"}],
    )
    last_failure: Failure | None = Field(
        default=None,
        description="Last failure of a container of the current revision. Retained after recovery until another"
        " revision is complete.",
        examples=[{"pod": "iris-5d9f7c8b6-x2x7p", "container": "model", "reason": "OOMKilled", "exitCode": 137}],
    )
    resources: list[ResourceReference] | None = Field(
        default=None,
        max_length=32,
        description="Objects created for the ModelService.",
        examples=[[{"kind": "Deployment", "name": "iris"}]],
        json_schema_extra=ATOMIC,
    )
    conditions: list[Condition] | None = Field(
        default=None,
        max_length=32,
        description="Conditions: Ready, Available, Progressing and others.",
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
