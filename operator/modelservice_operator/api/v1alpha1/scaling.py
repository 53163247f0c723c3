"""Replica settings: autoscaling, rolling update, disruption budget."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from modelservice_operator.api.markers import (
    ATOMIC,
    INT32,
    ApiModel,
    Rule,
    cel_rules,
    upstream_schema,
)
from modelservice_operator.api.primitives import (
    Count,
    IntOrPercent,
    IntOrPercentUpTo100,
    PositiveCount,
    PositiveSeconds,
    Seconds,
)

Percentage = Annotated[int, Field(ge=1, le=1000, json_schema_extra=INT32)]
Metric = Annotated[dict[str, Any], Field(json_schema_extra=upstream_schema("MetricSpec"))]
Behavior = Annotated[dict[str, Any], Field(json_schema_extra=upstream_schema("Behavior"))]
_METRIC_TYPES = "['External', 'Object']"


class Autoscaling(ApiModel):
    """Scaling with the load, by a HorizontalPodAutoscaler of the operator or an external autoscaler."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            Rule(
                "!has(self.managedBy) || self.managedBy != 'External' || !(has(self.minReplicas)"
                " || has(self.maxReplicas) || has(self.targetCPUUtilizationPercentage)"
                " || has(self.targetMemoryUtilizationPercentage) || has(self.metrics) || has(self.behavior))",
                "managedBy External means that another controller scales: remove all other fields of autoscaling",
            ),
            (
                "(has(self.managedBy) && self.managedBy == 'External') || has(self.maxReplicas)",
                "maxReplicas is required, unless managedBy is External",
            ),
            Rule(
                "!has(self.minReplicas) || self.minReplicas > 0 || (has(self.metrics)"
                f" && self.metrics.exists(metric, metric.type in {_METRIC_TYPES}))",
                "minReplicas 0 requires a metric of type External or Object: without pods there are no CPU or memory"
                " metrics",
            ),
        )
    )
    managed_by: Literal["Operator", "External"] | None = Field(
        default=None,
        description="External: do not create a HorizontalPodAutoscaler and never set replicas. Use this with KEDA or"
        " your own autoscaler. Defaults to Operator.",
        examples=["External"],
    )
    min_replicas: Count | None = Field(
        default=None,
        description="Minimum number of replicas. Defaults to spec.replicas. 0 requires an External or Object metric.",
        examples=[2],
    )
    max_replicas: PositiveCount | None = Field(default=None, description="Maximum number of replicas.", examples=[5])
    target_cpu_utilization_percentage: Percentage | None = Field(
        default=None,
        alias="targetCPUUtilizationPercentage",
        description="Target for the average CPU utilization of the model container, as a percentage of its CPU request."
        " Defaults to 80 if no other metric is set.",
        examples=[80],
    )
    target_memory_utilization_percentage: Percentage | None = Field(
        default=None,
        description="Target for the average memory utilization of the model container, as a percentage of its memory"
        " request.",
        examples=[70],
    )
    metrics: list[Metric] | None = Field(
        default=None,
        max_length=8,
        description="Additional metrics (autoscaling/v2 MetricSpec). The metric that requires the most replicas"
        " decides.",
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
        description="Scaling behavior (autoscaling/v2 HorizontalPodAutoscalerBehavior).",
        examples=[{"scaleDown": {"stabilizationWindowSeconds": 60}}],
    )


class RolloutOptions(ApiModel):
    """Update strategy."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            Rule(
                "!has(self.type) || self.type != 'Recreate' || !(has(self.maxSurge) || has(self.maxUnavailable))",
                "type Recreate stops all replicas before it starts new ones: remove maxSurge and maxUnavailable",
            ),
            Rule(
                "!has(self.maxSurge) || !(string(self.maxSurge) in ['0', '0%', '00%', '000%'])"
                " || (has(self.maxUnavailable) && !(string(self.maxUnavailable) in ['0', '0%', '00%', '000%']))",
                "maxSurge 0 requires a maxUnavailable above 0: otherwise no replica could be replaced",
            ),
            Rule(
                "!has(self.progressDeadlineSeconds) || !has(self.minReadySeconds)"
                " || self.progressDeadlineSeconds > self.minReadySeconds",
                "progressDeadlineSeconds must be greater than minReadySeconds: raise it, or remove it",
            ),
        )
    )
    type: Literal["RollingUpdate", "Recreate"] | None = Field(
        default=None,
        description="RollingUpdate replaces replicas one after another. Recreate stops all replicas first, so that the"
        " model is unavailable during the rollout: for devices and claims that two revisions cannot share. Defaults to"
        " RollingUpdate.",
        examples=["Recreate"],
    )
    max_surge: IntOrPercent | None = Field(
        default=None,
        description="Maximum number or percentage of replicas above the desired count during a rollout. Defaults to 1.",
        examples=["25%"],
    )
    max_unavailable: IntOrPercentUpTo100 | None = Field(
        default=None,
        description="Maximum number or percentage of unavailable replicas during a rollout. Defaults to 0.",
        examples=[1],
    )
    min_ready_seconds: Seconds | None = Field(
        default=None,
        description="Seconds a replica must be ready before it counts as available. Defaults to 0.",
        examples=[10],
    )
    progress_deadline_seconds: PositiveSeconds | None = Field(
        default=None,
        description="Seconds without progress after which a rollout counts as failed. Defaults to five minutes more"
        " than the maximum startup time of the server. If probes.startup is not set, the server must start within this"
        " time.",
        examples=[3600],
    )
    revision_history_limit: Count | None = Field(
        default=None, description="Number of old revisions to retain. Defaults to 3.", examples=[3]
    )


class DisruptionBudget(ApiModel):
    """Limits for evictions, such as node drains. Created only if there are always at least two replicas."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "has(self.minAvailable) != has(self.maxUnavailable)",
                "set exactly one of minAvailable and maxUnavailable",
            )
        )
    )
    min_available: IntOrPercentUpTo100 | None = Field(
        default=None, description="Minimum number or percentage of replicas that must stay available.", examples=["50%"]
    )
    max_unavailable: IntOrPercentUpTo100 | None = Field(
        default=None,
        description="Maximum number or percentage of replicas that may be evicted at the same time.",
        examples=[1],
    )
