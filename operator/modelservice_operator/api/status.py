"""ModelService status: what is running, as people and programs read it."""

from typing import Annotated, Literal

from pydantic import Field

from modelservice_operator.api.schema import INT32, ApiModel, list_map


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


class AutoscalingStatus(ApiModel):
    """What the autoscaler does. Its utilisation is not here: it would be a write for each look that it takes."""

    min_replicas: Observed | None = Field(default=None, description="Least number of replicas.")
    max_replicas: Observed | None = Field(default=None, description="Greatest number of replicas.")
    current_replicas: Observed | None = Field(default=None, description="Replicas that it saw last.")
    desired_replicas: Observed | None = Field(default=None, description="Replicas that it asks for.")
    last_scale_time: str | None = Field(
        default=None, description="When it last changed the number.", json_schema_extra={"format": "date-time"}
    )


class Failure(ApiModel):
    """How a container of the current revision failed."""

    pod: str | None = Field(default=None, max_length=253, description="Pod in which it was first seen.")
    container: str | None = Field(
        default=None, max_length=63, description="Container that failed; absent when the pod failed as a whole."
    )
    reason: str | None = Field(default=None, max_length=1024, description="One word of the kubelet's.")
    exit_code: Observed | None = Field(default=None, description="Exit code of the container.")
    message: str | None = Field(default=None, max_length=1024, description="Its last words.")
    time: str | None = Field(
        default=None, description="When it first failed like this.", json_schema_extra={"format": "date-time"}
    )


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
    autoscaling: AutoscalingStatus | None = Field(
        default=None, description="What the autoscaler does; absent without one of ours."
    )
    last_failure: Failure | None = Field(
        default=None,
        description="Last failure of a container of the current revision. Stays when the replicas have recovered, and"
        " goes when another revision is complete.",
    )
    resources: list[ResourceReference] | None = Field(default=None, description="The children.")
    conditions: list[Condition] | None = Field(
        default=None,
        description="Ready, Available, Progressing, AutoscalerReady, and Reconciling or Stalled while they hold.",
        json_schema_extra=list_map("type"),
    )
