"""Writes a Compose service as a Deployment and a Service, which are then converted as any others (compose-spec).

Every key of a service has a function here or a sentence in `_LEFT_OUT`; a key that has neither is reported as unknown.
"""

import math
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from modelservice_cli.convert.accepted import Refusals
from modelservice_cli.convert.conversion import Conversion, Options, convert
from modelservice_cli.convert.notes import Change, Note, Notes, in_order
from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.objects import Json, Object

_IMAGE_PULL = {"always": "Always", "missing": "IfNotPresent", "if_not_present": "IfNotPresent", "never": "Never"}
_UNITS = {"b": "", "k": "Ki", "kb": "Ki", "m": "Mi", "mb": "Mi", "g": "Gi", "gb": "Gi", "t": "Ti", "tb": "Ti"}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_ARCHITECTURES = {"arm64": "arm64", "aarch64": "arm64", "amd64": "amd64", "x86_64": "amd64"}
_HTTP_CHECK = re.compile(
    r"(?:curl|wget)\b.*?(?P<scheme>https?)://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::(?P<port>\d+))?(?P<path>/[^\s'\"|;&)"
    r"]"
    r"*"
    r")"
    r"?"
)
_OF_DEPLOYMENTS = re.compile(
    r"^(metadata|spec\.(selector|revisionHistoryLimit|progressDeadlineSeconds|strategy)"
    r"|spec\.template\.metadata|spec\.template\.spec\.(terminationGracePeriodSeconds|automountServiceAccountToken"
    r"|enableServiceLinks))"
)
"""Fields that no Compose file has: a difference of their defaults is not a change of the input."""

_LEFT_OUT: Mapping[str, str] = {
    "annotations": "annotations of a container are for its runtime: see podAnnotations.",
    "build": "Kubernetes builds no images: build and push the image, and write its name into image.",
    "blkio_config": "weights of disks have no counterpart in a pod.",
    "cap_add": "pods of a ModelService comply with the Pod Security Standard restricted, which allows no capabilities.",
    "cap_drop": "pods of a ModelService have no capabilities in any case.",
    "cgroup": "control groups belong to the node.",
    "cgroup_parent": "control groups belong to the node.",
    "container_name": "pods have generated names; the name of the ModelService is that of its Service.",
    "cpu_count": "resources has requests and limits of CPU: use cpus.",
    "cpu_percent": "resources has requests and limits of CPU: use cpus.",
    "cpu_period": "resources has requests and limits of CPU: use cpus.",
    "cpu_quota": "resources has requests and limits of CPU: use cpus.",
    "cpu_rt_period": "real-time scheduling has no counterpart in a pod.",
    "cpu_rt_runtime": "real-time scheduling has no counterpart in a pod.",
    "cpu_shares": "a weight has no counterpart: resources.requests.cpu reserves an amount.",
    "cpuset": "a pod cannot choose the CPUs of a node.",
    "credential_spec": "it is for Windows containers.",
    "depends_on": "pods start in any order: a server repeats a connection until the other one answers.",
    "develop": "it is for development.",
    "device_cgroup_rules": "devices come from a device plugin: resources.limits.",
    "devices": "devices come from a device plugin, such as nvidia.com/gpu in resources.limits.",
    "domainname": "the name of the Service is its DNS name in the cluster.",
    "external_links": "Services have DNS names: no link is needed.",
    "group_add": "fsGroup is the only additional group of the pods.",
    "hostname": "the name of the Service is its DNS name in the cluster.",
    "init": "the container runtime removes processes that have ended only for the first process: let the image do it.",
    "ipc": "a memory volume at /dev/shm is memory that processes of the pod share: use shm_size.",
    "isolation": "it is for Windows containers.",
    "label_file": "labels of a container are for programs of its host.",
    "labels": "labels of a container are for programs of its host, such as a proxy: see expose and podLabels.",
    "links": "Services have DNS names: no link is needed.",
    "logging": "the cluster collects the output of all containers.",
    "mac_address": "addresses belong to the cluster.",
    "mem_swappiness": "swapping belongs to the node.",
    "memswap_limit": "swapping belongs to the node.",
    "models": "model.uri names a model.",
    "network_mode": "all pods of a cluster share one network.",
    "networks": "all pods of a cluster share one network: networkPolicy restricts who reaches the model.",
    "oom_kill_disable": "a container that exceeds its memory limit is restarted.",
    "oom_score_adj": "it follows from requests and limits.",
    "pid": "processes of the node or of other pods are not visible.",
    "pids_limit": "the limit belongs to the node.",
    "post_start": "lifecycle.postStart runs a command after the start.",
    "pre_stop": "lifecycle.preStop runs a command before the end.",
    "privileged": "a container with all privileges would control the node: a device in resources.limits needs none.",
    "profiles": "what is converted is named by --service.",
    "publish_all": "the ports of the image are not read: name them by --publish, or set containerPort.",
    "provider": "Kubernetes has no providers of Compose.",
    "runtime": "runtimeClassName chooses a runtime by the name that the cluster has for it; a GPU needs only"
    " resources.limits.",
    "security_opt": "pods of a ModelService comply with the Pod Security Standard restricted in any case.",
    "stdin_open": "a server has no standard input.",
    "stop_signal": "a container is stopped by SIGTERM, or by the STOPSIGNAL of its image.",
    "storage_opt": "ephemeral-storage in resources.limits limits what a container writes.",
    "sysctls": "settings of the kernel belong to the node.",
    "tty": "a server has no terminal.",
    "ulimits": "limits of processes belong to the container runtime.",
    "use_api_socket": "a cluster has no socket of Docker.",
    "userns_mode": "user namespaces belong to the cluster.",
    "uts": "the host name belongs to the pod.",
    "volume_driver": "the StorageClass of a claim chooses the driver.",
    "volumes_from": "containers of other pods share no volumes: use one claim.",
}


