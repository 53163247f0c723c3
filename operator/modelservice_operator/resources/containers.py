"""Builds the containers of a pod: the model container, init containers and sidecars."""

from collections.abc import Sequence
from typing import Any

from modelservice_operator.api.v1alpha1.containers import ContainerMount, InitContainer, Sidecar
from modelservice_operator.api.v1alpha1.environment import EnvVar
from modelservice_operator.api.v1alpha1.pods import OtherResources, ResourceRequirements
from modelservice_operator.api.v1alpha1.probes import Probes
from modelservice_operator.api.v1alpha1.spec import ModelService, ModelServiceSpec
from modelservice_operator.apimachinery.quantity import Quantity
from modelservice_operator.resources.environment import build_env_from, build_environment, build_variables
from modelservice_operator.resources.lifecycle import build_hooks, build_lifecycle
from modelservice_operator.resources.metadata import CONTAINER_NAME, dump, dump_all, omit_none
from modelservice_operator.resources.model_volume import MODEL_VOLUME_NAME, ModelVolume
from modelservice_operator.resources.ports import build_container_ports
from modelservice_operator.resources.probes import DefaultPort, build_probes, build_server_probes
from modelservice_operator.resources.security_context import container_security
from modelservice_operator.resources.volumes import build_scratch_mounts, build_volume_mount

_DEFAULT_REQUESTS = {"cpu": "500m", "memory": "512Mi"}


def build_server_container(service: ModelService, model_volume: ModelVolume) -> dict[str, Any]:
    """Return the model container."""
    spec = service.spec
    models = (*model_volume.mounts, *model_volume.extra_mounts)
    mounts = [*models, *(build_volume_mount(mount) for mount in spec.mounts or ())]
    return {
        "name": CONTAINER_NAME,
        **_build_program(spec),
        **omit_none(lifecycle=build_lifecycle(spec)),
        "ports": build_container_ports(service),
        "env": build_environment(service),
        "resources": _build_server_resources(spec.resources),
        **build_server_probes(spec),
        **_build_surroundings(spec, spec.env, mounts),
    }


def build_init_containers(service: ModelService, model_volume: ModelVolume) -> list[dict[str, Any]]:
    """Return all init containers in the order of their start: sidecars, the loader, the user's init containers.

    A sidecar that mounts the model starts after the loader: a directory that the kubelet creates for its mount would
    be in the way of the model.
    """
    spec = service.spec
    sidecars = [(_mounts_model(one), _build_sidecar(one, spec, model_volume)) for one in spec.sidecars or ()]
    early, late = ([built for is_late, built in sidecars if is_late is wanted] for wanted in (False, True))
    own = (_build_init_container(container, spec, model_volume) for container in spec.init_containers or ())
    return [*early, *model_volume.init_containers, *late, *own]


def _mounts_model(container: InitContainer) -> bool:
    return any(mount.name == MODEL_VOLUME_NAME for mount in container.mounts or ())


def _build_init_container(
    container: InitContainer, spec: ModelServiceSpec, model_volume: ModelVolume
) -> dict[str, Any]:
    mounts = [_build_mount(mount, model_volume) for mount in container.mounts or ()]
    return {
        "name": container.name,
        **_build_program(container),
        "env": build_variables({}, container.env or ()),
        **omit_none(resources=_build_amounts(container.resources) or None),
        **_build_surroundings(spec, container.env, mounts),
    }


def _build_sidecar(sidecar: Sidecar, spec: ModelServiceSpec, model_volume: ModelVolume) -> dict[str, Any]:
    ports = sidecar.ports or []
    # The rules of the schema require a port if a probe connects to one.
    default = DefaultPort(ports[0].name, ports[0].container_port) if ports else DefaultPort.of(spec)
    return {
        **_build_init_container(sidecar, spec, model_volume),
        "restartPolicy": "Always",
        **build_probes(sidecar.probes or Probes.default(), default),
        **omit_none(
            ports=[dump(port) | {"protocol": "TCP"} for port in ports] or None,
            lifecycle=build_hooks(sidecar.lifecycle, default),
        ),
    }


def _build_program(container: ModelServiceSpec | InitContainer) -> dict[str, Any]:
    """Return the fields that all containers have in common, as configured."""
    return {
        "image": container.image,
        **omit_none(
            imagePullPolicy=container.image_pull_policy,
            command=container.command or None,
            args=container.args or None,
            workingDir=container.working_dir,
            envFrom=build_env_from(container.env_from),
        ),
    }


def _build_surroundings(
    spec: ModelServiceSpec, env: Sequence[EnvVar] | None, mounts: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return the fields that are the same in all containers of a ModelService, with /tmp and HOME before `mounts`."""
    return {
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": container_security(writable_root=bool(spec.writable_root_filesystem)),
        "volumeMounts": [*build_scratch_mounts(env or (), mounts), *mounts],
    }


def _build_mount(mount: ContainerMount, model_volume: ModelVolume) -> dict[str, Any]:
    if mount.name != MODEL_VOLUME_NAME or not model_volume.mounts:
        return build_volume_mount(mount)
    [model] = model_volume.mounts
    sub_path = "/".join(part for part in (model.get("subPath"), mount.sub_path) if part)
    return model | {"mountPath": mount.mount_path, **omit_none(subPath=sub_path or None)}


def _build_server_resources(resources: ResourceRequirements | None) -> dict[str, Any]:
    """Return requests, limits and claims. Defaults apply only if all are unset: a request could exceed a limit."""
    if resources is None:
        return {"requests": {name: Quantity(value) for name, value in _DEFAULT_REQUESTS.items()}}
    return _build_amounts(resources) | omit_none(claims=dump_all(resources.claims))


def _build_amounts(resources: OtherResources | ResourceRequirements | None) -> dict[str, Any]:
    blocks = {"requests": resources.requests, "limits": resources.limits} if resources is not None else {}
    return {
        kind: {name: Quantity(value) for name, value in amounts.items()} for kind, amounts in blocks.items() if amounts
    }
