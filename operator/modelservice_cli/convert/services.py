"""The ports of the model server and its Service."""

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from modelservice_cli.convert.containers import port_numbers, template_path
from modelservice_cli.convert.notes import Change, Notes, subject_of
from modelservice_cli.convert.workloads import Workload
from modelservice_operator.api.v1alpha1.ports import DEFAULT_PORT_NAME, MAX_PORTS
from modelservice_operator.apimachinery.objects import Json, Object

_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
_MAX_NAME = 15
_COPIED = (
    *("externalTrafficPolicy", "internalTrafficPolicy", "trafficDistribution", "loadBalancerClass"),
    *("loadBalancerSourceRanges", "sessionAffinity", "ipFamilyPolicy", "ipFamilies", "publishNotReadyAddresses"),
)
_PORT_IN_COMMAND = re.compile(
    r"(?:^|\s)(?:--?(?:http-|rest[-_]api[-_]|server[-_]?)?port|-p|--rest_api_port|--http_port)[=\s]+(\d{2,5})(?=\s|$)"
    r"|(?:--?bind|-b|--listen|--host|--addr(?:ess)?)[=\s]+\S*?:(\d{2,5})(?=\s|$)"
    r"|(?:^|\s)[\w.*]*:(\d{2,5})(?=\s|$)"
)


@dataclass(slots=True)
class Ports:
    """The ports of the model server, and how the input names them."""

    main: int | None = None
    fields: Object = field(default_factory=dict)
    """containerPort, portName and ports of the spec."""
    service: Object = field(default_factory=dict)
    """port, nodePort and appProtocol of spec.service."""
    service_names: dict[Json, str | None] = field(default_factory=dict)
    """Ports of the Service, with the names in the ModelService; None is that of the main port."""
    numbers_of_names: dict[str, int] = field(default_factory=dict)
    """Names of the Service's ports in the input."""

    def name_of(self, port: Json) -> tuple[bool, str | None]:
        """Return whether a port of the Service, by name or number, is known, and its name; None for the main port."""
        number = self.numbers_of_names.get(port, port) if isinstance(port, str) else port
        if not isinstance(number, int | str):
            return False, None
        return number in self.service_names, self.service_names.get(number)


def plan_ports(workload: Workload, container: Object, notes: Notes) -> Ports:
    """Return the ports: the main one is that which the first port of the Service leads to."""
    return _Planner(workload, container, notes).plan()


def _service_spec(workload: Workload) -> Object:
    return (workload.service or {}).get("spec") or {}


def _numbers(ports: Sequence[Object]) -> list[int]:
    return [port["containerPort"] for port in ports if port.get("protocol", "TCP") == "TCP"]


def _target(port: Object, container: Object) -> Json:
    """Return the number that a port of a Service leads to; its name if the container has no port of this name."""
    target = port.get("targetPort") or port.get("port")
    if isinstance(target, str) and target.isdecimal():
        return int(target)
    return port_numbers(container).get(target, target) if isinstance(target, str) else target


