"""A ModelService with everything that belongs to it: children, ReplicaSets, pods and Events."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.cluster.failures import ApiError
from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.kinds import (
    CHILD_KINDS,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    POD,
    REPLICA_SET,
    ResourceKind,
)
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.apimachinery.well_known import REVISION, TEMPLATE_HASH

EVENT = ResourceKind(group="", version="v1", kind="Event", plural="events")
POD_METRICS = ResourceKind(group="metrics.k8s.io", version="v1beta1", kind="PodMetrics", plural="pods")
_KINDS = {kind.kind: kind for kind in CHILD_KINDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The objects of one ModelService, as the API server returned them."""

    service: Object
    children: tuple[Object, ...] = ()
    """Objects in `status.resources` that exist, in this order."""
    replica_sets: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    events: tuple[Object, ...] = ()
    """Events about any of these objects, oldest first."""
    unreadable: tuple[str, ...] = ()
    """Kinds that the user may not read."""

    @property
    def name(self) -> str:
        """Name of the ModelService."""
        return str(self.service["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Namespace of the ModelService."""
        return str(self.service["metadata"].get("namespace", ""))

    @property
    def spec(self) -> Mapping[str, Any]:
        """Spec of the ModelService."""
        return self.service.get("spec") or {}

    @property
    def status(self) -> Mapping[str, Any]:
        """Status of the ModelService."""
        return self.service.get("status") or {}

    def child(self, kind: ResourceKind) -> Object | None:
        """Return the child of a kind; None if it does not exist."""
        return next((child for child in self.children if child["kind"] == kind.kind), None)

    @property
    def deployment(self) -> Object | None:
        """The Deployment."""
        return self.child(DEPLOYMENT)

    @property
    def autoscaler(self) -> Object | None:
        """The HorizontalPodAutoscaler."""
        return self.child(HORIZONTAL_POD_AUTOSCALER)

    @property
    def current_hash(self) -> str:
        """Label pod-template-hash of the newest revision; empty before it has a ReplicaSet."""
        newest = annotation(self.deployment, REVISION)
        revision = next((one for one in self.replica_sets if newest and annotation(one, REVISION) == newest), None)
        return label(revision, TEMPLATE_HASH)


def annotation(body: Mapping[str, Any] | None, name: str) -> str:
    """Return an annotation; empty if there is none."""
    return str((((body or {}).get("metadata") or {}).get("annotations") or {}).get(name) or "")


def label(body: Mapping[str, Any] | None, name: str) -> str:
    """Return a label; empty if there is none."""
    return str((((body or {}).get("metadata") or {}).get("labels") or {}).get(name) or "")


def pod_selector(service: Mapping[str, Any], deployment: Mapping[str, Any] | None) -> str:
    """Return the selector of the pods: that of the Deployment, else of the status, else that of new ModelServices."""
    labels = (((deployment or {}).get("spec") or {}).get("selector") or {}).get("matchLabels")
    if labels:
        return ",".join(f"{key}={value}" for key, value in labels.items())
    name = service["metadata"]["name"]
    selector = (service.get("status") or {}).get("selector")
    return str(selector or f"app.kubernetes.io/name=modelservice,app.kubernetes.io/instance={name}")


@dataclass(slots=True)
class _Reader:
    """Reads what the user may read, and remembers the kinds of the rest."""

    cluster: Cluster
    namespace: str
    unreadable: dict[str, None] = field(default_factory=dict)

    def get(self, kind: ResourceKind, name: str) -> list[Object]:
        """Return the object in a list; an empty list if it does not exist."""
        return self._read(kind, lambda: [self.cluster.find(kind, name, namespace=self.namespace)])

    def list_all(self, kind: ResourceKind, selector: str | None = None) -> list[Object]:
        """Return the objects of a list."""
        return self._read(kind, lambda: self.cluster.list(kind, namespace=self.namespace, selector=selector))

    def _read(self, kind: ResourceKind, read: Callable[[], Iterable[Object | None]]) -> list[Object]:
        try:
            return [{"apiVersion": kind.api_version, "kind": kind.kind} | body for body in read() if body is not None]
        except ApiError as error:
            if error.is_kind_missing:
                return []
            if error.http_code != 403:  # noqa: PLR2004 - HTTP
                raise
            self.unreadable[kind.kind] = None
            return []


def read_family(cluster: Cluster, service: Object, *, with_events: bool = True) -> Family:
    """Read the objects that belong to a ModelService. What the user may not read is left out, and named."""
    reader = _Reader(cluster, str(service["metadata"].get("namespace") or cluster.namespace))
    references = [(_KINDS[one["kind"]], one["name"]) for one in _references(service) if one.get("kind") in _KINDS]
    found = cluster.gather([partial(reader.get, kind, name) for kind, name in references])
    children = [body for bodies in found for body in bodies]
    deployment = next((child for child in children if child["kind"] == DEPLOYMENT.kind), None)
    selector = pod_selector(service, deployment)
    replica_sets, pods, events = cluster.gather(
        [
            lambda: reader.list_all(REPLICA_SET, selector),
            lambda: reader.list_all(POD, selector),
            lambda: reader.list_all(EVENT) if with_events else [],
        ]
    )
    related = [service, *children, *replica_sets, *pods]
    return Family(
        service=service,
        children=tuple(children),
        replica_sets=tuple(sorted(replica_sets, key=_revision_number)),
        pods=tuple(
            sorted(pods, key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]))
        ),
        events=tuple(select_events(events, related)),
        unreadable=tuple(sorted(reader.unreadable)),
    )


