"""The containers of a Deployment: which one is the model server, and the fields of each."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from modelservice_cli.convert.notes import Change, Notes, subject_of
from modelservice_cli.convert.text_repair import has_placeholder, plain_placeholder
from modelservice_cli.convert.workloads import Workload
from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.objects import Json, Object
from modelservice_operator.resources.metadata import CONTAINER_NAME, EXTRA_LOADER_PREFIX, LOADER_NAME, RESOLVER_NAME

_PROGRAM = ("imagePullPolicy", "command", "args", "workingDir", "envFrom")
_PROBES = {"readinessProbe": "readiness", "livenessProbe": "liveness", "startupProbe": "startup"}
_RESERVED = frozenset({CONTAINER_NAME, LOADER_NAME, RESOLVER_NAME})


def template_path(container: str, *, init: bool = False) -> str:
    """Return the path of a container in a Deployment."""
    return f"spec.template.spec.{'initContainers' if init else 'containers'}[{container}]"


def main_container(workload: Workload, wanted: str | None, notes: Notes) -> Object:
    """Return the container of the model server: the one named, else the one that the Service leads to, else the first.

    Raises CliError if there is no container of the name `wanted`.
    """
    containers = workload.pod["containers"]
    names = [str(one.get("name") or "") for one in containers]
    subject = subject_of(workload.deployment)
    for index, one in enumerate(containers):
        if not one.get("name"):
            one["name"] = names[index] = f"container-{index + 1}"
            notes.add(Change.REPAIRED, subject, "the name is missing.", f"{template_path(one['name'])}.name")
    if wanted is not None and wanted not in names:
        raise CliError(
            f"{subject} has no container {wanted}: its containers are {', '.join(names)}.", ExitCode.NOT_FOUND
        )
    if wanted is not None:
        return next(one for one in containers if one["name"] == wanted)
    if len(containers) == 1:
        return containers[0]  # type: ignore[no-any-return]
    targets = [port.get("targetPort", port.get("port")) for port in _service_ports(workload)]
    found = next((one for one in containers if _offers(one, targets)), None)
    main = found or next((one for one in containers if one.get("ports")), containers[0])
    why = "the Service leads to its port" if found is not None else "it is the first one with a port"
    text = (
        f"of the containers {', '.join(names)}, {main['name']} is the model server, because {why}; --container names"
        " another one. The others become sidecars, which start before it and stop after it."
    )
    others = [f"{template_path(name)}.restartPolicy" for name in names if name != main["name"]]
    notes.add(Change.CHANGED, subject, text, *others)
    return main  # type: ignore[no-any-return]


def _service_ports(workload: Workload) -> list[Object]:
    spec = (workload.service or {}).get("spec") or {}
    return [port for port in spec.get("ports") or () if isinstance(port, dict)]


def _offers(container: Object, targets: Iterable[Json]) -> bool:
    ports = container.get("ports") or ()
    return any(target in (port.get("name"), port.get("containerPort")) for port in ports for target in targets)


def build_program(container: Object, subject: str, path: str, notes: Notes) -> Object:
    """Return image, command and the like of a container."""
    found: Object = {"image": repaired_image(container, subject, path, notes)}
    found |= {name: copy.deepcopy(container[name]) for name in _PROGRAM if container.get(name) is not None}
    env = build_env(container, subject, path, notes)
    return found | ({"env": env} if env else {})


def repaired_image(container: Object, subject: str, path: str, notes: Notes) -> str:
    """Return the image, with placeholders as plain words."""
    image = str(container.get("image") or "")
    if not image:
        notes.add(Change.REPAIRED, subject, "the image is missing: replace IMAGE.", f"{path}.image")
        return "IMAGE"
    if has_placeholder(image):
        plain = plain_placeholder(image)
        text = f"{image!r} has a placeholder, which is not an image: it is written as {plain}, to be replaced."
        notes.add(Change.REPAIRED, subject, text, f"{path}.image")
        return plain
    if image.strip() != image:
        notes.add(Change.REPAIRED, subject, "spaces around the image are removed.", f"{path}.image")
        return image.strip()
    last = image.rpartition("/")[2].partition(":")
    if image.isupper() or last[0].isupper() or last[2].isupper():
        # Image names are lower-case: capitals are what `sed s/IMAGE/.../` replaces.
        text = f"{image} looks like a placeholder: replace it by an image, for instance with `images` of kustomize."
        notes.add(Change.REPAIRED, subject, text, f"{path}.image")
    return image


def build_env(container: Object, subject: str, path: str, notes: Notes) -> list[Object]:
    """Return the variables; the last one of a name counts, as in a container."""
    found: dict[str, Object] = {}
    for variable in container.get("env") or ():
        if not isinstance(variable, dict) or not variable.get("name"):
            continue
        name = str(variable["name"])
        if name in found:
            text = "the variable is set twice: the last value counts, as in a pod."
            notes.add(Change.REPAIRED, subject, text, f"{path}.env[{name}]")
            del found[name]
        kept = {key: copy.deepcopy(value) for key, value in variable.items() if value is not None}
        found[name] = kept
    return list(found.values())


def build_probes(container: Object, main_port: int | None) -> Object:
    """Return the probes of a container; a port that is `main_port` is left out."""
    numbers = port_numbers(container)
    found: Object = {}
    for field, name in _PROBES.items():
        probe = container.get(field)
        if isinstance(probe, dict):
            found[name] = _with_ports(copy.deepcopy(probe), numbers, main_port)
    return found


def build_lifecycle(container: Object, main_port: int | None) -> Object:
    """Return the hooks of a container that a ModelService can have."""
    numbers, found = port_numbers(container), {}
    for name in ("postStart", "preStop"):
        handler = (container.get("lifecycle") or {}).get(name)
        if not isinstance(handler, dict):
            continue
        known = {kind: value for kind, value in handler.items() if kind in {"exec", "httpGet", "sleep"}}
        # A sleep of 0 seconds does nothing, and is below the bound of the schema.
        if known and (known.get("sleep") or {"seconds": 1}).get("seconds") != 0:
            found[name] = _with_ports(copy.deepcopy(known), numbers, main_port)
    return found


def _with_ports(action: Object, numbers: Mapping[str, int], main_port: int | None) -> Object:
    for kind in ("httpGet", "tcpSocket", "grpc"):
        holder = action.get(kind)
        if not isinstance(holder, dict):
            continue
        port = holder.get("port")
        number = numbers.get(port, port) if isinstance(port, str) else port
        if isinstance(number, str) and number.isdecimal():
            number = int(number)
        if number == main_port or number is None or (isinstance(number, str) and kind == "grpc"):
            holder.pop("port", None)
        else:
            holder["port"] = number
    return action


def port_numbers(container: Object) -> dict[str, int]:
    """Return the named ports of a container."""
    return {
        str(port["name"]): port["containerPort"]
        for port in container.get("ports") or ()
        if isinstance(port, dict) and port.get("name") and isinstance(port.get("containerPort"), int)
    }


def build_sidecar(container: Object, subject: str, path: str, notes: Notes) -> Object:
    """Return another container as an item of `sidecars`."""
    found = build_init(container, subject, path, notes)
    ports: list[Object] = [
        {
            "name": str(port.get("name") or f"port-{port.get('containerPort')}"),
            "containerPort": port.get("containerPort"),
        }
        for port in container.get("ports") or ()
        if isinstance(port, dict) and port.get("protocol", "TCP") == "TCP"
    ]
    number: int | None = next(_connected_ports(container), None)
    if not ports and number is not None:
        # A sidecar whose probes connect to it declares a port.
        ports = [{"name": f"port-{number}", "containerPort": number}]
    first: int | None = ports[0]["containerPort"] if ports else None
    probes, lifecycle = build_probes(container, first), build_lifecycle(container, first)
    parts = {"ports": ports, "probes": probes, "lifecycle": lifecycle}
    return found | {name: part for name, part in parts.items() if part}


def _connected_ports(container: Object) -> Iterator[int]:
    """Yield the numbers of ports that probes and hooks of a container connect to."""
    actions = [container.get(name) for name in _PROBES] + [
        (container.get("lifecycle") or {}).get(name) for name in ("preStop", "postStart")
    ]
    for action in actions:
        for kind in ("httpGet", "tcpSocket", "grpc"):
            port = ((action or {}).get(kind) or {}).get("port")
            if isinstance(port, int):
                yield port


def build_init(container: Object, subject: str, path: str, notes: Notes) -> Object:
    """Return an init container as an item of `initContainers`, without its mounts."""
    resources = {
        name: copy.deepcopy(value)
        for name, value in (container.get("resources") or {}).items()
        if name in {"requests", "limits"} and value
    }
    name = {"name": plain_name(str(container.get("name")))}
    return name | build_program(container, subject, path, notes) | ({"resources": resources} if resources else {})


def plain_name(name: str) -> str:
    """Return the name of a container in a ModelService, which reserves some."""
    reserved = name in _RESERVED or name.startswith(EXTRA_LOADER_PREFIX)
    return f"{name}-container" if reserved else name


def build_identity(workload: Workload, container: Object) -> Object:
    """Return user and groups of a container; those of the container have precedence over those of the pod."""
    pod = workload.pod.get("securityContext") or {}
    own = container.get("securityContext") or {}
    merged: dict[str, Any] = {
        "runAsUser": own.get("runAsUser", pod.get("runAsUser")),
        "runAsGroup": own.get("runAsGroup", pod.get("runAsGroup")),
        "fsGroup": pod.get("fsGroup"),
    }
    if merged["runAsUser"] == 0:
        # Root is refused: the default user takes its place, with the group of root, to which images give their files.
        merged |= {"runAsUser": None}
    found = {name: value for name, value in merged.items() if value is not None}
    if own.get("readOnlyRootFilesystem") is False:
        found["writableRootFilesystem"] = True
    return found
