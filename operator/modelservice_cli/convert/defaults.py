"""The defaults that the API server adds to the kinds of a conversion (pkg/apis/*/v1/defaults.go of Kubernetes).

Both sides of a comparison get them, so that a written default equals a missing field. An integration test compares them
with the API server's: tests/integration/cli/test_conversion_on_the_server.py.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

from modelservice_operator.apimachinery.objects import Json, Object

_FILE_MODE = 0o644
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_SCALE_UP = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_SCALE_DOWN = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
_AFFINITY_SECONDS = 10800
_TOKEN_SECONDS = 3600
_EXTERNAL_TYPES = ("NodePort", "LoadBalancer")


def with_defaults(body: Object) -> Object:
    """Return a copy of an object with the defaults of the API server; other kinds are only copied."""
    body = copy.deepcopy(body)
    add_defaults(body)
    return body


def add_defaults(body: Object) -> None:
    """Add the defaults of the API server to an object in place."""
    add = _BY_KIND.get(str(body.get("kind")))
    if add is not None and isinstance(body.get("spec"), dict):
        add(body["spec"])


def without_defaults(body: Object) -> Object:
    """Return a copy without the fields whose absence means the same: a live object has all defaults written."""
    full = with_defaults(body)
    lean = copy.deepcopy(body)
    for holder, key in list(_scalars(lean.get("spec"))):
        value = holder.pop(key)
        if with_defaults(lean) != full:
            holder[key] = value
    return lean


def _scalars(node: Json) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the fields that a default may have, the outer ones first."""
    if isinstance(node, list):
        for item in node:
            yield from _scalars(item)
    elif isinstance(node, dict):
        for key in list(node):
            yield node, key
            yield from _scalars(node.get(key))


def _fill(node: Json, **fields: Json) -> None:
    if isinstance(node, dict):
        for name, value in fields.items():
            if node.get(name) is None:
                node[name] = copy.deepcopy(value)


def _deployment(spec: Object) -> None:
    _fill(
        spec,
        replicas=1,
        revisionHistoryLimit=10,
        progressDeadlineSeconds=600,
        strategy={"type": "RollingUpdate"},
    )
    strategy = spec["strategy"]
    _fill(strategy, type="RollingUpdate")
    if strategy.get("type") == "RollingUpdate":
        _fill(strategy, rollingUpdate={})
        _fill(strategy["rollingUpdate"], maxSurge="25%", maxUnavailable="25%")
    template = spec.get("template")
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        _pod(template["spec"])


def _pod(pod: Object) -> None:
    _fill(
        pod,
        restartPolicy="Always",
        dnsPolicy="ClusterFirst",
        schedulerName="default-scheduler",
        terminationGracePeriodSeconds=30,
        securityContext={},
    )
    account = pod.get("serviceAccountName") or pod.get("serviceAccount")
    if account:
        pod["serviceAccountName"] = pod["serviceAccount"] = account
    for container in (*(pod.get("containers") or ()), *(pod.get("initContainers") or ())):
        if isinstance(container, dict):
            _container(container)
    for volume in pod.get("volumes") or ():
        if isinstance(volume, dict):
            _volume(volume)


def _container(container: Object) -> None:
    image = str(container.get("image") or "")
    name, _, tag = image.rpartition("/")[2].partition("@")[0].partition(":")
    latest = "@" not in image and (tag in {"", "latest"}) and bool(name)
    _fill(
        container,
        imagePullPolicy="Always" if latest else "IfNotPresent",
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        resources={},
    )
    for port in container.get("ports") or ():
        _fill(port, protocol="TCP")
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") if isinstance(variable, dict) else None
        if isinstance(source, dict) and isinstance(source.get("fieldRef"), dict):
            _fill(source["fieldRef"], apiVersion="v1")
        if isinstance(source, dict) and isinstance(source.get("resourceFieldRef"), dict):
            _fill(source["resourceFieldRef"], divisor="0")
    for name in _PROBES:
        probe = container.get(name)
        if isinstance(probe, dict):
            _fill(probe, **_PROBE)
            _action(probe)
    for handler in (container.get("lifecycle") or {}).values():
        _action(handler)


def _action(holder: Json) -> None:
    if not isinstance(holder, dict):
        return
    _fill(holder.get("httpGet"), path="/", scheme="HTTP")
    if isinstance(holder.get("grpc"), dict):
        _fill(holder["grpc"], service="")


def _volume(volume: Object) -> None:
    if not [name for name in volume if name != "name"]:
        volume["emptyDir"] = {}
    for kind in ("secret", "configMap", "projected", "downwardAPI"):
        if isinstance(volume.get(kind), dict):
            _fill(volume[kind], defaultMode=_FILE_MODE)
    projected = (volume.get("projected") or {}).get("sources") or []
    for source in projected:
        _fill(source.get("serviceAccountToken"), expirationSeconds=_TOKEN_SECONDS)
    for source in (volume, *projected):
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            _fill(item.get("fieldRef"), apiVersion="v1")
            _fill(item.get("resourceFieldRef"), divisor="0")
    if isinstance(volume.get("ephemeral"), dict):
        template = volume["ephemeral"].get("volumeClaimTemplate")
        if isinstance(template, dict):
            _fill(template, spec={})
            _fill(template["spec"], volumeMode="Filesystem")
    if isinstance(volume.get("hostPath"), dict):
        _fill(volume["hostPath"], type="")


def _service(spec: Object) -> None:
    _fill(spec, type="ClusterIP", sessionAffinity="None", internalTrafficPolicy="Cluster")
    if spec["type"] in _EXTERNAL_TYPES:
        _fill(spec, externalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        _fill(spec, allocateLoadBalancerNodePorts=True)
    if spec["sessionAffinity"] == "ClientIP":
        _fill(spec, sessionAffinityConfig={})
        _fill(spec["sessionAffinityConfig"], clientIP={})
        _fill(spec["sessionAffinityConfig"]["clientIP"], timeoutSeconds=_AFFINITY_SECONDS)
    for port in spec.get("ports") or ():
        if isinstance(port, dict):
            _fill(port, protocol="TCP", targetPort=port.get("port"))
            if port["targetPort"] in ("", 0):
                port["targetPort"] = port.get("port")


def _autoscaler(spec: Object) -> None:
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    _fill(spec, minReplicas=1)
    if not spec.get("metrics"):
        spec["metrics"] = [{"type": "Resource", "resource": cpu}]
    behavior = spec.get("behavior")
    if isinstance(behavior, dict):
        for direction, rules in (("scaleUp", _SCALE_UP), ("scaleDown", _SCALE_DOWN)):
            _fill(behavior, **{direction: {}})
            _fill(behavior[direction], **{name: value for name, value in rules.items() if name != "policies"})
            if not behavior[direction].get("policies"):
                behavior[direction]["policies"] = copy.deepcopy(rules["policies"])


def _network_policy(spec: Object) -> None:
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in (rule or {}).get("ports") or ():
            _fill(port, protocol="TCP")


def _http_route(spec: Object) -> None:
    for rule in spec.get("rules") or ():
        _fill(rule, matches=[{"path": {"type": "PathPrefix", "value": "/"}}])


_BY_KIND: dict[str, Callable[[Object], None]] = {
    "Deployment": _deployment,
    "Service": _service,
    "HorizontalPodAutoscaler": _autoscaler,
    "NetworkPolicy": _network_policy,
    "HTTPRoute": _http_route,
}
