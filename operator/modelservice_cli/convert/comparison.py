"""Compares the objects of an input with the children of a ModelService, field by field.

Both sides become maps of paths to values, in which only what has the same meaning is equal: items of lists are found by
their names, named ports are numbers, quantities are amounts, and `false` is a missing flag.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Context, Decimal

from modelservice_cli.convert.defaults import with_defaults
from modelservice_cli.convert.notes import subject_of
from modelservice_operator.apimachinery.objects import Json, Object
from modelservice_operator.apimachinery.quantity import parse_quantity
from modelservice_operator.resources.canonical import canonical_form
from modelservice_operator.resources.diff import LIST_KEYS
from modelservice_operator.resources.metadata import CONTAINER_NAME

_EMPTY_MEANS_SOMETHING = frozenset({"emptyDir", "podSelector", "namespaceSelector", "labelSelector"})
_FLAGS = frozenset(
    {
        *("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "setHostnameAsFQDN", "privileged"),
        *("runAsNonRoot", "readOnlyRootFilesystem", "readOnly", "optional", "stdin", "stdinOnce", "tty", "paused"),
        *("publishNotReadyAddresses", "extract"),
    }
)
"""Fields for which false means the same as a missing field."""
_TRUE_BY_DEFAULT = frozenset({"enableServiceLinks", "automountServiceAccountToken"})
"""Fields of a pod for which true means the same as a missing field, though the API server does not store it."""
_QUANTITIES = frozenset({"sizeLimit", "storage", "averageValue", "tolerance", "divisor"})
_AMOUNTS = frozenset({"requests", "limits"})
_INT_OR_STRING = frozenset({"maxSurge", "maxUnavailable", "minAvailable"})
_MAPS = frozenset(
    {
        *("labels", "annotations", "matchLabels", "nodeSelector", "requests", "limits", "volumeAttributes"),
        *("containers", "initContainers", "volumes", "metrics"),
    }
)
"""Maps with arbitrary keys, and lists that have become maps."""
_IDENTITY = frozenset(
    {
        *("uid", "creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "ownerReferences"),
        *("namespace", "deletionTimestamp"),
    }
)
_OF_CONTROLLERS = re.compile(
    r"^(modelservice[.]dev/|kubectl[.]kubernetes[.]io/(last-applied-configuration|restartedAt)$"
    r"|deployment[.]kubernetes[.]io/revision$)"
)
"""Annotations that clients write for themselves."""
_STEP = Decimal("1e-3")
_EXACT = Context(prec=100, rounding=ROUND_CEILING)
_PORT_HOLDERS = frozenset({"httpGet", "tcpSocket"})


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value: equal ones have the same `key`; `shown` is for sentences."""

    key: Json = field(hash=False)
    shown: str = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field that only one side has, or that differs. The path is empty if it is the whole object."""

    kind: str
    subject: str
    path: str
    before: Leaf | None = None
    after: Leaf | None = None
    root: str = ""
    """Outermost field above it that only this side has; the path itself if both sides have it."""

    @property
    def name(self) -> str:
        """Last step of the path."""
        return self.path.rpartition(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names of containers and volumes in the children, with those of the input."""

    main: str
    containers: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)

    def container(self, name: str) -> str:
        """Return the name in the input of a container of the children."""
        return self.main if name == CONTAINER_NAME else self.containers.get(name, name)

    def volume(self, name: str) -> str:
        """Return the name in the input of a volume of the children."""
        return self.volumes.get(name, name)


def differences(before: Sequence[Object], after: Sequence[Object], names: Names) -> list[Difference]:
    """Return all differences between the objects of an input and the children. Both are of the current API.

    `with_defaults` is applied to both, which changes nothing in objects that the API server has stored.
    """
    old = {body["kind"]: body for body in map(with_defaults, before)}
    new = {body["kind"]: body for body in map(with_defaults, after)}
    # Sidecars of the input may be containers or, as those of the operator, init containers.
    listed = [str(one.get("name")) for one in _pod_of(old.get("Deployment", {})).get("containers") or ()]
    found: list[Difference] = []
    for kind in dict.fromkeys([*old, *new]):
        subject = subject_of(old.get(kind) or new[kind])
        if kind not in old or kind not in new:
            leaf = Leaf(True, "this object")  # noqa: FBT003  a key, no flag
            sides = (leaf, None) if kind in old else (None, leaf)
            found.append(Difference(kind=kind, subject=subject, path="", before=sides[0], after=sides[1]))
            continue
        left = _view(old[kind], old, None, listed)
        right = _view(new[kind], new, names, listed)
        roots = {True: _prefixes(left), False: _prefixes(right)}
        found += (
            Difference(
                kind=kind,
                subject=subject,
                path=path,
                before=left.get(path),
                after=right.get(path),
                root=_root(path, roots[path not in left]) if path not in left or path not in right else path,
            )
            for path in dict.fromkeys([*left, *right])
            if left.get(path) != right.get(path)
        )
    return found


