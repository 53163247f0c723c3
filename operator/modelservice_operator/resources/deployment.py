"""ModelService -> Deployment. Its pods pass the Pod Security profile "restricted" (Pod Security Standards)."""

from typing import Any

from modelservice_operator.api.markers import ApiModel
from modelservice_operator.api.v1alpha1.pods import EnvVar, Probes, Resources
from modelservice_operator.api.v1alpha1.scaling import Rollout
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import DEPLOYMENT
from modelservice_operator.apimachinery.quantity import Quantity
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import (
    CONTAINER_NAME,
    HTTP_PORT_NAME,
    SUSPENDED_ANNOTATION,
    child_metadata,
    int_or_string,
    labels,
    selector,
    type_meta,
)
from modelservice_operator.resources.model_volume import NO_MODEL_VOLUME, ModelVolume
from modelservice_operator.resources.probes import build_probes, startup_seconds
from modelservice_operator.resources.replicas import ReplicaOwner, initial_replicas, replica_owner
from modelservice_operator.resources.security_context import CONTAINER_SECURITY, pod_security
from modelservice_operator.resources.volumes import build_volume, build_volume_mount

_DEFAULT_REQUESTS = {"cpu": "500m", "memory": "512Mi"}
_DEADLINE_MARGIN = 300
_REVISIONS = 3


def build_deployment(service: ModelService, loading: ModelVolume = NO_MODEL_VOLUME) -> DesiredChild:
    """The Deployment. `replicas` is what it is created with; what is applied later never names a count."""
    start, decides = initial_replicas(service), replica_owner(service)
    asleep = start == 0 and decides is not ReplicaOwner.EXTERNAL
    body = {
        **type_meta(DEPLOYMENT),
        "metadata": child_metadata(service, annotations={SUSPENDED_ANNOTATION: "true"} if asleep else None),
        "spec": {
            "selector": {"matchLabels": selector(service)},
            **_rollout(service, loading),
            "template": {"metadata": _pod_metadata(service), "spec": _pod(service, loading)},
        },
    }
    return DesiredChild.of(
        DEPLOYMENT, body, replicas=start, fixed_replicas=decides in {ReplicaOwner.FIXED, ReplicaOwner.SUSPENDED}
    )


def _rollout(service: ModelService, loading: ModelVolume) -> dict[str, Any]:
    options = service.spec.rollout or Rollout()
    least = (
        loading.timeout_seconds + startup_seconds(service.spec.probes or Probes()) + (options.min_ready_seconds or 0)
    )
    history = options.revision_history_limit
    spec = {
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {
                "maxSurge": int_or_string(options.max_surge or "1"),
                "maxUnavailable": int_or_string(options.max_unavailable or "0"),
            },
        },
        "revisionHistoryLimit": _REVISIONS if history is None else history,
        "progressDeadlineSeconds": options.progress_deadline_seconds or least + _DEADLINE_MARGIN,
    }
    return spec | ({"minReadySeconds": options.min_ready_seconds} if options.min_ready_seconds else {})


def _pod_metadata(service: ModelService) -> dict[str, Any]:
    # Our own labels win: the Service and the Deployment find the pods by them.
    metadata: dict[str, Any] = {"labels": {**(service.spec.pod_labels or {}), **labels(service)}}
    return metadata | ({"annotations": service.spec.pod_annotations} if service.spec.pod_annotations else {})


def _pod(service: ModelService, loading: ModelVolume) -> dict[str, Any]:
    spec = service.spec
    pod = {
        "automountServiceAccountToken": spec.service_account_name is not None,
        "enableServiceLinks": False,
        "securityContext": pod_security(spec),
        "containers": [_container(service, loading)],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            *loading.volumes,
            *(build_volume(mount) for mount in spec.mounts or ()),
        ],
    }
    if loading.init_containers:
        pod["initContainers"] = list(loading.init_containers)
    if spec.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": secret.name} for secret in spec.image_pull_secrets]
    return pod | _placement(service)


def _placement(service: ModelService) -> dict[str, Any]:
    """What Kubernetes calls the same and takes as it is."""
    spec = service.spec
    spreads = [
        _plain(spread) | {"labelSelector": {"matchLabels": selector(service)}}
        for spread in spec.topology_spread_constraints or ()
    ]
    same = {
        "serviceAccountName": spec.service_account_name,
        "nodeSelector": spec.node_selector,
        "affinity": spec.affinity,
        "priorityClassName": spec.priority_class_name,
        "runtimeClassName": spec.runtime_class_name,
        "terminationGracePeriodSeconds": spec.termination_grace_period_seconds,
        "tolerations": [_plain(toleration) for toleration in spec.tolerations or ()] or None,
        "topologySpreadConstraints": spreads or None,
    }
    return {name: value for name, value in same.items() if value is not None}


def _plain(model: ApiModel) -> dict[str, Any]:
    return model.model_dump(by_alias=True, exclude_none=True)


def _container(service: ModelService, loading: ModelVolume) -> dict[str, Any]:
    spec = service.spec
    optional = {
        "imagePullPolicy": spec.image_pull_policy,
        "command": spec.command,
        "args": spec.args,
        "workingDir": spec.working_dir,
    }
    return {
        "name": CONTAINER_NAME,
        "image": spec.image,
        **{name: value for name, value in optional.items() if value is not None},
        "ports": [{"name": HTTP_PORT_NAME, "containerPort": spec.container_port, "protocol": "TCP"}],
        "env": _environment(service),
        "resources": _resources(spec.resources),
        **build_probes(spec.probes or Probes(), container_port=spec.container_port),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a path inside the container
            *loading.mounts,
            *(build_volume_mount(mount) for mount in spec.mounts or ()),
        ],
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
        if "fieldRef" in source:
            # The API server would add it, to a map that is compared whole.
            source["fieldRef"]["apiVersion"] = "v1"
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