@dataclass(slots=True, kw_only=True)
class Service:
    """A Compose service while it is written as a Deployment."""

    name: str
    """Name of the service, and of the ModelService."""
    subject: str
    notes: Notes
    top: Mapping[str, Json] = field(default_factory=dict)
    """Top level of the file."""
    container: Object = field(default_factory=dict)
    pod: Object = field(default_factory=dict)
    deployment: Object = field(default_factory=dict)
    service_ports: list[Object] = field(default_factory=list)

    def leave_out(self, key: str, text: str) -> None:
        """Add a note about a key that has no counterpart."""
        self.notes.add(Change.OMITTED, self.subject, text, key)

    def change(self, key: str, text: str) -> None:
        """Add a note about a key that means another thing."""
        self.notes.add(Change.CHANGED, self.subject, text, key)

    def keep(self, key: str, text: str) -> None:
        """Add a note about an object that the user has to create."""
        self.notes.add(Change.KEPT, self.subject, text, key)

    def add_volume(self, name: str, source: Object, mount: Object) -> None:
        """Add a volume with a mount; the same volume is added once."""
        volumes = self.pod.setdefault("volumes", [])
        if all(volume["name"] != name for volume in volumes):
            volumes.append({"name": name} | source)
        self.container.setdefault("volumeMounts", []).append({"name": name} | mount)

    def add_resource(self, kind: str, name: str, amount: Json) -> None:
        """Add a request or limit."""
        self.container.setdefault("resources", {}).setdefault(kind, {})[name] = amount


def convert_compose(
    bodies: Sequence[Object],
    options: Options | None = None,
    *,
    notes: Notes | None = None,
    refusals: Refusals | None = None,
) -> tuple[list[Conversion], list[Note]]:
    """Return a conversion for each service of Compose files that has a port, or that `options.only` names.

    Raises CliError if there is none.
    """
    common = notes or Notes()
    merged = _merged(bodies)
    services = merged.get("services")
    if not isinstance(services, dict) or not services:
        raise CliError("The input has no services, so that it is not a Compose file.", ExitCode.NEGATIVE)
    options = options or Options()
    missing = [name for name in options.only if name not in services]
    if missing:
        raise CliError(
            f"The Compose file has no service {missing[0]}: its services are {', '.join(services)}.", ExitCode.NOT_FOUND
        )
    chosen = list(options.only) or [name for name, body in services.items() if _has_port(body)]
    if not chosen:
        raise CliError("No service of the Compose file has a port: name one with --service.", ExitCode.NEGATIVE)
    if options.name is not None and len(chosen) > 1:
        raise CliError("--name is for one ModelService, and several services have a port: add --service.")
    for name in services:
        if name not in chosen:
            common.add(Change.OMITTED, f"service/{name}", "it has no port, or --service names others.")
    _add_top_level(merged, common)
    conversions = [
        convert_service(name, services[name] or {}, options, common, top=merged, refusals=refusals) for name in chosen
    ]
    return conversions, common.items


