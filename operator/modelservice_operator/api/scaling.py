"""How many replicas there are, how they are replaced, and how many may be missing."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from modelservice_operator.api.schema import (
    ATOMIC,
    FREE_FORM,
    INT32,
    ApiModel,
    Count,
    IntOrPercent,
    PositiveCount,
    PositiveSeconds,
    Rule,
    Seconds,
    cel,
)

Percentage = Annotated[int, Field(ge=1, le=1000, json_schema_extra=INT32)]
_METRIC_TYPES = "['External', 'Object']"


class Metric(ApiModel):
    """A MetricSpec of autoscaling/v2: the type is checked here, the rest by the API server when the child is made."""

    model_config = ConfigDict(extra="allow", json_schema_extra=FREE_FORM)
    type: Literal["Resource", "ContainerResource", "Pods", "Object", "External"] = Field(
        description="Kind of the metric."
    )


class Autoscaling(ApiModel):
    """How the replicas follow the load: a HorizontalPodAutoscaler on the model container, or somebody else."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            Rule(
                "!has(self.managedBy) || self.managedBy != 'External' || !(has(self.minReplicas)"
                " || has(self.maxReplicas) || has(self.targetCPUUtilizationPercentage)"
                " || has(self.targetMemoryUtilizationPercentage) || has(self.metrics) || has(self.behavior))",
                "managedBy External leaves scaling to somebody else: remove every other field of autoscaling",
            ),
            (
                "(has(self.managedBy) && self.managedBy == 'External') || has(self.maxReplicas)",
                "maxReplicas is required, unless managedBy is External",
            ),
            Rule(
                "!has(self.minReplicas) || self.minReplicas > 0 || (has(self.metrics)"
                f" && self.metrics.exists(metric, metric.type in {_METRIC_TYPES}))",
                "minReplicas 0 needs a metric of type External or Object: pods that do not run use no CPU",
            ),
        )
    )
    managed_by: Literal["Operator", "External"] | None = Field(
        default=None,
        description="External: no autoscaler is made and the replicas are never written, for KEDA or an autoscaler of"
        " your own that targets the Deployment. Defaults to Operator.",
    )
    min_replicas: Count | None = Field(
        default=None,
        description="Least number of replicas. Defaults to spec.replicas. 0 needs an External or Object metric.",
        examples=[2],
    )
    max_replicas: PositiveCount | None = Field(default=None, description="Greatest number of replicas.", examples=[5])
    target_cpu_utilization_percentage: Percentage | None = Field(
        default=None,
        alias="targetCPUUtilizationPercentage",
        description="Average CPU use of the model container that the autoscaler aims at, in percent of its CPU"
        " request. Defaults to 80 when no other metric is given.",
        examples=[80],
    )
    target_memory_utilization_percentage: Percentage | None = Field(
        default=None,
        description="Average memory use that the autoscaler aims at, in percent of the memory request.",
        examples=[70],
    )
    metrics: list[Metric] | None = Field(
        default=None, max_length=16, description="More metrics, as in autoscaling/v2.", json_schema_extra=ATOMIC
    )
    behavior: dict[str, Any] | None = Field(
        default=None, max_length=8, description="Speed of scaling, as in autoscaling/v2.", json_schema_extra=FREE_FORM
    )


class Rollout(ApiModel):
    """How replicas are replaced by those of a new revision."""

    max_surge: IntOrPercent | None = Field(default=None, description="Replicas above the wanted count. Defaults to 1.")
    max_unavailable: IntOrPercent | None = Field(
        default=None, description="Replicas that may be missing meanwhile. Defaults to 0."
    )
    min_ready_seconds: Seconds | None = Field(
        default=None, description="How long a replica must be ready before it counts."
    )
    progress_deadline_seconds: PositiveSeconds | None = Field(
        default=None,
        description="When a rollout without progress counts as failed. Defaults to a little more than the time that a"
        " server may take to start.",
    )
    revision_history_limit: Count | None = Field(default=None, description="Old revisions to keep. Defaults to 3.")


class DisruptionBudget(ApiModel):
    """How many replicas a node drain may take away; made only when more than one replica is certain."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "has(self.minAvailable) != has(self.maxUnavailable)",
                "set exactly one of minAvailable and maxUnavailable",
            )
        )
    )
    min_available: IntOrPercent | None = Field(default=None, description="Replicas that must stay.")
    max_unavailable: IntOrPercent | None = Field(default=None, description="Replicas that may go.")