def _prefixes(leaves: Mapping[str, Leaf]) -> set[str]:
    """Return the paths of all fields above the leaves, and of the leaves."""
    return {above for path in leaves for above in ancestors(path)}


def ancestors(path: str) -> list[str]:
    """Return the path of each field above a leaf, the outermost first, and of the leaf."""
    ends = [match.start() for match in re.finditer(r"\.(?![^\[]*\])|\[", path)]
    return [path[:end] for end in ends if end] + [path]


def _root(path: str, other: set[str]) -> str:
    return next((above for above in ancestors(path) if above not in other), path)


def _view(body: Object, side: Mapping[str, Object], names: Names | None, listed: Sequence[str]) -> dict[str, Leaf]:
    """Return the fields of an object. `names` is None for the input; `listed` are the containers of its pods."""
    body = canonical_form(copy.deepcopy(body))
    kept = {key: value for key, value in body.items() if key not in {"apiVersion", "kind", "status"}}
    metadata = {key: value for key, value in (kept.get("metadata") or {}).items() if key not in _IDENTITY}
    metadata["annotations"] = _without_own(metadata.get("annotations"))
    kept["metadata"] = metadata
    if body["kind"] == "Deployment":
        _prepare_deployment(kept, names, listed)
    elif body["kind"] == "Service":
        _prepare_service(kept, side)
    elif body["kind"] == "HorizontalPodAutoscaler":
        _prepare_autoscaler(kept, names)
    elif body["kind"] == "Ingress":
        _prepare_ingress(kept, side)
    leaves = dict(_leaves(kept, "", "", ()))
    return {path: leaf for path, leaf in leaves.items() if not _is_unset(path, leaf)}


def _without_own(annotations: Json) -> dict[str, str]:
    return {key: value for key, value in (annotations or {}).items() if not _OF_CONTROLLERS.match(key)}


def _is_unset(path: str, leaf: Leaf) -> bool:
    name = path.rpartition(".")[2]
    return (leaf.key is False and name in _FLAGS) or (leaf.key is True and name in _TRUE_BY_DEFAULT)


def _pod_of(deployment: Object) -> Object:
    template = (deployment.get("spec") or {}).get("template") or {}
    return template.get("spec") or {}


def _prepare_deployment(body: Object, names: Names | None, listed: Sequence[str]) -> None:
    template = body["spec"].get("template") or {}
    if isinstance(template.get("metadata"), dict):
        template["metadata"]["annotations"] = _without_own(template["metadata"].get("annotations"))
        template["metadata"].pop("creationTimestamp", None)
    pod = _pod_of(body)
    # The deprecated name is a copy (`with_defaults`).
    pod.pop("serviceAccount", None)
    for toleration in pod.get("tolerations") or ():
        toleration.setdefault("operator", "Equal")
    for spread in pod.get("topologySpreadConstraints") or ():
        spread.setdefault("nodeAffinityPolicy", "Honor")
        spread.setdefault("nodeTaintsPolicy", "Ignore")
    inits, containers = pod.get("initContainers") or [], pod.get("containers") or []
    for container in (*inits, *containers):
        _prepare_container(container)
    if names is not None:
        for reference in _references(pod):
            if "containerName" in reference:
                reference["containerName"] = names.container(reference["containerName"])
        moved = [one for one in inits if one.get("restartPolicy") == "Always" and _key_name(one, names) in listed]
        inits = [one for one in inits if one not in moved]
        containers = [*containers, *moved]
    order = [_key_name(one, names) for one in inits]
    pod["containers"] = {_key_name(one, names): one for one in containers}
    pod["initContainers"] = {_key_name(one, names): one for one in inits}
    if len(order) > 1:
        pod["initContainersOrder"] = order
    if names is not None:
        pod["volumes"] = {names.volume(volume["name"]): volume for volume in pod.get("volumes") or ()}
    else:
        pod["volumes"] = {str(volume.get("name")): volume for volume in pod.get("volumes") or ()}


def _key_name(container: Object, names: Names | None) -> str:
    name = str(container.get("name"))
    return name if names is None else names.container(name)


def _prepare_container(container: Object) -> None:
    numbers = {
        port["name"]: port["containerPort"]
        for port in container.get("ports") or ()
        if {"name", "containerPort"} <= port.keys()
    }
    actions = [container.get(name) for name in ("startupProbe", "readinessProbe", "livenessProbe")]
    actions += [(container.get("lifecycle") or {}).get(name) for name in ("preStop", "postStart")]
    for action in actions:
        for kind in _PORT_HOLDERS:
            holder = (action or {}).get(kind)
            if isinstance(holder, dict) and holder.get("port") in numbers:
                holder["port"] = numbers[holder["port"]]