@dataclass(slots=True)
class _Planner:
    """Finds the port of the server, and names all ports."""

    workload: Workload
    container: Object
    notes: Notes

    @property
    def declared(self) -> list[Object]:
        """Ports of the container."""
        ports = self.container.get("ports") or ()
        return [port for port in ports if isinstance(port, dict) and port.get("containerPort")]

    @property
    def offered(self) -> list[Object]:
        """Ports of the Service."""
        ports = _service_spec(self.workload).get("ports") or ()
        return [port for port in ports if isinstance(port, dict) and isinstance(port.get("port"), int)]

    @property
    def subject(self) -> str:
        """The Service, for notes."""
        return subject_of(self.workload.service or {})

    def plan(self) -> Ports:
        """Return all ports."""
        tcp = [port for port in self.offered if port.get("protocol", "TCP") == "TCP"]
        numbers = _numbers(self.declared)
        first = next((port for port in tcp if _target(port, self.container) in numbers), tcp[0] if tcp else None)
        return self._build(self._main_number(first), first)

    def _main_number(self, first: Object | None) -> int | None:
        numbers = _numbers(self.declared)
        evidence = list(ports_in_use(self.container))
        likely = numbers[0] if numbers else next(iter(evidence), None)
        if first is None:
            return likely
        target = _target(first, self.container)
        if target is None:
            return likely
        if target in numbers:
            return int(target)
        if isinstance(target, str):
            text = (
                f"targetPort {target} is not a port of the container {self.container['name']}:"
                f" {likely or 'the default'}"
                " is"
                " meant."
            )
            self.notes.add(Change.REPAIRED, self.subject, text, f"spec.ports[{first.get('port')}].targetPort")
            return likely
        if not numbers:
            return int(target)
        return self._chosen_number(int(target), numbers[0], first, evidence)

    def _chosen_number(self, target: int, number: int, first: Object, evidence: Sequence[int]) -> int:
        """Return the port of the server, if the Service and the container differ.

        A declared port has no effect in Kubernetes, so that of the Service is right if it was written; a missing
        targetPort was forgotten. Probes and the command line show which port the server listens on.
        """
        is_written = first.get("targetPort") is not None and first.get("targetPort") != first.get("port")
        wins = target in evidence or (is_written and number not in evidence)
        used, other = (target, number) if wins else (number, target)
        reason = "requests are sent there" if wins else "targetPort was not set apart from port"
        if used in evidence:
            reason = "a probe, a variable or the command line names it"
        text = (
            f"the Service leads to port {target}, and the container {self.container['name']} declares {number}:"
            f" {used} is"
            f" meant, because {reason}. If the server listens on {other}, change containerPort."
        )
        self.notes.add(Change.REPAIRED, self.subject, text, f"spec.ports[{first.get('port')}].targetPort")
        return used

    def _build(self, main: int | None, first: Object | None) -> Ports:
        ports = Ports(main=main)
        if main is None:
            text = "the input names no port of the server: requests are sent to 8080, which containerPort changes."
            path = f"{template_path(str(self.container['name']))}.ports[8080]"
            self.notes.add(Change.CHANGED, subject_of(self.workload.deployment), text, path)
        else:
            ports.fields["containerPort"] = main
        name = _valid_name((first or {}).get("name")) or _valid_name(self._declared_name(main, "TCP"))
        if name is not None:
            ports.fields["portName"] = name
        if first is not None:
            ports.service |= {
                key: first[key] for key in ("port", "nodePort", "appProtocol") if first.get(key) is not None
            }
            ports.service_names[first["port"]] = None
        headless = _service_spec(self.workload).get("clusterIP") == "None"
        further = _FurtherPorts(
            headless=headless,
            names={name or DEFAULT_PORT_NAME},
            used={(main, "TCP")},
            taken={((first or {}).get("port", 80) if not headless else None, "TCP")},
        )
        for port in self.offered:
            if port.get("name"):
                ports.numbers_of_names[str(port["name"])] = port.get("port", 0)
            if port is not first:
                self._add_offered(further, port, ports)
        for port in self.declared:
            further.add(port["containerPort"], port.get("protocol", "TCP"), port.get("name"), None)
        if further.items:
            ports.fields["ports"] = further.items[:MAX_PORTS]
        return ports

    def _declared_name(self, number: Json, protocol: str) -> Json:
        """Return the name of a port of the container."""
        names = {(port["containerPort"], port.get("protocol", "TCP")): port.get("name") for port in self.declared}
        return names.get((number, protocol))

    def _add_offered(self, further: "_FurtherPorts", port: Object, ports: Ports) -> None:
        target, protocol = _target(port, self.container), port.get("protocol", "TCP")
        path = f"spec.ports[{_label(port)}]"
        if not isinstance(target, int):
            self.notes.add(
                Change.OMITTED, self.subject, f"targetPort {target} is not a port of the model server.", path
            )
            return
        added = further.add(target, protocol, port.get("name") or self._declared_name(target, protocol), port)
        if added is None:
            text = f"another port of the Service leads to port {target} of the container already, or uses this number."
            self.notes.add(Change.OMITTED, self.subject, text, path)
        else:
            ports.service_names[port["port"]] = added


