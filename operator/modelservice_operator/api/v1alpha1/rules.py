"""CEL rules that compare fields of different parts of the spec. Rules of one part are next to its fields.

Rules here are never tightened in a served version: the API server would reject `kubectl scale` of existing objects. A
tightened rule of one field rejects only changes of that field (ratcheting, KEP-4008).
"""

from modelservice_operator.api.markers import (
    Rule,
)
from modelservice_operator.api.v1alpha1.containers import CONTAINER_RULES
from modelservice_operator.api.v1alpha1.dns import DNS_RULES
from modelservice_operator.api.v1alpha1.environment import ENV_RULES
from modelservice_operator.api.v1alpha1.lifecycle import LIFECYCLE_RULES
from modelservice_operator.api.v1alpha1.pods import POD_RULES
from modelservice_operator.api.v1alpha1.ports import PORT_RULES
from modelservice_operator.api.v1alpha1.probes import PROBE_RULES
from modelservice_operator.api.v1alpha1.volumes import VOLUME_RULES

_HAS_MAX_REPLICAS = "has(self.autoscaling) && has(self.autoscaling.maxReplicas)"
_MIN_REPLICAS_RULE = (
    f"!({_HAS_MAX_REPLICAS})"
    " || (has(self.autoscaling.minReplicas) ? self.autoscaling.minReplicas : self.replicas)"
    " <= self.autoscaling.maxReplicas"
)
_CPU_TARGET = (
    f"{_HAS_MAX_REPLICAS} && (has(self.autoscaling.targetCPUUtilizationPercentage)"
    " || (!has(self.autoscaling.targetMemoryUtilizationPercentage)"
    " && (!has(self.autoscaling.metrics) || self.autoscaling.metrics.size() == 0)))"
)
_MEMORY_TARGET = f"{_HAS_MAX_REPLICAS} && has(self.autoscaling.targetMemoryUtilizationPercentage)"
_REQUEST_RULE = (
    "!({target}) || !has(self.resources)"
    " || (has(self.resources.requests) && '{kind}' in self.resources.requests)"
    " || (has(self.resources.limits) && '{kind}' in self.resources.limits)"
)
_STARTUP = "self.?probes.?startup"
_STARTUP_SECONDS = (
    f"(!{_STARTUP}.hasValue() ? 0 : {_STARTUP}.?initialDelaySeconds.orValue(0)"
    f" + {_STARTUP}.?periodSeconds.orValue(10) * {_STARTUP}.?failureThreshold.orValue(3))"
)
_DEADLINE = (
    "!has(self.rollout) || !has(self.rollout.progressDeadlineSeconds) || self.rollout.progressDeadlineSeconds"
    f" > {_STARTUP_SECONDS}"
    " + self.?model.?loader.?timeoutSeconds.orValue(0) * (1 + self.?model.?extra.orValue([]).size())"
)
SPEC_RULES = (
    Rule(
        _MIN_REPLICAS_RULE,
        "autoscaling.minReplicas (or replicas, if it is not set) must not be greater than autoscaling.maxReplicas:"
        " raise maxReplicas or lower the minimum",
        ".autoscaling.maxReplicas",
    ),
    Rule(
        f"!({_HAS_MAX_REPLICAS}) || self.replicas >= 1"
        " || (has(self.autoscaling.minReplicas) && self.autoscaling.minReplicas == 0)",
        "replicas must be at least 1 with autoscaling: set suspend to true to run no replicas",
        ".replicas",
    ),
    Rule(
        _REQUEST_RULE.format(kind="cpu", target=_CPU_TARGET),
        "a CPU target requires a CPU request or limit: set resources.requests.cpu",
        ".resources",
    ),
    Rule(
        _REQUEST_RULE.format(kind="memory", target=_MEMORY_TARGET),
        "a memory target requires a memory request or limit: set resources.requests.memory",
        ".resources",
    ),
    Rule(
        _DEADLINE,
        "progressDeadlineSeconds must be greater than the maximum startup time of the server (probes.startup:"
        " initialDelaySeconds + periodSeconds * failureThreshold; plus model.loader.timeoutSeconds for the model"
        " and each of model.extra): raise it, or remove it",
        ".rollout.progressDeadlineSeconds",
    ),
    *ENV_RULES,
    *LIFECYCLE_RULES,
    *PORT_RULES,
    *PROBE_RULES,
    *CONTAINER_RULES,
    *POD_RULES,
    *VOLUME_RULES,
    *DNS_RULES,
)
