"""Ingress, HTTPRoute, NetworkPolicy and monitors."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

from modelservice_cli.convert.notes import Change, Notes, subject_of
from modelservice_cli.convert.services import Ports
from modelservice_cli.convert.workloads import Workload
from modelservice_operator.apimachinery.objects import Json, Object

_KEEP_POLICY = (
    "a NetworkPolicy of a ModelService has one rule for requests to its ports: keep this one, and let it select"
    " app.kubernetes.io/instance={name}, because {reason}."
)
_DEFAULT_PATH_TYPE = "Prefix"


def build_exposure(workload: Workload, ports: Ports, notes: Notes) -> Object:
    """Return spec.expose."""
    ingress = _build_ingress(workload, ports, notes)
    if ingress is None:
        route = _build_route(workload, ports, notes)
        return {} if route is None else {"httpRoute": route}
    if workload.route is not None:
        text = "a ModelService has an Ingress or an HTTPRoute: keep the route, whose backend has the same name."
        notes.add(Change.KEPT, subject_of(workload.route), text)
        workload.route = None
    return {"ingress": ingress}


def _build_ingress(workload: Workload, ports: Ports, notes: Notes) -> Object | None:
    if workload.ingress is None or workload.service is None:
        return None
    spec, metadata = workload.ingress.get("spec") or {}, workload.ingress.get("metadata") or {}
    name = workload.service["metadata"].get("name")
    paths = _Paths(str(name), ports, subject_of(workload.ingress), notes)
    rules = paths.rules(spec.get("rules") or [])
    backend = (spec.get("defaultBackend") or {}).get("service") or {}
    if not rules and backend.get("name") == name:
        text = "the default backend becomes a rule for every host and path."
        notes.add(Change.CHANGED, paths.subject, text, "spec.defaultBackend", "spec.rules")
        path = {"path": "/", "pathType": _DEFAULT_PATH_TYPE, "backend": {"service": backend}}
        rules = paths.rules([{"http": {"paths": [path]}}])
    if not rules:
        return None
    found: Object = _rules(rules)
    if spec.get("ingressClassName"):
        found["className"] = spec["ingressClassName"]
    found |= {key: copy.deepcopy(metadata[key]) for key in ("labels", "annotations") if metadata.get(key)}
    return found | _tls(spec.get("tls") or [], rules)


@dataclass(frozen=True, slots=True)
class _Paths:
    """Converts the paths of an Ingress that lead to the Service."""

    name: str
    ports: Ports
    subject: str
    notes: Notes

    def rules(self, rules: list[Object]) -> list[Object]:
        """Return the rules that have such paths."""
        found = []
        for index, rule in enumerate(rules):
            paths = [
                built
                for place, path in enumerate(((rule or {}).get("http") or {}).get("paths") or ())
                if (built := self._path(path, f"spec.rules[{index}].http.paths[{place}]")) is not None
            ]
            if paths:
                found.append(({"host": rule["host"]} if rule.get("host") else {}) | {"paths": paths})
        return found

    def _path(self, path: Json, place: str) -> Object | None:
        service = ((path or {}).get("backend") or {}).get("service") or {}
        if service.get("name") != self.name:
            target = service.get("name") or "a resource"
            text = f"the path leads to {target}, which is not the Service of this ModelService."
            self.notes.add(Change.OMITTED, self.subject, text, place)
            return None
        port = service.get("port") or {}
        known, own = self.ports.name_of(port.get("name", port.get("number")))
        if not known:
            text = f"the Service has no port {port.get('name', port.get('number'))}: its first one is meant."
            self.notes.add(Change.REPAIRED, self.subject, text, f"{place}.backend.service.port")
        built: Object = {"path": path.get("path") or "/"}
        if path.get("pathType") and path["pathType"] != _DEFAULT_PATH_TYPE:
            built["pathType"] = path["pathType"]
        return built | ({"port": own} if own is not None else {})


def _rules(rules: list[Object]) -> Object:
    """Return host and path of a single rule, or all rules."""
    if len(rules) == 1 and len(rules[0]["paths"]) == 1:
        return {key: value for key, value in rules[0].items() if key == "host"} | rules[0]["paths"][0]  # type: ignore[no-any-return]
    return {"rules": rules}


def _tls(entries: list[Object], rules: list[Object]) -> Object:
    hosts = list(dict.fromkeys(rule["host"] for rule in rules if "host" in rule))
    if len(entries) == 1 and entries[0].get("secretName") and list(entries[0].get("hosts") or ()) == hosts:
        return {"tlsSecretName": entries[0]["secretName"]}
    return {"tls": copy.deepcopy(entries)} if entries else {}


def _build_route(workload: Workload, ports: Ports, notes: Notes) -> Object | None:
    if workload.route is None or workload.service is None:
        return None
    body, spec = workload.route, workload.route.get("spec") or {}
    reason = _not_one_prefix(spec.get("rules") or [])
    if reason is not None or not spec.get("parentRefs"):
        text = f"an HTTPRoute of a ModelService has one path prefix and no filters: keep this one, because {reason}."
        notes.add(Change.KEPT, subject_of(body), text)
        workload.route = None
        return None
    [rule] = spec["rules"]
    found: Object = {"parentRefs": copy.deepcopy(spec["parentRefs"])}
    if spec.get("hostnames"):
        found["hostnames"] = list(spec["hostnames"])
    matches = rule.get("matches") or [{}]
    path = (matches[0].get("path") or {}).get("value", "/")
    if path != "/":
        found["path"] = path
    known, own = ports.name_of(rule["backendRefs"][0].get("port"))
    if known and own is not None:
        found["port"] = own
    if (rule.get("timeouts") or {}).get("request"):
        found["timeouts"] = {"request": rule["timeouts"]["request"]}
    annotations = (body.get("metadata") or {}).get("annotations")
    return found | ({"annotations": dict(annotations)} if annotations else {})


def _not_one_prefix(rules: Json) -> str | None:
    """Return why the rules of an HTTPRoute cannot be said; None if they can."""
    if len(rules) != 1:
        return "it has several rules, or none"
    [rule] = rules
    matches = rule.get("matches") or [{}]
    if rule.get("filters") or len(rule.get("backendRefs") or ()) != 1:
        return "it has filters or several backends"
    if len(matches) != 1 or set(matches[0]) - {"path"}:
        return "it has several matches, or others than a path"
    if (matches[0].get("path") or {}).get("type", "PathPrefix") != "PathPrefix":
        return "its path is not a prefix"
    return None


def build_policy(workload: Workload, notes: Notes) -> Object:
    """Return spec.networkPolicy."""
    if workload.policy is None:
        return {}
    spec = workload.policy.get("spec") or {}
    rules = spec.get("ingress") or []
    reason = _policy_reason(spec, rules)
    if reason is not None:
        text = _KEEP_POLICY.format(name=workload.name, reason=reason)
        notes.add(Change.KEPT, subject_of(workload.policy), text)
        workload.policy = None
        return {}
    peers = [_build_peer(peer) for peer in rules[0].get("from") or ()]
    return {"enabled": True} | ({"from": peers} if peers != [{"podLabels": {}}] else {})


def _policy_reason(spec: Object, rules: Json) -> str | None:
    if spec.get("egress") or "Egress" in (spec.get("policyTypes") or ()):
        return "it has rules for egress"
    if len(rules) != 1 or not (rules[0] or {}).get("from"):
        return "it has several rules, or one for all sources"
    for peer in rules[0]["from"]:
        selectors = [peer.get("podSelector") or {}, peer.get("namespaceSelector") or {}]
        if any("matchExpressions" in selector for selector in selectors):
            return "a selector has matchExpressions"
        if (peer.get("ipBlock") or {}).get("except"):
            return "an address range has exceptions"
    return None


def _build_peer(peer: Mapping[str, Json]) -> Object:
    if peer.get("ipBlock"):
        return {"ipBlock": {"cidr": peer["ipBlock"].get("cidr")}}
    names = {"podLabels": "podSelector", "namespaceLabels": "namespaceSelector"}
    return {field: dict((peer[name] or {}).get("matchLabels") or {}) for field, name in names.items() if name in peer}


def build_monitoring(workload: Workload, ports: Ports, notes: Notes) -> Object:
    """Return spec.monitoring."""
    if workload.monitor is None:
        return {}
    body, spec = workload.monitor, workload.monitor.get("spec") or {}
    is_pod = body.get("kind") == "PodMonitor"
    endpoints = spec.get("podMetricsEndpoints" if is_pod else "endpoints") or []
    if len(endpoints) != 1 or set(endpoints[0]) - {"port", "path", "interval", "targetPort"}:
        text = "a PodMonitor of a ModelService has one endpoint with port, path and interval: keep this monitor"
        text += f", and let it select app.kubernetes.io/instance={workload.name}."
        notes.add(Change.KEPT, subject_of(body), text)
        workload.monitor = None
        return {}
    [endpoint] = endpoints
    found: Object = {"enabled": True}
    found |= {key: endpoint[key] for key in ("path", "interval") if endpoint.get(key)}
    known, own = ports.name_of(endpoint.get("port"))
    if known and own is not None:
        found["port"] = own
    labels = (body.get("metadata") or {}).get("labels")
    if labels:
        found["labels"] = dict(labels)
    if not is_pod:
        text = "a ServiceMonitor becomes a PodMonitor, whose series have no label `service`."
        notes.add(Change.CHANGED, subject_of(body), text)
        workload.monitor = None
    return {"podMonitor": found}