def ports_in_use(container: Object) -> Iterator[int]:
    """Yield the ports that a container uses by its environment, probes and command line."""
    for variable in container.get("env") or ():
        value = variable.get("value") if isinstance(variable, dict) else None
        if (
            isinstance(value, str)
            and variable.get("name") in {"PORT", "HTTP_PORT", "SERVER_PORT"}
            and value.isdecimal()
        ):
            yield int(value)
    for name in ("readinessProbe", "livenessProbe", "startupProbe"):
        probe = container.get(name)
        for kind in ("httpGet", "tcpSocket", "grpc"):
            port = ((probe or {}).get(kind) or {}).get("port")
            if isinstance(port, int):
                yield port
    words = [str(word) for name in ("command", "args") for word in container.get(name) or ()]
    for match in _PORT_IN_COMMAND.finditer(" ".join(words)):
        yield int(next(group for group in match.groups() if group))


def _label(port: Object) -> str:
    protocol = port.get("protocol", "TCP")
    return str(port.get("port")) if protocol == "TCP" else f"{port.get('port')}/{protocol}"


@dataclass(slots=True, kw_only=True)
class _FurtherPorts:
    """Collects the items of spec.ports, whose names and numbers are used once."""

    headless: bool
    names: set[str]
    used: set[tuple[int | None, str]]
    taken: set[tuple[int | None, str]]
    """Ports of the Service."""
    items: list[Object] = field(default_factory=list)

    def add(self, number: int, protocol: str, name: Json, port: Object | None) -> str | None:
        """Add a port, which `port` of the Service leads to; return its name, or None if it cannot be added."""
        offered = number if port is None or self.headless else port["port"]
        if (number, protocol) in self.used or protocol not in {"TCP", "UDP"}:
            return None
        if not self.headless and (offered, protocol) in self.taken:
            return None
        own = _valid_name(name)
        if own is None or own in self.names:
            own = f"port-{number}" if f"port-{number}" not in self.names else f"port-{number}-{protocol.lower()}"
        item: Object = {"name": own, "containerPort": number}
        if offered != number:
            item["servicePort"] = offered
        if protocol != "TCP":
            item["protocol"] = protocol
        item |= {
            key: port[key] for key in ("appProtocol", "nodePort") if port is not None and port.get(key) is not None
        }
        self.items.append(item)
        self.names.add(own)
        self.used.add((number, protocol))
        self.taken.add((offered, protocol))
        return own


def _valid_name(name: Json) -> str | None:
    """Return the name of a port if it is one for a container as well."""
    text = str(name or "")
    return text if len(text) <= _MAX_NAME and _PORT_NAME.fullmatch(text) else None


def build_service_options(workload: Workload, ports: Ports, name: str) -> Object:
    """Return spec.service."""
    if workload.service is None:
        return {}
    metadata, spec = workload.service.get("metadata") or {}, _service_spec(workload)
    found: Object = {}
    if metadata.get("name") and metadata["name"] != name:
        found["name"] = metadata["name"]
    kind = spec.get("type") or "ClusterIP"
    if spec.get("clusterIP") == "None":
        kind = "Headless"
    if kind != "ClusterIP":
        found["type"] = kind
    found |= ports.service
    found |= {key: copy.deepcopy(metadata[key]) for key in ("labels", "annotations") if metadata.get(key)}
    found |= {key: copy.deepcopy(spec[key]) for key in _COPIED if spec.get(key) not in (None, [])}
    seconds = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds")
    if seconds is not None and spec.get("sessionAffinity") == "ClientIP":
        found["sessionAffinityTimeoutSeconds"] = seconds
    return found
