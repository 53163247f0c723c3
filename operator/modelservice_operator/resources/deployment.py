"""Builds the Deployment. Its pods comply with the Pod Security Standard "restricted"."""

from typing import Any

from modelservice_operator.api.markers import (
    ApiModel,
)
from modelservice_operator.api.v1alpha1.pods import EnvVar, Probes, ResourceRequirements
from modelservice_operator.api.v1alpha1.scaling import RolloutOptions
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import DEPLOYMENT
from modelservice_operator.apimachinery.quantity import Quantity
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import (
    CONTAINER_NAME,
    HTTP_PORT_NAME,
    SUSPENDED_ANNOTATION,
    child_metadata,
    image_pull_secrets,
    int_or_string,
    labels,
    omit_none,
    selector,
    type_meta,
)
from modelservice_operator.resources.model_volume import NO_MODEL_VOLUME, ModelVolume
from modelservice_operator.resources.probes import build_probes, startup_seconds
from modelservice_operator.resources.replicas import ReplicaOwner, initial_replicas, replica_owner
from modelservice_operator.resources.security_context import CONTAINER_SECURITY, pod_security
from modelservice_operator.resources.volumes import build_volume, build_volume_mount

_DEFAULT_REQUESTS = {"cpu": "500m", "memory": "512Mi"}
_DEADLINE_MARGIN_SECONDS = 300
_REVISION_HISTORY_LIMIT = 3


def build_deployment(service: ModelService, model_volume: ModelVolume = NO_MODEL_VOLUME) -> DesiredChild:
    """Return the Deployment. Replicas are set only at creation and by scaling; an apply never contains them."""
    replicas, owner = initial_replicas(service), replica_owner(service)
    suspended = replicas == 0 and owner is not ReplicaOwner.EXTERNAL
    body = {
        **type_meta(DEPLOYMENT),
        "metadata": child_metadata(service, annotations={SUSPENDED_ANNOTATION: "true"} if suspended else None),
        "spec": {
            "selector": {"matchLabels": selector(service)},
            **_rollout_fields(service, model_volume),
            "template": {"metadata": _build_pod_metadata(service), "spec": _build_pod_spec(service, model_volume)},
        },
    }
    return DesiredChild.of(
        DEPLOYMENT, body, replicas=replicas, fixed_replicas=owner in {ReplicaOwner.FIXED, ReplicaOwner.SUSPENDED}
    )


def _rollout_fields(service: ModelService, model_volume: ModelVolume) -> dict[str, Any]:
    options = service.spec.rollout or RolloutOptions()
    startup = model_volume.timeout_seconds + startup_seconds(service.spec.probes or Probes())
    deadline = startup + (options.min_ready_seconds or 0) + _DEADLINE_MARGIN_SECONDS
    history = options.revision_history_limit
    return {
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {
                "maxSurge": int_or_string(options.max_surge or "1"),
                "maxUnavailable": int_or_string(options.max_unavailable or "0"),
            },
        },
        "revisionHistoryLimit": _REVISION_HISTORY_LIMIT if history is None else history,
        "progressDeadlineSeconds": options.progress_deadline_seconds or deadline,
        **omit_none(minReadySeconds=options.min_ready_seconds or None),
    }


def _build_pod_metadata(service: ModelService) -> dict[str, Any]:
    # The operator's labels take precedence: the selectors of the Service and the Deployment match them.
    merged = {**(service.spec.pod_labels or {}), **labels(service)}
    return {"labels": merged, **omit_none(annotations=service.spec.pod_annotations or None)}


def _build_pod_spec(service: ModelService, model_volume: ModelVolume) -> dict[str, Any]:
    spec = service.spec
    return {
        "automountServiceAccountToken": spec.service_account_name is not None,
        "enableServiceLinks": False,
        "securityContext": pod_security(spec),
        "containers": [_build_container(service, model_volume)],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            *model_volume.volumes,
            *(build_volume(mount) for mount in spec.mounts or ()),
        ],
        **omit_none(
            initContainers=list(model_volume.init_containers) or None, imagePullSecrets=image_pull_secrets(spec)
        ),
        **_copied_fields(service),
    }


def _copied_fields(service: ModelService) -> dict[str, Any]:
    """Return the fields that have the same name and form in a PodSpec (core/v1)."""
    spec = service.spec
    spreads = [
        _dump(spread) | {"labelSelector": {"matchLabels": selector(service)}}
        for spread in spec.topology_spread_constraints or ()
    ]
    return omit_none(
        serviceAccountName=spec.service_account_name,
        nodeSelector=spec.node_selector,
        affinity=spec.affinity,
        priorityClassName=spec.priority_class_name,
        runtimeClassName=spec.runtime_class_name,
        terminationGracePeriodSeconds=spec.termination_grace_period_seconds,
        tolerations=[_dump(toleration) for toleration in spec.tolerations or ()] or None,
        topologySpreadConstraints=spreads or None,
    )


def _dump(model: ApiModel) -> dict[str, Any]:
    return model.model_dump(by_alias=True, exclude_none=True)


def _build_container(service: ModelService, model_volume: ModelVolume) -> dict[str, Any]:
    spec = service.spec
    return {
        "name": CONTAINER_NAME,
        "image": spec.image,
        **omit_none(
            imagePullPolicy=spec.image_pull_policy,
            command=spec.command,
            args=spec.args,
            workingDir=spec.working_dir,
        ),
        "ports": [{"name": HTTP_PORT_NAME, "containerPort": spec.container_port, "protocol": "TCP"}],
        "env": _build_environment(service),
        "resources": _build_resources(spec.resources),
        **build_probes(spec.probes or Probes(), container_port=spec.container_port),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a path inside the container
            *model_volume.mounts,
            *(build_volume_mount(mount) for mount in spec.mounts or ()),
        ],
    }


def _build_environment(service: ModelService) -> list[dict[str, Any]]:
    spec = service.spec
    values = {"PORT": str(spec.container_port), "MODEL_NAME": service.metadata.name}
    if spec.model is not None:
        values["MODEL_NAME"] = spec.model.name or service.metadata.name
        if spec.model.uri is not None:
            values |= {"MODEL_URI": spec.model.uri, "MODEL_PATH": spec.model.mount_path}
    variables = [{"name": name, "value": _escape(value)} for name, value in values.items()]
    return variables + [_build_variable(variable) for variable in spec.env or ()]


def _build_variable(variable: EnvVar) -> dict[str, Any]:
    if variable.value_from is not None:
        source = variable.value_from.model_dump(exclude_none=True, by_alias=True)
        if "fieldRef" in source:
            # The default of the API server: maps such as this one are compared as a whole.
            source["fieldRef"]["apiVersion"] = "v1"
        return {"name": variable.name, "valueFrom": source}
    # The API server drops an empty value, which would otherwise count as drift at each reconcile.
    value = _escape(variable.value) if variable.value else None
    return {"name": variable.name, **omit_none(value=value)}


def _escape(value: str) -> str:
    """Double each `$`: the kubelet expands $(NAME) in values and turns $$ into $ (API reference, EnvVar)."""
    return value.replace("$", "$$")


def _build_resources(resources: ResourceRequirements | None) -> dict[str, dict[str, Quantity]]:
    """Return requests and limits. Defaults apply only if both are unset: a default request could exceed a limit."""
    if resources is None:
        return {"requests": {name: Quantity(value) for name, value in _DEFAULT_REQUESTS.items()}}
    blocks = {"requests": resources.requests, "limits": resources.limits}
    return {
        kind: {name: Quantity(value) for name, value in amounts.items()} for kind, amounts in blocks.items() if amounts
    }
