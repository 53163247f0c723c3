"""Compares an input with the children of its ModelService, and finds what is lost without a sentence.

It shares no code with `modelservice_cli.convert.comparison`: both sides are lists of paths with a value, and a value of
the input must be at the same path of the children, or a note must name the path.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from modelservice_cli.convert.notes import Note
from modelservice_operator.apimachinery.quantity import parse_quantity

_ASSIGNED = re.compile(
    r"^(apiVersion|kind|status\b|metadata\.annotations\[(deployment\.kubernetes\.io/revision|kubectl\.kubernetes\.io/)|metadata\.(uid|creationTimestamp|generation|managedFields|resourceVersion|namesp"
    r"a"
    r"c"
    r"e"
    r")"
    r"|spec\.template\.metadata\.creationTimestamp|spec\.(clusterIP|clusterIPs|ipFamilies|ipFamilyPolicy"
    r"|healthCheckNodePort)\b|spec\.template\.spec\.serviceAccount$)"
)
"""Fields that the API server fills in, on both sides."""
_NAMED = ("name", "ip")
_KEYED_BY_KIND = {"topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable")}


@dataclass(kw_only=True)
class Side:
    """One side of a comparison: its objects, and the new names of the children."""

    bodies: Sequence[dict[str, Any]]
    main: str = ""
    """Container of the input that is the model server; empty for the input itself."""
    sidecars: Sequence[str] = ()
    """Other containers of the input, which are init containers of the children."""
    volumes: Mapping[str, str] = field(default_factory=dict)
    containers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def container_ports(self) -> dict[str, dict[str, int]]:
        """Numbers of the named ports of each container; those of all for a Service, the first one of a name first."""
        pods = [body["spec"]["template"]["spec"] for body in self.bodies if body["kind"] == "Deployment"]
        found = [*pods[0].get("containers", ()), *pods[0].get("initContainers", ())] if pods else []
        ports = {
            one["name"]: {port["name"]: port["containerPort"] for port in one.get("ports", ()) if "name" in port}
            for one in found
        }
        return ports | {"": {name: number for one in reversed(ports.values()) for name, number in one.items()}}

    @cached_property
    def service_ports(self) -> dict[str, int]:
        """Numbers of the named ports of the Service."""
        services = [body["spec"] for body in self.bodies if body["kind"] == "Service"]
        ports = services[0].get("ports", ()) if services else ()
        return {port["name"]: port["port"] for port in ports if "name" in port}

    def lines(self, body: dict[str, Any]) -> Iterator[str]:
        """Yield `path = value` for each value of an object, with the names of the input."""
        for path, value in _walk(body, ""):
            if not _ASSIGNED.match(path):
                place, resolved = self._resolved(path, value)
                yield f"{self._renamed(place)} = {json.dumps(resolved, sort_keys=True)}"

    def _resolved(self, path: str, value: Any) -> tuple[str, Any]:
        """Return a port as its number, an amount without its unit, and the name of a container as that of the input."""
        if re.search(r"\.(requests|limits)\[[^]]*\]$|\.(sizeLimit|storage|averageValue|divisor)$", path):
            amount = parse_quantity(str(value))
            return re.sub(r"^(spec\.metrics\[[^]]*\])\.(resource|containerResource)\.", r"\1.source.", path), (
                value if amount is None else format(amount.normalize(), "f")
            )
        if re.search(r"(httpGet|tcpSocket)\.port$|targetPort$", path) and isinstance(value, str):
            container = re.search(r"(?:containers|initContainers)\[([^]]*)\]", path)
            numbers = self.container_ports.get(container.group(1) if container else "", {})
            value = numbers.get(value, int(value) if value.isdecimal() else value)
        elif body_port := re.search(r"backend\.service\.port\.(name|number)$", path):
            path = path[: body_port.start()] + "backend.service.port.number"
            value = self.service_ports.get(value, value) if isinstance(value, str) else value
        elif self.main and re.search(r"containerResource\.container$|resourceFieldRef\.containerName$", path):
            value = self.main if value == "model" else value
        return re.sub(r"^(spec\.metrics\[[^]]*\])\.(resource|containerResource)\.", r"\1.source.", path), value

    def _renamed(self, path: str) -> str:
        if not self.main:
            return path
        path = path.replace(".containers[model]", f".containers[{self.main}]")
        for new, old in self.containers.items():
            path = path.replace(f"Containers[{new}]", f"Containers[{old}]")
        for name in self.sidecars:
            path = path.replace(f".initContainers[{name}]", f".containers[{name}]")
        for new, old in self.volumes.items():
            path = path.replace(f".volumes[{new}]", f".volumes[{old}]")
        return path


def _walk(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            step = (
                f".{key}"
                if re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", key) and not _has_free_keys(path, key)
                else f"[{key}]"
            )
            yield from _walk(value, f"{path}{step}".lstrip("."))
        if not node:
            yield path, {}
    elif isinstance(node, list):
        name = path.rpartition(".")[2]
        for index, item in enumerate(node):
            yield from _walk(item, f"{path}[{_label(item, index, name)}]")
    else:
        yield path, node


def _has_free_keys(path: str, key: str) -> bool:
    if path == "spec.selector":
        return not key.startswith("match")
    return path.rpartition(".")[2] in {"labels", "annotations", "matchLabels", "nodeSelector", "requests", "limits",
                                       "volumeAttributes"}  # fmt: skip


def _label(item: Any, index: int, name: str) -> str:
    if not isinstance(item, dict):
        return str(index)
    if name == "ports":
        number = item.get("port", item.get("containerPort"))
        return str(number) if item.get("protocol", "TCP") == "TCP" else f"{number}/{item['protocol']}"
    if name in _KEYED_BY_KIND:
        return ",".join(str(item.get(key)) for key in _KEYED_BY_KIND[name])
    if name == "metrics":
        source: dict[str, Any] = next((value for key, value in item.items() if key != "type"), {})
        name = str(source.get("name") or (source.get("metric") or {}).get("name"))
        return f"{name} AverageValue" if source["target"]["type"] == "AverageValue" else name
    if name == "volumeMounts":
        return str(item["mountPath"]).rstrip("/")
    return next((str(item[key]) for key in _NAMED if key in item), str(index))


def lost(kind: str, before: Side, after: Side) -> list[str]:
    """Return `path = value` of the values of an object of the input that its child does not have."""
    [own] = [body for body in before.bodies if body["kind"] == kind]
    there = {line for body in after.bodies if body["kind"] == kind for line in after.lines(body)}
    return [line for line in before.lines(own) if line not in there and is_meaningful(line)]


def is_meaningful(line: str) -> bool:
    """Return False for values that mean the same as a missing field."""
    path, _, value = line.partition(" = ")
    name = path.rpartition(".")[2]
    if value in {"null", "[]"} or (value == "{}" and name not in {"emptyDir", "podSelector", "namespaceSelector"}):
        return False
    flags = {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "setHostnameAsFQDN", "privileged",
             "readOnly", "runAsNonRoot", "readOnlyRootFilesystem", "optional", "stdin", "stdinOnce", "tty", "paused",
             "publishNotReadyAddresses"}  # fmt: skip
    true_by_default = {"enableServiceLinks", "automountServiceAccountToken"}
    return not (value == "false" and name in flags) and not (value == "true" and name in true_by_default)


def is_named(line: str, subject: str, notes: Sequence[Note]) -> bool:
    """Return True if a note is about the path, or about the whole object, and has a sentence."""
    path = _plain(line.partition(" = ")[0])
    for note in notes:
        if note.subject != subject or len(note.text.split()) < 4:
            continue
        if not note.fields and note.change.value in {"left out", "changed", "to keep"}:
            return True
        if any(_is_below(path, _plain(field)) for field in note.fields):
            return True
    return False


def _plain(path: str) -> str:
    """Return a path without the steps that the two comparisons write differently."""
    path = re.sub(r"(?<=\])\.(pods|object|external)(?=\.|$)", ".source", path)
    path = re.sub(r"^spec\.selector\.matchLabels(?=\[)", "spec.selector", path)
    path = re.sub(r"backend\.service\.port\.number$", "backend.service.port", path)
    return re.sub(r"volumeMounts\[([^]]+?)/*\]", r"volumeMounts[\1]", path)


def _is_below(path: str, above: str) -> bool:
    return path == above or path.startswith((f"{above}.", f"{above}["))