def _references(node: Json) -> Iterator[Object]:
    """Yield the references to amounts of a container."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key == "resourceFieldRef" and isinstance(value, dict):
            yield value
        else:
            yield from _references(value)


def _prepare_service(body: Object, side: Mapping[str, Object]) -> None:
    pod = _pod_of(side.get("Deployment", {}))
    numbers = {
        port["name"]: port["containerPort"]
        for container in (*(pod.get("containers") or ()), *(pod.get("initContainers") or ()))
        for port in container.get("ports") or ()
        if {"name", "containerPort"} <= port.keys()
    }
    for port in body["spec"].get("ports") or ():
        port["targetPort"] = _number(numbers.get(port.get("targetPort"), port.get("targetPort")))
    body["spec"]["selector"] = {"matchLabels": body["spec"].get("selector") or {}}
    for assigned in ("clusterIPs", "healthCheckNodePort"):
        body["spec"].pop(assigned, None)
    if body["spec"].get("clusterIP") != "None":
        body["spec"].pop("clusterIP", None)


def _number(value: Json) -> Json:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _prepare_autoscaler(body: Object, names: Names | None) -> None:
    metrics: dict[str, Object] = {}
    for metric in body["spec"].get("metrics") or ():
        kind = next((name for name in metric if name != "type"), "")
        source = metric.get(kind) if isinstance(metric.get(kind), dict) else {}
        key = str(source.get("name") or (source.get("metric") or {}).get("name") or kind)
        if (source.get("target") or {}).get("type") == "AverageValue":
            key += " AverageValue"  # a resource may have two targets
        if names is not None and "container" in source:
            source["container"] = names.container(source["container"])
        while key in metrics:
            key += "'"
        # The source has the same name for a pod and for one of its containers: `type` shows which it is.
        metrics[key] = {"type": metric.get("type"), "source": source}
    body["spec"]["metrics"] = metrics


def _prepare_ingress(body: Object, side: Mapping[str, Object]) -> None:
    ports = (side.get("Service", {}).get("spec") or {}).get("ports") or ()
    numbers = {port["name"]: port["port"] for port in ports if {"name", "port"} <= port.keys()}
    for backend in _backends(body.get("spec")):
        port = backend.get("port") or {}
        backend["port"] = numbers.get(port.get("name"), port.get("name")) if "name" in port else port.get("number")


def _backends(node: Json) -> Iterator[Object]:
    """Yield the references to Services."""
    if isinstance(node, list):
        for item in node:
            yield from _backends(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "service" and isinstance(value, dict):
                yield value
            else:
                yield from _backends(value)


def _leaves(node: Json, path: str, name: str, above: tuple[str, ...]) -> Iterator[tuple[str, Leaf]]:
    if isinstance(node, dict):
        if not node and name in _EMPTY_MEANS_SOMETHING:
            yield path, Leaf("{}", "{}")
        for key, value in node.items():
            yield from _leaves(value, _step(path, str(key), name), str(key), (*above, name))
    elif isinstance(node, list) and any(isinstance(item, dict) for item in node):
        used: set[str] = set()
        for index, item in enumerate(node):
            label = _label(item, index, name)
            # The API server admits repeated names in some lists; the last item counts.
            while label in used and name != "env":
                label += "'"
            used.add(label)
            yield from _leaves(item, f"{path}[{label}]", "", (*above, name))
    elif node is not None and node != []:
        yield path, _leaf(node, name, above)


def _step(path: str, key: str, holder: str) -> str:
    if holder in _MAPS or not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", key):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _label(item: Json, index: int, name: str) -> str:
    if not isinstance(item, dict):
        return str(index)
    if name == "ports":
        number = item.get("port", item.get("containerPort"))
        protocol = item.get("protocol", "TCP")
        return str(number) if protocol == "TCP" else f"{number}/{protocol}"
    keys = LIST_KEYS.get(name, ())
    if keys and all(key in item for key in keys):
        return ",".join(str(item[key]).rstrip("/") if name == "volumeMounts" else str(item[key]) for key in keys)
    return str(index)


def _leaf(value: Json, name: str, above: tuple[str, ...]) -> Leaf:
    shown = value if isinstance(value, str) else json.dumps(value, default=str)
    holder = above[-1] if above else ""
    if holder in _AMOUNTS or name in _QUANTITIES or (name == "value" and "metrics" in above):
        amount = parse_quantity(str(value))
        if amount is not None and holder in _AMOUNTS:
            # The API server rounds amounts of a resource list (core/v1, SetDefaults_ResourceList).
            amount = amount.quantize(_STEP, context=_EXACT)
        return Leaf(str(value) if amount is None else amount, str(shown))
    if name in _INT_OR_STRING:
        return Leaf(str(value), str(shown))
    return Leaf(_typed(value), str(shown))


def _typed(value: Json) -> Json:
    """Return the value; True differs from 1, which Python's `==` does not see."""
    return value if isinstance(value, bool) or not isinstance(value, int | float) else (type(value).__name__, value)