def convert_service(
    name: str,
    body: Object,
    options: Options,
    common: Notes,
    *,
    top: Mapping[str, Json] | None = None,
    refusals: Refusals | None = None,
) -> Conversion:
    """Return the conversion of one service. Raises CliError if no ModelService can be written."""
    if not isinstance(body, dict):
        raise CliError(f"service/{name} is not an object with keys such as image.", ExitCode.NEGATIVE)
    notes = Notes()
    service = Service(name=name, subject=f"service/{name}", notes=notes, top=top or {})
    body = _interpolated(body, service)
    for key, value in body.items():
        if value is None:
            continue
        if key in _HANDLERS:
            _handle(service, key, value)
        elif key in _LEFT_OUT:
            if _is_set(value):
                service.leave_out(key, _LEFT_OUT[key])
        elif not key.startswith("x-"):
            service.leave_out(key, "this command does not know the key of a Compose service.")
    _complete(service, body)
    objects = _objects(service)
    own = replace(options, only=(), name=options.name)
    [conversion], rest = convert(objects, own, refusals=refusals)
    common.extend(rest)
    kept = [
        Note(change=note.change, subject=service.subject, text=note.text, fields=_shown_fields(note))
        for note in conversion.notes
        if not (note.fields and all(_OF_DEPLOYMENTS.match(path) for path in note.fields))
    ]
    return replace(conversion, notes=tuple(in_order((*notes.items, *kept))))


def _handle(service: Service, key: str, value: Json) -> None:
    """Read the value of a key. Raises CliError if it has another form than the Compose specification says."""
    try:
        _HANDLERS[key](service, value)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise CliError(
            f"{service.subject} {key} has another form than the Compose specification has: `docker compose config`"
            " shows the place.",
            ExitCode.NEGATIVE,
        ) from error


def _shown_fields(note: Note) -> tuple[str, ...]:
    """Return the fields of a note without what is above a container."""
    return tuple(re.sub(r"^spec\.template\.spec\.(?:containers\[[^]]*\]\.)?", "", path) for path in note.fields)


def _merged(bodies: Sequence[Object]) -> Object:
    """Return one file of several: later ones complete or replace the services of earlier ones."""
    merged: Object = {}
    for body in bodies:
        if not isinstance(body, dict):
            raise CliError("The input is not a Compose file.", ExitCode.NEGATIVE)
        for key, value in body.items():
            if isinstance(value, dict) and isinstance(merged.get(key), dict):
                for name, below in value.items():
                    old = merged[key].get(name)
                    both = isinstance(old, dict) and isinstance(below, dict)
                    merged[key][name] = old | below if both else below
            else:
                merged[key] = value
    return merged


def _has_port(body: Json) -> bool:
    return isinstance(body, dict) and bool(body.get("ports") or body.get("expose"))


def _add_top_level(merged: Object, common: Notes) -> None:
    for key in ("networks", "include"):
        if merged.get(key):
            text = "all pods of a cluster share one network." if key == "networks" else "included files are not read."
            common.add(Change.OMITTED, "Compose file", text, key)


