"""CEL rules that compare fields of different parts of the spec. Rules of one part are next to its fields.

Rules here are never tightened in a served version: the API server would reject `kubectl scale` of existing objects. A
tightened rule of one field rejects only changes of that field (ratcheting, KEP-4008).
"""

from modelservice_operator.api.markers import (
    Rule,
)

MAX_REFERENCES = 24
"""Secrets, ConfigMaps, claims and ServiceAccounts per object, the most that the admission policy can check."""

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
    f"(!{_STARTUP}.hasValue() ? 1800 : {_STARTUP}.?initialDelaySeconds.orValue(0)"
    f" + {_STARTUP}.?periodSeconds.orValue(10) * {_STARTUP}.?failureThreshold.orValue(3))"
)
_DEADLINE = (
    "!has(self.rollout) || !has(self.rollout.progressDeadlineSeconds) || self.rollout.progressDeadlineSeconds"
    f" > {_STARTUP_SECONDS} + self.?model.?loader.?timeoutSeconds.orValue(0)"
)
_REFERENCES = (
    "(has(self.imagePullSecrets) ? self.imagePullSecrets.size() : 0)"
    " + (has(self.env) ? self.env.filter(e, has(e.valueFrom) && !has(e.valueFrom.fieldRef)).size() : 0)"
    " + (has(self.mounts) ? self.mounts.filter(m, !has(m.emptyDir)).size() : 0)"
    " + (self.?expose.?ingress.?tlsSecretName.hasValue() ? 1 : 0)"
    " + (self.?model.?credentials.hasValue() ? 1 : 0)"
    " + (self.?model.?cache.?persistentVolumeClaim.hasValue() ? 1 : 0)"
    " + (self.?model.?uri.orValue('').startsWith('pvc:') ? 1 : 0)"
    " + (has(self.serviceAccountName) ? 1 : 0)"
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
        " initialDelaySeconds + periodSeconds * failureThreshold, 1800 if not set; plus model.loader.timeoutSeconds):"
        " raise it, or remove it",
        ".rollout.progressDeadlineSeconds",
    ),
    Rule(
        f"{_REFERENCES} <= {MAX_REFERENCES}",
        f"at most {MAX_REFERENCES} references to Secrets, ConfigMaps, claims and ServiceAccounts: combine objects"
        " that belong together",
    ),
)
