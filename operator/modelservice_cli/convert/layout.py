"""Counts the fields of parsed manifests that are at a place where the API has none: a measure of wrong indentation."""

from collections.abc import Iterable
from typing import Any

_CONTAINERS = frozenset({"containers", "initContainers"})
_LABEL_SELECTORS = frozenset({"selector", "podSelector", "namespaceSelector", "labelSelector"})
_METRICS = frozenset({"resource", "pods", "object", "external", "containerResource"})
_OBJECTS = frozenset({"", "template", "volumeClaimTemplate"})
_REFERENCES = frozenset({"scaleTargetRef", "targetRef", "describedObject", "fieldRef"})
_FREE = frozenset({"labels", "annotations", "matchLabels", "nodeSelector", "volumeAttributes", "data", "stringData"})
_AMOUNTS = frozenset({"requests", "limits"})
_HOLDERS: dict[str, frozenset[str]] = {
    **dict.fromkeys(("metadata", "spec"), _OBJECTS),
    **dict.fromkeys(("apiVersion", "kind"), frozenset({""}) | _REFERENCES),
    **dict.fromkeys(("labels", "annotations"), frozenset({"metadata"})),
    **dict.fromkeys(
        ("replicas", "template", "strategy", "scaleTargetRef", "minReplicas", "maxReplicas", "metrics", "behavior"),
        frozenset({"spec"}),
    ),
    **dict.fromkeys(
        ("containers", "initContainers", "volumes", "imagePullSecrets", "serviceAccountName", "tolerations"),
        frozenset({"spec"}),
    ),
    **dict.fromkeys(
        ("clusterIP", "sessionAffinity", "externalTrafficPolicy", "ingressClassName", "targetCPUUtilizationPercentage"),
        frozenset({"spec"}),
    ),
    **dict.fromkeys(("matchLabels", "matchExpressions"), _LABEL_SELECTORS | {"preference", "nodeSelectorTerms"}),
    **dict.fromkeys(
        ("image", "imagePullPolicy", "env", "envFrom", "volumeMounts", "args", "workingDir", "lifecycle"), _CONTAINERS
    ),
    **dict.fromkeys(("livenessProbe", "readinessProbe", "startupProbe"), _CONTAINERS),
    "resources": _CONTAINERS | {"spec"},
    "selector": frozenset({"spec", "metric"}),
    "ports": _CONTAINERS | {"spec", "ingress", "egress"},
    "command": _CONTAINERS | {"exec"},
    **dict.fromkeys(("requests", "limits"), frozenset({"resources"})),
    **dict.fromkeys(("cpu", "memory"), _AMOUNTS),
    **dict.fromkeys(("containerPort", "hostPort", "targetPort", "nodePort", "protocol"), frozenset({"ports"})),
    "port": frozenset({"ports", "httpGet", "tcpSocket", "grpc", "service"}),
    "resource": frozenset({"metrics", "resourceFieldRef"}),
    "target": _METRICS,
    **dict.fromkeys(("averageUtilization", "averageValue"), frozenset({"target"})),
    "http": frozenset({"rules"}),
    "paths": frozenset({"http"}),
    **dict.fromkeys(("pathType", "backend"), frozenset({"paths"})),
    **dict.fromkeys(("httpGet", "tcpSocket", "grpc"), frozenset({"livenessProbe", "readinessProbe", "startupProbe"}))
    | {"httpGet": frozenset({"livenessProbe", "readinessProbe", "startupProbe", "preStop", "postStart"})},
    "valueFrom": frozenset({"env"}),
    "value": frozenset({"env", "tolerations", "policies", "httpHeaders", "target", "options"}),
    "mountPath": frozenset({"volumeMounts"}),
    "name": _CONTAINERS
    | _METRICS
    | _REFERENCES
    | {"metadata", "ports", "env", "volumes", "volumeMounts", "imagePullSecrets", "configMap", "secret", "metric"}
    | {"secretKeyRef", "configMapKeyRef", "configMapRef", "secretRef", "service", "parentRefs", "backendRefs", "port"}
    | {"options", "httpHeaders", "claims", "resourceClaims", "sysctls"},
}
"""Fields of usual manifests, and the fields that may hold them; the empty name is the object itself."""
_REQUIRED = {"containers": ("name", "image"), "ports": (), "metrics": ("type",), "volumeMounts": ("name", "mountPath")}


def misplaced_fields(bodies: Iterable[Any]) -> int:
    """Return the number of fields at a wrong place, and of items without the fields that each has.

    Only objects with a kind are counted: those of other programs, such as Compose, have other fields.
    """
    return sum(_count(body, "") for body in bodies if isinstance(body, dict) and "kind" in body)


def _count(node: Any, holder: str) -> int:
    if isinstance(node, list):
        return sum(_count(item, holder) + _missing(item, holder) for item in node)
    if not isinstance(node, dict):
        # A text or null where an object belongs is what a lost indentation leaves.
        return int(node is None and holder in {"metadata", "spec", "template", "selector", "labels", "matchLabels"})
    found = 0
    for key, value in node.items():
        allowed = _HOLDERS.get(str(key))
        if holder in _FREE or (allowed is None and holder in _AMOUNTS):
            found += int(isinstance(value, dict | list) or str(key) in _STRUCTURE)
        elif allowed is not None:
            found += int(holder not in allowed)
        elif holder in {"", "metadata", "template", "resources"}:
            found += int(str(key) not in _OTHER.get(holder, ()))
        found += _count(value, str(key))
    return found


_STRUCTURE = frozenset({"template", "spec", "metadata", "containers", "selector", "image", "replicas", "metrics"})
"""Fields that are not labels."""
_OTHER: dict[str, frozenset[str]] = {
    "": frozenset({"status", "data", "stringData", "type", "items", "rules", "subjects", "roleRef", "secrets"}),
    "metadata": frozenset({"namespace", "uid", "generation", "resourceVersion", "creationTimestamp", "generateName"}),
    "resources": frozenset({"claims"}),
}
"""Other fields of holders that are known as a whole."""


def _missing(item: Any, holder: str) -> int:
    required = _REQUIRED.get(holder, ())
    return sum(name not in item for name in required) if isinstance(item, dict) else 0
