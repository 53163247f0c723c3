"""Checks that the fields of an input have the form that the conversion reads: maps, lists, numbers.

The API server rejects other forms; here they are one sentence that names the field. A null is a missing field, as for
the API server.
"""

import types
from collections.abc import Callable, Sequence
from typing import Any

from modelservice_cli.convert.notes import subject_of
from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.objects import Json, Object

_LISTS_OF_MAPS = frozenset(
    {
        *("containers", "initContainers", "volumes", "env", "envFrom", "ports", "volumeMounts", "imagePullSecrets"),
        *("tolerations", "topologySpreadConstraints", "hostAliases", "resourceClaims", "claims", "metrics", "rules"),
        *(
            "paths",
            "tls",
            "ingress",
            "egress",
            "from",
            "to",
            "sources",
            "parentRefs",
            "backendRefs",
            "matches",
            "policies",
        ),
        *("podMetricsEndpoints", "endpoints", "httpHeaders", "matchExpressions", "nodeSelectorTerms", "items"),
    }
)
_LISTS_OF_TEXTS = frozenset({"command", "args", "hosts", "hostnames", "policyTypes", "ipFamilies", "values"})
_MAPS = frozenset(
    {
        *("metadata", "spec", "template", "labels", "annotations", "selector", "matchLabels", "resources", "requests"),
        *(
            "limits",
            "securityContext",
            "affinity",
            "readinessProbe",
            "livenessProbe",
            "startupProbe",
            "httpGet",
            "grpc",
        ),
        *("tcpSocket", "exec", "sleep", "lifecycle", "preStop", "postStart", "configMap", "secret", "emptyDir", "csi"),
        *("persistentVolumeClaim", "ephemeral", "projected", "downwardAPI", "valueFrom", "secretKeyRef", "fieldRef"),
        *("configMapKeyRef", "resourceFieldRef", "serviceAccountToken", "volumeClaimTemplate", "scaleTargetRef"),
        *("behavior", "scaleUp", "scaleDown", "strategy", "rollingUpdate", "podSelector", "namespaceSelector", "http"),
        *("ipBlock", "backend", "defaultBackend", "target", "metric", "pods", "external", "containerResource"),
        *("labelSelector", "nodeSelector", "dnsConfig", "sessionAffinityConfig", "clientIP", "timeouts", "hostPath"),
        *("podAntiAffinity", "podAffinity", "nodeAffinity"),
    }
)
_NUMBERS = frozenset(
    {
        *("containerPort", "replicas", "minReplicas", "maxReplicas", "averageUtilization", "seconds", "nodePort"),
        *("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold", "successThreshold"),
        *("progressDeadlineSeconds", "minReadySeconds", "revisionHistoryLimit", "terminationGracePeriodSeconds"),
        *("runAsUser", "runAsGroup", "fsGroup", "targetCPUUtilizationPercentage", "targetAverageUtilization"),
    }
)
_TEXTS = frozenset(
    {
        *("name", "image", "mountPath", "subPath", "namespace", "key", "operator", "protocol", "topologyKey", "path"),
        *("whenUnsatisfiable", "host", "ip", "pathType", "serviceAccountName", "serviceAccount", "restartPolicy"),
        *("clusterIP", "ipFamilyPolicy", "sessionAffinity", "apiVersion", "kind", "interval", "container"),
    }
)
_FLAGS = frozenset({"automountServiceAccountToken", "readOnly", "readOnlyRootFilesystem", "privileged"})
_FREE = frozenset({"labels", "annotations", "matchLabels", "nodeSelector", "requests", "limits", "volumeAttributes"})
"""Maps with keys of users, which may have the names of fields."""


def checked_structure(body: Object) -> Object:
    """Return a copy of an object without nulls. Raises CliError if a field has another form than the API has."""
    subject = subject_of(body)
    checked: Object = _checked(body, "", subject)
    return checked


def _checked(node: Json, path: str, subject: str) -> Any:
    if isinstance(node, list):
        return [_checked(item, f"{path}[{index}]", subject) for index, item in enumerate(node) if item is not None]
    if not isinstance(node, dict):
        return node
    holder = path.rpartition(".")[2].partition("[")[0]
    found = {}
    for key, value in node.items():
        if value is None:
            continue
        place = f"{path}.{key}".lstrip(".")
        if holder not in _FREE and (wanted := _problem(str(key), value, holder)) is not None:
            raise CliError(f"{subject} {place} must be {wanted}: the API server rejects the object.", ExitCode.NEGATIVE)
        found[key] = _checked(value, place, subject)
    return found


def _problem(key: str, value: Json, holder: str) -> str | None:
    """Return the form that a field must have; None if it has it."""
    return next((text for concerns, fits, text in _FORMS if concerns(key, holder) and not fits(value)), None)


def _is_object(key: str, holder: str) -> bool:
    return (
        (key in _MAPS and holder != "resourceFieldRef")
        or (key == "service" and holder in {"backend", "defaultBackend"})
        or (key == "port" and holder == "service")
        or (key == "resource" and holder in {"metrics", "spec"})
    )


def _is_list_of(value: Json, item: type | types.UnionType) -> bool:
    return isinstance(value, list) and all(isinstance(one, item) for one in value)


def _is_whole(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_FORMS: Sequence[tuple[Callable[[str, str], bool], Callable[[Json], bool], str]] = (
    (_is_object, lambda value: isinstance(value, dict), "an object"),
    (lambda key, _: key in _LISTS_OF_MAPS, lambda value: _is_list_of(value, dict | None), "a list of objects"),
    (lambda key, _: key in _LISTS_OF_TEXTS, lambda value: _is_list_of(value, str), "a list of texts"),
    (lambda key, _: key in _NUMBERS, _is_whole, "a whole number"),
    (lambda key, _: key in _TEXTS, lambda value: isinstance(value, str), "a text"),
    (lambda key, _: key in _FLAGS, lambda value: isinstance(value, bool), "true or false"),
    (
        lambda key, holder: key in {"port", "targetPort", "servicePort"} and holder != "service",
        lambda value: _is_whole(value) or isinstance(value, str),
        "a number or a name",
    ),
)
"""Fields, by name and the field above; the test of their values; the form as text."""


def with_metadata(body: Object) -> Object:
    """Return an object of another kind. Raises CliError if its metadata has no name."""
    metadata = body.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise CliError(f"metadata of a {body['kind']} must be an object: the API server rejects it.", ExitCode.NEGATIVE)
    return body