def check_pods_readable(family: Family) -> None:
    """Raise CliError if the user may not list pods: that none is known does not mean that none is ready."""
    if POD.kind in family.unreadable:
        text = (
            f"You may not list the pods of ModelService {family.name} in namespace {family.namespace}: ask an"
            " administrator for a role that allows it, and allows to create pods/portforward."
        )
        raise CliError(text, ExitCode.FORBIDDEN)


def select_events(events: Iterable[Object], related: Iterable[Mapping[str, Any]]) -> list[Object]:
    """Return the Events about any of the objects, oldest first; objects that were replaced have the same names."""
    keys = {(body.get("kind"), body["metadata"]["name"]) for body in related}
    names = tuple(f"{name}-" for kind, name in keys if kind == DEPLOYMENT.kind)
    return sorted((event for event in events if _is_about(event, keys, names)), key=event_time)


def event_time(event: Mapping[str, Any]) -> str:
    """Return the time of the last occurrence, RFC 3339: three generations of writers use three fields."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next(filter(None, times), None) or (event.get("metadata") or {}).get("creationTimestamp") or "")


def _is_about(event: Mapping[str, Any], keys: set[tuple[Any, str]], prefixes: tuple[str, ...]) -> bool:
    about = event.get("involvedObject") or {}
    kind, name = about.get("kind"), str(about.get("name") or "")
    is_gone = kind in {POD.kind, REPLICA_SET.kind} and bool(prefixes) and _is_generated(name, prefixes)
    return (kind, name) in keys or is_gone


def _is_generated(name: str, prefixes: tuple[str, ...]) -> bool:
    """Return True for names of ReplicaSets and pods of a Deployment: NAME-HASH and NAME-HASH-SUFFIX."""
    rest = next((name.removeprefix(prefix) for prefix in prefixes if name.startswith(prefix)), "")
    parts = rest.split("-")
    return bool(rest) and len(parts) <= 2 and all(part.isalnum() for part in parts)  # noqa: PLR2004


def _references(service: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """Return kinds and names of the children; before there is a status, those that every ModelService has."""
    found = (service.get("status") or {}).get("resources")
    return found or [{"kind": DEPLOYMENT.kind, "name": service["metadata"]["name"]}]


def _revision_number(replica_set: Mapping[str, Any]) -> int:
    text = annotation(replica_set, REVISION)
    return int(text) if text.isdecimal() else 0
