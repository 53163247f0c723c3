"""ModelService -> Deployment. Its pods pass the Pod Security profile "restricted" (Pod Security Standards)."""

from typing import Any

from modelservice_operator.api.kinds import DEPLOYMENT
from modelservice_operator.api.v1alpha1 import EnvVar, ModelService, Probes, Resources
from modelservice_operator.resources.autoscaler import CONTAINER_NAME, starting_replicas
from modelservice_operator.resources.desired import Desired
from modelservice_operator.resources.metadata import PORT_NAME, child_metadata, labels, selector, type_meta
from modelservice_operator.resources.probes import build_probes, startup_budget
from modelservice_operator.resources.quantity import Quantity

UNPRIVILEGED_USER = 10001
"""User, group and fsGroup of the pods. Tutorial images run as root or as a named user, which runAsNonRoot refuses."""

FIRST_UNPRIVILEGED_PORT = 1024
_DEFAULT_REQUESTS = {"cpu": "500m", "memory": "512Mi"}
_DEADLINE_MARGIN = 300
_REVISIONS = 3


def build_deployment(service: ModelService) -> Desired:
    """The Deployment. `replicas` is what it is created with; what is applied later never names a count."""
    body = {
        **type_meta(DEPLOYMENT),
        "metadata": child_metadata(service),
        "spec": {
            "selector": {"matchLabels": selector(service)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "revisionHistoryLimit": _REVISIONS,
            "progressDeadlineSeconds": startup_budget(service.spec.probes or Probes()) + _DEADLINE_MARGIN,
            "template": {"metadata": {"labels": labels(service)}, "spec": _pod(service)},
        },
    }
    fixed = service.spec.autoscaling is None
    return Desired.of(DEPLOYMENT, body, replicas=starting_replicas(service), fixed_replicas=fixed)


def _pod(service: ModelService) -> dict[str, Any]:
    spec = service.spec
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": _pod_security(spec.container_port),
        "containers": [_container(service)],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    if spec.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": secret.name} for secret in spec.image_pull_secrets]
    return pod


def _pod_security(port: int) -> dict[str, Any]:
    context = {
        "runAsNonRoot": True,
        "runAsUser": UNPRIVILEGED_USER,
        "runAsGroup": UNPRIVILEGED_USER,
        "fsGroup": UNPRIVILEGED_USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if port < FIRST_UNPRIVILEGED_PORT:
        # One of the sysctls that "restricted" allows; without it a server of an unprivileged user cannot bind.
        context["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": str(port)}]
    return context


def _container(service: ModelService) -> dict[str, Any]:
    spec = service.spec
    optional = {"imagePullPolicy": spec.image_pull_policy, "command": spec.command, "args": spec.args}
    return {
        "name": CONTAINER_NAME,
        "image": spec.image,
        **{name: value for name, value in optional.items() if value is not None},
        "ports": [{"name": PORT_NAME, "containerPort": spec.container_port, "protocol": "TCP"}],
        "env": _environment(service),
        "resources": _resources(spec.resources),
        **build_probes(spec.probes or Probes(), container_port=spec.container_port),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - a path inside the container
    }


def _environment(service: ModelService) -> list[dict[str, Any]]:
    spec = service.spec
    given = {"PORT": str(spec.container_port), "MODEL_NAME": service.metadata.name}
    if spec.model is not None:
        given["MODEL_NAME"] = spec.model.name or service.metadata.name
        if spec.model.uri is not None:
            given |= {"MODEL_URI": spec.model.uri, "MODEL_PATH": spec.model.mount_path}
    ours = [{"name": name, "value": _literal(value)} for name, value in given.items()]
    return ours + [_variable(variable) for variable in spec.env or ()]


def _variable(variable: EnvVar) -> dict[str, Any]:
    if variable.value_from is not None:
        source = variable.value_from.model_dump(exclude_none=True, by_alias=True)
        return {"name": variable.name, "valueFrom": source}
    # The API server drops an empty value, which would look like a difference for ever.
    return {"name": variable.name} | ({"value": _literal(variable.value)} if variable.value else {})


def _literal(value: str) -> str:
    """`$` doubled: the kubelet expands $(NAME) in values and turns $$ into $ (API reference, EnvVar)."""
    return value.replace("$", "$$")


def _resources(resources: Resources | None) -> dict[str, dict[str, Quantity]]:
    """Defaults only for a block that is absent as a whole: a default request could exceed a limit that was set."""
    if resources is None:
        return {"requests": {name: Quantity(value) for name, value in _DEFAULT_REQUESTS.items()}}
    blocks = {"requests": resources.requests, "limits": resources.limits}
    return {
        kind: {name: Quantity(value) for name, value in amounts.items()} for kind, amounts in blocks.items() if amounts
    }
