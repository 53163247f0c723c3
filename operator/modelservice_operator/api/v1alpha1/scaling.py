"""How many replicas there are, how they are replaced, and how many may be missing."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from modelservice_operator.api.markers import (
    ATOMIC,
    INT32,
    ApiModel,
    Count,
    IntOrPercent,
    IntOrPercentUpTo100,
    PositiveCount,
    PositiveSeconds,
    Rule,
    Seconds,
    cel_rules,
    upstream_schema,
)

Percentage = Annotated[int, Field(ge=1, le=1000, json_schema_extra=INT32)]
Metric = Annotated[dict[str, Any], Field(json_schema_extra=upstream_schema("MetricSpec"))]
Behavior = Annotated[dict[str, Any], Field(json_schema_extra=upstream_schema("Behavior"))]
_METRIC_TYPES = "['External', 'Object']"


class Autoscaling(ApiModel):
    """How the replicas follow the load: a HorizontalPodAutoscaler on the model container, or somebody else."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
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
        " your own that targets the Deployment. Absent: Operator.",
        examples=["External"],
    )
    min_replicas: Count | None = Field(
        default=None,
        description="Least number of replicas. Absent: spec.replicas. 0 needs an External or Object metric.",
        examples=[2],
    )
    max_replicas: PositiveCount | None = Field(default=None, description="Greatest number of replicas.", examples=[5])
    target_cpu_utilization_percentage: Percentage | None = Field(
        default=None,
        alias="targetCPUUtilizationPercentage",
        description="Average CPU use of the model container that the autoscaler aims at, in percent of its CPU"
        " request. Absent: 80 when no other metric is given.",
        examples=[80],
    )
    target_memory_utilization_percentage: Percentage | None = Field(
        default=None,
        description="Average memory use of the model container that the autoscaler aims at, in percent of its memory"
        " request.",
        examples=[70],
    )
    metrics: list[Metric] | None = Field(
        default=None,
        max_length=16,
        description="More metrics, as in autoscaling/v2; the one that wants most replicas wins.",
        examples=[
            [
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": "requests_per_second"},
                        "target": {"type": "AverageValue", "averageValue": "10"},
                    },
                }
            ]
        ],
        json_schema_extra=ATOMIC,
    )
    behavior: Behavior | None = Field(
        default=None,
        description="Speed of scaling, as in autoscaling/v2.",
        examples=[{"scaleDown": {"stabilizationWindowSeconds": 60}}],
    )


class Rollout(ApiModel):
    """How replicas are replaced by those of a new revision."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            Rule(
                "!has(self.maxSurge) || !(string(self.maxSurge) in ['0', '0%', '00%', '000%'])"
                " || (has(self.maxUnavailable) && !(string(self.maxUnavailable) in ['0', '0%', '00%', '000%']))",
                "maxSurge 0 needs a maxUnavailable above 0: else no replica could be replaced",
            ),
            Rule(
                "!has(self.progressDeadlineSeconds) || !has(self.minReadySeconds)"
                " || self.progressDeadlineSeconds > self.minReadySeconds",
                "progressDeadlineSeconds must be greater than minReadySeconds: raise it, or remove it",
            ),
        )
    )
    max_surge: IntOrPercent | None = Field(
        default=None, description="Replicas above the wanted count, as a number or share. Absent: 1.", examples=["25%"]
    )
    max_unavailable: IntOrPercentUpTo100 | None = Field(
        default=None, description="Replicas that may be missing meanwhile. Absent: 0.", examples=[1]
    )
    min_ready_seconds: Seconds | None = Field(
        default=None, description="How long a replica must be ready before it counts. Absent: 0.", examples=[10]
    )
    progress_deadline_seconds: PositiveSeconds | None = Field(
        default=None,
        description="When a rollout without progress counts as failed. Absent: five minutes more than a server may"
        " take to start.",
        examples=[3600],
    )
    revision_history_limit: Count | None = Field(
        default=None, description="Old revisions to keep. Absent: 3.", examples=[3]
    )


class DisruptionBudget(ApiModel):
    """How many replicas a node drain may take away; made only when more than one replica is certain."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "has(self.minAvailable) != has(self.maxUnavailable)",
                "set exactly one of minAvailable and maxUnavailable",
            )
        )
    )
    min_available: IntOrPercentUpTo100 | None = Field(
        default=None, description="Replicas that must stay, as a number or share.", examples=["50%"]
    )
    max_unavailable: IntOrPercentUpTo100 | None = Field(
        default=None, description="Replicas that may go, as a number or share.", examples=[1]
    )
