"""The tree of `status`: a ModelService, its children, its revisions and their pods."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelservice_cli.cluster.family import Family, annotation, label
from modelservice_cli.output import Style, paint
from modelservice_cli.view import pods
from modelservice_cli.view.conditions import Problem, condition, problems
from modelservice_cli.view.humanize import format_age, format_bytes, format_duration, plural, shorten
from modelservice_cli.view.listing import model_text, ready_text, reason_text, replicas_text, style_of
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.apimachinery.well_known import REVISION, TEMPLATE_HASH

_LOG_LINE_CHARS = 200
_PROBLEM_CHARS = 160


@dataclass(frozen=True, slots=True)
class Node:
    """One object, with sentences about it and the objects below."""

    kind: str
    name: str
    state: str = ""
    """State in a few words."""
    style: Style | None = None
    notes: tuple[tuple[str, str], ...] = ()
    """Pairs of a word and a text, each on a line: what the reader must know."""
    children: tuple["Node", ...] = ()

    def to_json(self) -> Object:
        """Return the node as JSON."""
        body: Object = {"kind": self.kind, "name": self.name, "state": self.state}
        if self.notes:
            body["notes"] = [{"about": word, "text": text} for word, text in self.notes]
        if self.children:
            body["children"] = [child.to_json() for child in self.children]
        return body


def build_tree(family: Family, now: datetime, *, all_revisions: bool = False) -> Node:
    """Return the tree of a ModelService. Revisions without pods are left out unless `all_revisions`."""
    status = family.status
    parts = (
        f"Ready={ready_text(family.service)}",
        reason_text(family.service),
        f"{replicas_text(status)} replicas ready",
    )
    age = format_age(family.service["metadata"].get("creationTimestamp"), now)
    return Node(
        "ModelService",
        f"{family.namespace}/{family.name}",
        ", ".join(filter(None, (*parts, age))),
        style_of(family.service),
        tuple(_service_notes(family, now)),
        tuple(_child_nodes(family, now, all_revisions=all_revisions)),
    )


def render_tree(node: Node) -> str:
    """Return the tree as lines."""
    return "\n".join(_lines(node, "", "", "")) + "\n"


def _lines(node: Node, prefix: str, branch: str, stem: str) -> Iterator[str]:
    head = f"{node.kind} {node.name}"
    state = paint(node.state, node.style) if node.style is not None else node.state
    yield f"{prefix}{branch}{paint(head, Style.HEADING)}  {state}".rstrip()
    below = prefix + stem
    bar = "│ " if node.children else "  "
    width = max((len(word) for word, _ in node.notes), default=0)
    yield from (f"{below}{bar} {paint(f'{word:<{width}}', Style.FAINT)}  {text}" for word, text in node.notes)
    for index, child in enumerate(node.children):
        is_last = index == len(node.children) - 1
        yield from _lines(child, below, "└─ " if is_last else "├─ ", "   " if is_last else "│  ")


def _service_notes(family: Family, now: datetime) -> Iterator[tuple[str, str]]:
    status = family.status
    for one in problems(family.service):
        yield "cause" if one.kind in {"", "Stalled", "Ready"} else one.kind, problem_line(one, now)
    if url := status.get("url"):
        yield "url", str(url)
    yield from _model_notes(family)
    if (failure := status.get("lastFailure")) is not None:
        yield "last log line", _failure_text(failure, now)
    if family.unreadable:
        yield "hidden", f"you may not read: {', '.join(family.unreadable)}"


def problem_line(problem: Problem, now: datetime) -> str:
    """Return reason, message and age of a problem."""
    age = f" (for {format_age(problem.since, now)})" if problem.since else ""
    return f"{problem.reason}{age}: {' '.join(problem.message.split())}"


def _model_notes(family: Family) -> Iterator[tuple[str, str]]:
    model = family.status.get("model") or {}
    uri = model_text(family.service)
    if uri:
        progress = progress_text(model.get("progress") or {})
        yield (
            "model",
            "  ".join(filter(None, (uri, str(model.get("state") or ""), progress, str(model.get("digest") or "")))),
        )
    for extra in model.get("extra") or ():
        parts = (extra.get("resolvedURI") or extra.get("uri"), extra.get("state"), extra.get("reason"))
        yield f"model {extra['name']}", "  ".join(str(part) for part in parts if part)


def progress_text(progress: Mapping[str, Any]) -> str:
    """Return the progress of a loader: `30 % (3.2 GB of 10.7 GB, 41s left)`; empty if there is none."""
    if "loadedBytes" not in progress:
        return ""
    loaded, total = format_bytes(progress["loadedBytes"]), progress.get("totalBytes")
    amount = f"{loaded} of {format_bytes(total)}" if total else loaded
    left = f", {format_duration(progress['secondsLeft'])} left" if "secondsLeft" in progress else ""
    percent = f"{progress['percent']} % " if "percent" in progress else ""
    return f"{percent}({amount}{left})"


def _failure_text(failure: Mapping[str, Any], now: datetime) -> str:
    where = " of ".join(
        filter(
            None, (f"container {failure['container']}" if failure.get("container") else "", f"pod {failure.get('pod')}")
        )
    )
    code = f" ({failure['exitCode']})" if "exitCode" in failure else ""
    age = f", {format_age(failure['time'], now)} ago" if failure.get("time") else ""
    words = f": {shorten(failure['message'], _LOG_LINE_CHARS)}" if failure.get("message") else ""
    return f"{where}, {failure.get('reason')}{code}{age}{words}"


def _child_nodes(family: Family, now: datetime, *, all_revisions: bool) -> Iterator[Node]:
    existing = {(child["kind"], child["metadata"]["name"]) for child in family.children}
    for child in family.children:
        if child["kind"] == "Deployment":
            yield _deployment_node(child, family, now, all_revisions=all_revisions)
        else:
            describe = _DESCRIPTIONS.get(child["kind"])
            yield Node(child["kind"], child["metadata"]["name"], describe(child) if describe else "")
    for reference in family.status.get("resources") or ():
        if (reference["kind"], reference["name"]) not in existing and reference["kind"] not in family.unreadable:
            yield Node(reference["kind"], reference["name"], "does not exist", Style.BAD)


def _deployment_node(deployment: Object, family: Family, now: datetime, *, all_revisions: bool) -> Node:
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    desired = spec.get("replicas", 1)
    available = status.get("availableReplicas") or 0
    state = f"{available} of {desired} available" + (", paused" if spec.get("paused") else "")
    shown = [one for one in reversed(family.replica_sets) if all_revisions or _has_pods(one, family)]
    revisions = [_revision_node(one, family, now) for one in shown]
    known = {label(one, TEMPLATE_HASH) for one in shown}
    loose = [
        _pod_node(pod, now) for pod in family.pods if label(pod, TEMPLATE_HASH) not in known and not _is_of_job(pod)
    ]
    style = Style.GOOD if available >= desired else Style.WARNING
    return Node("Deployment", deployment["metadata"]["name"], state, style, (), (*revisions, *loose))


def _has_pods(replica_set: Object, family: Family) -> bool:
    spec, status = replica_set.get("spec") or {}, replica_set.get("status") or {}
    is_current = label(replica_set, TEMPLATE_HASH) == family.current_hash
    return bool(spec.get("replicas") or status.get("replicas") or is_current)


def _is_of_job(pod: Object) -> bool:
    return any(owner.get("kind") == "Job" for owner in pod["metadata"].get("ownerReferences") or ())


def _revision_node(replica_set: Object, family: Family, now: datetime) -> Node:
    template_hash = label(replica_set, TEMPLATE_HASH)
    is_current = template_hash == family.current_hash
    desired, ready = (
        (replica_set.get("spec") or {}).get("replicas") or 0,
        (replica_set.get("status") or {}).get("readyReplicas") or 0,
    )
    own = [pod for pod in family.pods if template_hash and label(pod, TEMPLATE_HASH) == template_hash]
    images = [one.get("image", "") for one in _containers(replica_set) if one.get("name") == pods.MODEL_CONTAINER]
    parts = (
        "current" if is_current else "earlier",
        f"{ready} of {plural(desired, 'pod')} ready",
        format_age(replica_set["metadata"].get("creationTimestamp"), now),
        *images,
    )
    failure = condition(replica_set, "ReplicaFailure")
    notes = (
        (("cause", shorten(str(failure.get("message", "")), _PROBLEM_CHARS)),)
        if failure.get("status") == "True"
        else ()
    )
    name = f"{annotation(replica_set, REVISION) or '?'} {replica_set['metadata']['name']}"
    return Node("Revision", name, ", ".join(parts), None, notes, tuple(_pod_node(pod, now) for pod in own))


def _containers(replica_set: Object) -> Iterable[Mapping[str, Any]]:
    template = (replica_set.get("spec") or {}).get("template") or {}
    return (template.get("spec") or {}).get("containers") or ()


def _pod_node(pod: Object, now: datetime) -> Node:
    ready, count = pods.is_ready(pod), pods.restarts(pod)
    parts = [pods.state(pod), f"{pods.ready_containers(pod)} ready"]
    parts += [plural(count, "restart")] if count else []
    parts += [format_age(pod["metadata"].get("creationTimestamp"), now)]
    parts += [f"on {node}"] if (node := (pod.get("spec") or {}).get("nodeName")) else []
    notes: list[tuple[str, str]] = []
    if not ready and not pods.is_terminating(pod):
        if text := shorten(pods.problem_text(pod), _PROBLEM_CHARS):
            notes.append(("waits", text))
        if (last := pods.last_termination(pod)) is not None:
            words = shorten(last.message.strip().rpartition("\n")[2], _PROBLEM_CHARS)
            ago = f", {format_age(last.time, now)} ago" if last.time else ""
            notes.append(
                ("ended", f"{last.container}: {last.reason} ({last.exit_code}){ago}" + (f": {words}" if words else ""))
            )
    style = Style.GOOD if ready else Style.FAINT if pods.is_terminating(pod) else Style.BAD if notes else Style.WARNING
    return Node("Pod", pod["metadata"]["name"], ", ".join(parts), style, tuple(notes))


def _service_text(child: Object) -> str:
    spec = child.get("spec") or {}
    ports = ", ".join(f"{one.get('name', '')}:{one['port']}".lstrip(":") for one in spec.get("ports") or ())
    address = _load_balancer(child) or ("headless" if spec.get("clusterIP") == "None" else spec.get("clusterIP", ""))
    return ", ".join(filter(None, (spec.get("type", "ClusterIP"), address, ports)))


def autoscaler_text(child: Object) -> str:
    """Return bounds, counts and metrics of a HorizontalPodAutoscaler, and what keeps it from scaling."""
    spec, status = child.get("spec") or {}, child.get("status") or {}
    counts = f"now {status.get('currentReplicas', 0)}, wants {status.get('desiredReplicas', 0)}"
    parts = [f"{spec.get('minReplicas', 1)} to {spec.get('maxReplicas', '?')} replicas", counts, *_metric_texts(child)]
    conditions = status.get("conditions") or ()
    parts += [f"{one['type']}={one['status']} ({one.get('reason')})" for one in conditions if _is_unusual(one)]
    return ", ".join(parts)


def _is_unusual(one: Mapping[str, Any]) -> bool:
    """Return True for a condition that limits scaling: ScalingLimited is, when it is True, the two others when not."""
    return bool((one.get("status") == "True") == (one.get("type") == "ScalingLimited"))


def _metric_texts(child: Object) -> Iterator[str]:
    """Yield use and target of each metric: `cpu 83%/80%`."""
    current = {
        _metric_name(one): _metric_value(one, "current")
        for one in (child.get("status") or {}).get("currentMetrics") or ()
        if one
    }
    for metric in (child.get("spec") or {}).get("metrics") or ():
        name = _metric_name(metric)
        yield f"{name} {current.get(name) or '?'}/{_metric_value(metric, 'target') or '?'}"


def _metric_source(metric: Mapping[str, Any]) -> Mapping[str, Any]:
    kind = str(metric.get("type", ""))
    return metric.get(kind[:1].lower() + kind[1:]) or {}


def _metric_name(metric: Mapping[str, Any]) -> str:
    source = _metric_source(metric)
    return str(source.get("name") or (source.get("metric") or {}).get("name") or metric.get("type") or "metric")


def _metric_value(metric: Mapping[str, Any], key: str) -> str:
    value = _metric_source(metric).get(key) or {}
    if "averageUtilization" in value:
        return f"{value['averageUtilization']}%"
    return str(value.get("averageValue") or value.get("value") or "")


def _ingress_text(child: Object) -> str:
    hosts = [str(rule.get("host") or "*") for rule in (child.get("spec") or {}).get("rules") or ()]
    return f"{', '.join(hosts) or '*'}, {_load_balancer(child) or 'no address yet'}"


def _load_balancer(child: Object) -> str:
    found = (((child.get("status") or {}).get("loadBalancer") or {}).get("ingress")) or ()
    return ", ".join(str(one.get("hostname") or one.get("ip") or "") for one in found)


def _route_text(child: Object) -> str:
    hosts = ", ".join((child.get("spec") or {}).get("hostnames") or ["*"])
    parents = (child.get("status") or {}).get("parents") or ()
    accepted = [one for parent in parents for one in parent.get("conditions") or () if one.get("type") == "Accepted"]
    if not accepted:
        return f"{hosts}, no Gateway has answered yet"
    return f"{hosts}, " + ", ".join(f"Accepted={one.get('status')} ({one.get('reason')})" for one in accepted)


def _budget_text(child: Object) -> str:
    status = child.get("status") or {}
    return f"{plural(status.get('disruptionsAllowed') or 0, 'eviction')} allowed now"


def _cron_text(child: Object) -> str:
    spec, status = child.get("spec") or {}, child.get("status") or {}
    last = status.get("lastSuccessfulTime")
    return f"{spec.get('schedule', '')}{', suspended' if spec.get('suspend') else ''}, last success {last or 'never'}"


_DESCRIPTIONS = {
    "Service": _service_text,
    "HorizontalPodAutoscaler": autoscaler_text,
    "Ingress": _ingress_text,
    "HTTPRoute": _route_text,
    "PodDisruptionBudget": _budget_text,
    "CronJob": _cron_text,
}