def _interpolated(node: Json, service: Service) -> Json:
    """Return a value with defaults and names instead of variables of the shell."""
    if isinstance(node, dict):
        return {key: _interpolated(value, service) for key, value in node.items()}
    if isinstance(node, list):
        return [_interpolated(item, service) for item in node]
    if not isinstance(node, str) or "$" not in node:
        return node

    def value_of(match: re.Match[str]) -> str:
        if match.group() == "$$":
            return "$"
        name, operator, word = (
            match.group("braced") or match.group("plain"),
            match.group("operator"),
            match.group("word"),
        )
        if operator in {"-", ":-"}:
            service.change(name, f"the variable of the shell is not read: its default {word!r} is used.")
            return word or ""
        service.notes.add(
            Change.REPAIRED, service.subject, f"the variable of the shell is not read: replace {name}.", name
        )
        return name

    pattern = r"\$\$|\$\{(?P<braced>\w+)(?:(?P<operator>:?[-?+])(?P<word>[^}]*))?\}|\$(?P<plain>[A-Za-z_]\w*)"
    return re.sub(pattern, value_of, node)


def _objects(service: Service) -> list[Object]:
    labels = {"app": service.name}
    container = {"name": _label(service.name)} | service.container
    template = {"metadata": {"labels": labels}, "spec": service.pod | {"containers": [container]}}
    spec = {"selector": {"matchLabels": labels}} | service.deployment | {"template": template}
    metadata = {"name": _label(service.name)}
    objects: list[Object] = [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}]
    if service.service_ports:
        ports = {"selector": labels, "ports": service.service_ports}
        objects.append({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": ports})
    return objects


def _label(name: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-") or "model"


def _is_set(value: Json) -> bool:
    return value not in (None, False, [], {}, "", "no")


def _complete(service: Service, body: Object) -> None:
    """Add what no single key decides."""
    if "image" not in service.container:
        service.container["image"] = f"{_label(service.name)}:TAG"
        service.notes.add(
            Change.REPAIRED, service.subject, "no image is named: replace the name of the image.", "image"
        )
    if service.service_ports and body.get("ports"):
        service.change(
            "ports",
            "the ports are those of a Service in the cluster: service.type LoadBalancer makes them reachable from"
            " outside.",
        )


# Program -------------------------------------------------------------------------------------------------------------


def _image(service: Service, value: Json) -> None:
    service.container["image"] = str(value)


def _words(value: Json) -> list[str]:
    """Return a command as a list. The kubelet expands $(NAME), so that such text is escaped."""
    words = shlex.split(value) if isinstance(value, str) else [str(word) for word in value]
    return [word.replace("$(", "$$(") for word in words]


def _command(service: Service, value: Json) -> None:
    if value:
        service.container["args"] = _words(value)


def _entrypoint(service: Service, value: Json) -> None:
    if value:
        service.container["command"] = _words(value)


def _working_dir(service: Service, value: Json) -> None:
    service.container["workingDir"] = str(value)


def _environment(service: Service, value: Json) -> None:
    pairs = value.items() if isinstance(value, dict) else (_pair(str(item)) for item in value or ())
    for name, text in pairs:
        if text is None:
            service.leave_out(f"environment.{name}", "the value comes from the shell: write it, or use a Secret (env).")
            continue
        plain = str(text).lower() if isinstance(text, bool) else str(text)
        service.container.setdefault("env", []).append({"name": str(name), "value": plain.replace("$(", "$$(")})
        if re.search(r"(?i)password|secret|token|api_?key|credential", str(name)) and plain:
            service.change(
                f"environment.{name}",
                "everyone who reads the ModelService sees the value: keep it in a Secret (secretKeyRef).",
            )


def _pair(item: str) -> tuple[str, str | None]:
    name, equals, value = item.partition("=")
    return name, value if equals else None


def _env_file(service: Service, value: Json) -> None:
    files = value if isinstance(value, list) else [value]
    for index, file in enumerate(files):
        path = file.get("path") if isinstance(file, dict) else file
        name = f"{_label(service.name)}-env" + (f"-{index + 1}" if index else "")
        service.container.setdefault("envFrom", []).append({"configMapRef": {"name": name}})
        service.keep("env_file", f"create it: kubectl create configmap {name} --from-env-file={path}")


def _pull_policy(service: Service, value: Json) -> None:
    if str(value) in _IMAGE_PULL:
        service.container["imagePullPolicy"] = _IMAGE_PULL[str(value)]
    else:
        service.leave_out(
            "pull_policy", f"{value} has no counterpart: imagePullPolicy is Always, IfNotPresent or Never."
        )


# Ports ---------------------------------------------------------------------------------------------------------------


def _ports(service: Service, value: Json) -> None:
    for item in value or ():
        for target, published, protocol, host in _parsed_ports(service, item):
            _add_port(service, target, published or target, protocol)
            if host not in {None, "", "0.0.0.0", "::"}:  # noqa: S104  a value of the input
                service.leave_out("ports", f"the address {host} of the host has no counterpart.")


def _parsed_ports(service: Service, item: Json) -> Iterator[tuple[int, int | None, str, str | None]]:
    """Yield container port, published port, protocol and address of each port in an entry."""
    if isinstance(item, dict):
        published = str(item.get("published") or "").partition("-")[0]
        yield (
            int(item["target"]),
            int(published) if published.isdecimal() else None,
            str(item.get("protocol") or "tcp").upper(),
            item.get("host_ip"),
        )
        return
    text, _, protocol = str(item).partition("/")
    address, _, target = text.rpartition(":")
    host, _, published = address.rpartition(":")
    targets, sources = _range(target), _range(published)
    if not targets or (published and len(sources) != len(targets)):
        service.leave_out("ports", f"{item} is not a port that this command can read.")
        return
    for index, number in enumerate(targets):
        yield number, sources[index] if sources else None, (protocol or "tcp").upper(), host.strip("[]") or None


def _range(text: str) -> list[int]:
    match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", text)
    if match is None:
        return []
    first = int(match.group(1))
    return list(range(first, int(match.group(2) or first) + 1))[:16]


def _add_port(service: Service, target: int, offered: int, protocol: str) -> None:
    declared = service.container.setdefault("ports", [])
    entry = {"containerPort": target} | ({"protocol": protocol} if protocol != "TCP" else {})
    if entry not in declared:
        declared.append(entry)
    port = {"port": offered, "targetPort": target} | ({"protocol": protocol} if protocol != "TCP" else {})
    if all((one["port"], one.get("protocol")) != (offered, port.get("protocol")) for one in service.service_ports):
        service.service_ports.append(port)


def _expose(service: Service, value: Json) -> None:
    for item in value or ():
        text, _, protocol = str(item).partition("/")
        for number in _range(text):
            _add_port(service, number, number, (protocol or "tcp").upper())


# Volumes -------------------------------------------------------------------------------------------------------------


def _volumes(service: Service, value: Json) -> None:
    for item in value or ():
        entry = item if isinstance(item, dict) else _short_volume(str(item))
        _add_volume(service, entry)


def _short_volume(text: str) -> Object:
    """Return the long form of `SOURCE:TARGET:MODE`. A source with a separator is a path of the host."""
    parts = re.split(r":(?![\\/]{1}[^/])", text) if re.match(r"^[A-Za-z]:[\\/]", text) else text.split(":")
    source, target, mode = [*parts, "", ""][:3] if len(parts) > 1 else ("", parts[0], "")
    # Names of volumes have no separator; `$PWD` and the like begin a path as well.
    is_path = source.startswith((".", "~", "$", "%", "`")) or re.search(r"[/\\]", source) is not None
    kind = "bind" if is_path else "volume"
    return {"type": kind, "source": source, "target": target, "read_only": "ro" in mode.split(",")}


def _add_volume(service: Service, entry: Object) -> None:
    target, source, kind = str(entry.get("target") or ""), entry.get("source"), entry.get("type") or "volume"
    mount: Object = {"mountPath": target} | ({"readOnly": True} if entry.get("read_only") else {})
    place = f"volumes[{target}]"
    if kind == "bind":
        text = (
            f"{source} is a path of this machine, which pods do not have: use a ConfigMap for settings, model.uri for"
            " a model,"
            " and a claim for other files (mounts)."
        )
        service.leave_out(place, text)
    elif kind == "tmpfs":
        size = (entry.get("tmpfs") or {}).get("size")
        memory = {"medium": "Memory"} | ({"sizeLimit": _quantity(size)} if size else {})
        service.add_volume(_volume_name(target), {"emptyDir": memory}, mount)
    elif kind == "volume" and source:
        name = _label(str(source))
        if (entry.get("volume") or {}).get("subpath"):
            mount["subPath"] = entry["volume"]["subpath"]
        service.add_volume(name, {"persistentVolumeClaim": {"claimName": name}}, mount)
        service.keep(
            place, f"the volume becomes the PersistentVolumeClaim {name}: create it, and copy the files into it."
        )
    elif kind == "volume":
        service.add_volume(_volume_name(target), {"emptyDir": {}}, mount)
        service.change(place, "a volume without a name is an empty directory of each pod.")
    else:
        service.leave_out(place, f"a volume of type {kind} has no counterpart.")


def _volume_name(target: str) -> str:
    return _label(target)[:63].strip("-")


def _tmpfs(service: Service, value: Json) -> None:
    for item in value if isinstance(value, list) else [value]:
        target, _, settings = str(item).partition(":")
        size = re.search(r"size=(\w+)", settings)
        entry: Object = {"type": "tmpfs", "target": target}
        if size:
            entry["tmpfs"] = {"size": size.group(1)}
        _add_volume(service, entry)


def _shm_size(service: Service, value: Json) -> None:
    memory = {"medium": "Memory", "sizeLimit": _quantity(value)}
    service.add_volume("shm", {"emptyDir": memory}, {"mountPath": "/dev/shm"})  # noqa: S108  a path of the container


def _secrets(service: Service, value: Json) -> None:
    _objects_as_files(service, value, "secrets", "/run/secrets")


def _configs(service: Service, value: Json) -> None:
    _objects_as_files(service, value, "configs", "")


def _objects_as_files(service: Service, value: Json, key: str, directory: str) -> None:
    for item in value or ():
        entry = item if isinstance(item, dict) else {"source": item}
        source = str(entry.get("source"))
        target = str(entry.get("target") or source)
        path = target if target.startswith("/") else f"{directory}/{target}"
        name = _label(source)
        kind = {"secret": {"secretName": name}} if key == "secrets" else {"configMap": {"name": name}}
        service.add_volume(f"{name}-{key[:-1]}", kind, {"mountPath": path, "subPath": source})
        definition = (service.top.get(key) or {}).get(source) or {}
        file = definition.get("file") or "FILE"
        command = "secret generic" if key == "secrets" else "configmap"
        service.keep(f"{key}[{source}]", f"create it: kubectl create {command} {name} --from-file={source}={file}")


# Resources -----------------------------------------------------------------------------------------------------------


def _quantity(value: Json) -> str:
    """Return bytes of Compose (`512m`, `1.5gb`) as a quantity."""
    match = re.fullmatch(r"([0-9.]+)\s*([a-z]*)", str(value).strip().lower())
    unit = _UNITS.get(match.group(2).replace("ib", "b") or "b") if match else None
    if match is None or unit is None:
        return str(value)
    return f"{match.group(1)}{unit}"


def _mem_limit(service: Service, value: Json) -> None:
    service.add_resource("limits", "memory", _quantity(value))


def _mem_reservation(service: Service, value: Json) -> None:
    service.add_resource("requests", "memory", _quantity(value))


def _cpus(service: Service, value: Json) -> None:
    service.add_resource("limits", "cpu", str(value))


def _gpus(service: Service, value: Json) -> None:
    if value == "all" or (isinstance(value, list) and any(str(one.get("count")) in {"all", "-1"} for one in value)):
        service.add_resource("limits", "nvidia.com/gpu", "1")
        service.change(
            "gpus", "a pod requests a number of GPUs, not all of a node: one is requested (resources.limits)."
        )
    elif isinstance(value, list):
        for device in value:
            service.add_resource(
                "limits", "nvidia.com/gpu", str(device.get("count") or len(device.get("device_ids") or "1"))
            )
    else:
        match = re.search(r"\d+", str(value))
        service.add_resource("limits", "nvidia.com/gpu", match.group() if match else "1")


def _deploy(service: Service, value: Json) -> None:
    for key, below in (value or {}).items():
        if key == "replicas":
            service.deployment["replicas"] = int(below)
        elif key == "resources":
            _deploy_resources(service, below or {})
        elif key == "update_config":
            _update_config(service, below or {})
        elif key == "restart_policy":
            _restart(service, (below or {}).get("condition", "any"))
        elif key == "mode" and below == "replicated":
            continue
        else:
            service.leave_out(f"deploy.{key}", "it is a setting of Docker Swarm without a counterpart.")


def _deploy_resources(service: Service, resources: Object) -> None:
    for key, kind in (("limits", "limits"), ("reservations", "requests")):
        for name, amount in (resources.get(key) or {}).items():
            if name == "cpus":
                service.add_resource(kind, "cpu", str(amount))
            elif name == "memory":
                service.add_resource(kind, "memory", _quantity(amount))
            elif name == "devices":
                for device in amount:
                    _device(service, device)
            else:
                service.leave_out(f"deploy.resources.{key}.{name}", "a pod has no such resource.")


def _device(service: Service, device: Object) -> None:
    if "gpu" in (device.get("capabilities") or []) and device.get("driver", "nvidia") == "nvidia":
        _gpus(service, [device] if device.get("count") or device.get("device_ids") else "all")
    else:
        service.leave_out(
            "deploy.resources.reservations.devices", "the device plugin of the cluster names the resource."
        )


def _update_config(service: Service, settings: Object) -> None:
    if settings.get("order") == "stop-first":
        service.deployment["strategy"] = {
            "rollingUpdate": {"maxSurge": 0, "maxUnavailable": settings.get("parallelism") or 1}
        }
    elif settings.get("parallelism"):
        service.deployment["strategy"] = {"rollingUpdate": {"maxSurge": settings["parallelism"]}}
    for key in settings:
        if key not in {"order", "parallelism"}:
            service.leave_out(f"deploy.update_config.{key}", "rollout has no such setting.")


def _scale(service: Service, value: Json) -> None:
    service.deployment["replicas"] = int(value)


# Health and end ------------------------------------------------------------------------------------------------------


def _healthcheck(service: Service, value: Json) -> None:
    test = value.get("test")
    if value.get("disable") or test in (["NONE"], "NONE"):
        return
    if not test:
        service.leave_out(
            "healthcheck", "the check is in the image, which is not read: write it into probes.readiness."
        )
        return
    words = test if isinstance(test, list) else ["CMD-SHELL", str(test)]
    probe = _http_probe(words) or {"exec": {"command": _probe_command(words)}}
    interval = _seconds(value.get("interval"), 30)
    timing = {"periodSeconds": interval, "timeoutSeconds": _seconds(value.get("timeout"), 30)}
    retries = int(value.get("retries") or 3)
    service.container["readinessProbe"] = probe | timing | {"failureThreshold": retries}
    start = _seconds(value.get("start_period"), 0, low=0)
    if start:
        failures = math.ceil(start / interval) + retries
        service.container["startupProbe"] = probe | timing | {"failureThreshold": failures}
    if value.get("start_interval"):
        service.leave_out("healthcheck.start_interval", "the startup probe has the interval of the other ones.")
    kind = "an HTTP request of the kubelet" if "httpGet" in probe else "a command in the container"
    service.change(
        "healthcheck",
        f"it becomes {kind} that decides whether a replica receives requests (probes.readiness); it restarts nothing,"
        " as in"
        " Docker.",
    )


def _http_probe(words: Sequence[str]) -> Object | None:
    match = _HTTP_CHECK.search(" ".join(words))
    if match is None:
        return None
    port = match.group("port") or ("443" if match.group("scheme") == "https" else "80")
    get: Object = {"path": match.group("path") or "/", "port": int(port)}
    return {"httpGet": get | ({"scheme": "HTTPS"} if match.group("scheme") == "https" else {})}


def _probe_command(words: Sequence[str]) -> list[str]:
    if words[0] == "CMD-SHELL":
        return ["/bin/sh", "-c", " ".join(words[1:])]
    return list(words[1:]) if words[0] == "CMD" else list(words)


def _seconds(value: Json, default: int, *, low: int = 1) -> int:
    """Return a duration of Compose (`1m30s`) in whole seconds, at least `low`."""
    if value is None:
        return default
    if isinstance(value, int | float):
        return max(low, math.ceil(value))
    found = re.findall(r"([0-9.]+)(us|ms|s|m|h)", str(value))
    return max(low, math.ceil(sum(float(number) * _SECONDS[unit] for number, unit in found)))


def _stop_grace_period(service: Service, value: Json) -> None:
    service.pod["terminationGracePeriodSeconds"] = _seconds(value, 10)


def _restart(service: Service, value: Json) -> None:
    if str(value).partition(":")[0] in {"no", "none", "on-failure", "False"}:
        service.change("restart", "a server that ends is always started again.")


# Identity and names --------------------------------------------------------------------------------------------------


def _user(service: Service, value: Json) -> None:
    user, _, group = str(value).partition(":")
    context: Object = {}
    for name, text in (("runAsUser", user), ("runAsGroup", group)):
        if text.isdecimal():
            context[name] = int(text)
        elif text == "root":
            context[name] = 0
        elif text:
            service.leave_out("user", f"{text} is a name in the image: a pod needs its number ({name}).")
    if context:
        service.container["securityContext"] = context | service.container.get("securityContext", {})


def _read_only(service: Service, value: Json) -> None:
    if value:
        service.container.setdefault("securityContext", {})["readOnlyRootFilesystem"] = True


def _extra_hosts(service: Service, value: Json) -> None:
    pairs = value.items() if isinstance(value, dict) else (re.split("[=:]", str(item), maxsplit=1) for item in value)
    aliases: dict[str, list[str]] = {}
    for host, address in pairs:
        addresses = address if isinstance(address, list) else [address]
        for one in addresses:
            if one == "host-gateway":
                service.leave_out("extra_hosts", "pods do not reach this machine as host-gateway.")
            else:
                aliases.setdefault(str(one).strip("[]"), []).append(str(host))
    if aliases:
        service.pod["hostAliases"] = [{"ip": ip, "hostnames": names} for ip, names in aliases.items()]


def _dns(service: Service, value: Json) -> None:
    service.pod.setdefault("dnsConfig", {})["nameservers"] = [str(one) for one in _listed(value)]


def _dns_search(service: Service, value: Json) -> None:
    service.pod.setdefault("dnsConfig", {})["searches"] = [str(one) for one in _listed(value)]


def _dns_opt(service: Service, value: Json) -> None:
    options = []
    for item in _listed(value):
        name, _, text = str(item).partition(":")
        options.append({"name": name} | ({"value": text} if text else {}))
    service.pod.setdefault("dnsConfig", {})["options"] = options


def _listed(value: Json) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _platform(service: Service, value: Json) -> None:
    architecture = _ARCHITECTURES.get(str(value).split("/")[1] if "/" in str(value) else str(value))
    if architecture is None:
        service.leave_out("platform", f"{value} is not an architecture that this command knows.")
    else:
        service.pod["nodeSelector"] = {"kubernetes.io/arch": architecture}


_HANDLERS: Mapping[str, Callable[[Service, Json], None]] = {
    "command": _command,
    "configs": _configs,
    "cpus": _cpus,
    "deploy": _deploy,
    "dns": _dns,
    "dns_opt": _dns_opt,
    "dns_search": _dns_search,
    "entrypoint": _entrypoint,
    "env_file": _env_file,
    "environment": _environment,
    "expose": _expose,
    "extra_hosts": _extra_hosts,
    "gpus": _gpus,
    "healthcheck": _healthcheck,
    "image": _image,
    "mem_limit": _mem_limit,
    "mem_reservation": _mem_reservation,
    "platform": _platform,
    "ports": _ports,
    "pull_policy": _pull_policy,
    "read_only": _read_only,
    "restart": _restart,
    "scale": _scale,
    "secrets": _secrets,
    "shm_size": _shm_size,
    "stop_grace_period": _stop_grace_period,
    "tmpfs": _tmpfs,
    "user": _user,
    "volumes": _volumes,
    "working_dir": _working_dir,
}
