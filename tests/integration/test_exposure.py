"""Ports, Service and access from outside: each field reaches its child, needs no second write, and can be undone."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.environment.audit import STATUS, AuditTrail
from tests.environment.cluster import Cluster
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.foreign_crds import HTTP_ROUTES, POD_MONITORS, minimal_crd
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator

MARKERS = count()
GRPC = {"name": "grpc", "containerPort": 8001}
MAIN_PORT = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
GRPC_PORT = {"name": "grpc", "port": 8001, "targetPort": "grpc", "protocol": "TCP"}
BASE = model_service().with_spec(replicas=0)
BALANCED = {"type": "LoadBalancer"}
SERVICE_CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "port-name": ({"portName": "rest"}, {"ports": [MAIN_PORT | {"name": "rest", "targetPort": "rest"}]}),
    "ports": (
        {
            "ports": [
                GRPC | {"servicePort": 9001, "appProtocol": "kubernetes.io/h2c"},
                {**GRPC, "protocol": "UDP"} | {"name": "udp"},
            ]
        },
        {
            "ports": [
                MAIN_PORT,
                GRPC_PORT | {"port": 9001, "appProtocol": "kubernetes.io/h2c"},
                GRPC_PORT | {"name": "udp", "targetPort": "udp", "protocol": "UDP"},
            ]
        },
    ),
    "node-ports": (
        {"service": {"type": "NodePort", "nodePort": 30180}, "ports": [GRPC | {"nodePort": 30181}]},
        {"type": "NodePort", "ports": [MAIN_PORT | {"nodePort": 30180}, GRPC_PORT | {"nodePort": 30181}]},
    ),
    "affinity": (
        {"service": {"sessionAffinity": "ClientIP", "sessionAffinityTimeoutSeconds": 60}},
        {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}},
    ),
    "default-affinity": ({"service": {"sessionAffinity": "ClientIP"}}, {"sessionAffinity": "ClientIP"}),
    "internal-traffic": ({"service": {"internalTrafficPolicy": "Local"}}, {"internalTrafficPolicy": "Local"}),
    "distribution": ({"service": {"trafficDistribution": "PreferClose"}}, {"trafficDistribution": "PreferClose"}),
    "families": (
        {"service": {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4"]}},
        {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4"]},
    ),
    "source-ranges": (
        {"service": BALANCED | {"loadBalancerSourceRanges": ["192.0.2.0/24"], "externalTrafficPolicy": "Local"}},
        {"type": "LoadBalancer", "loadBalancerSourceRanges": ["192.0.2.0/24"], "externalTrafficPolicy": "Local"},
    ),
    "not-ready": ({"service": {"publishNotReadyAddresses": True}}, {"publishNotReadyAddresses": True}),
    "labels": ({"service": {"labels": {"team": "flowers"}}}, {}),
}
"""Fields of the ModelService, and the fields of the Service that follow from them."""
UNDONE: dict[str, dict[str, Any]] = {"families": {"service": {"ipFamilyPolicy": "SingleStack"}}}
"""Fields that undo a case; by default none. The API server keeps an IP family policy that is removed."""
ASSIGNED = ("clusterIP", "clusterIPs", "selector", "healthCheckNodePort")
"""Fields in which two Services of the same settings differ."""


@pytest.fixture(scope="module")
def optional_kinds(control_plane: Cluster) -> Iterator[None]:
    """Serve HTTPRoute and PodMonitor."""
    kinds = ((HTTP_ROUTES, "HTTPRoute"), (POD_MONITORS, "PodMonitor"))
    control_plane.run_kubectl("apply", "-f", "-", stdin="---\n".join(minimal_crd(*kind) for kind in kinds))
    control_plane.run_kubectl("wait", "--for=condition=Established", "crd", HTTP_ROUTES, POD_MONITORS)
    yield
    control_plane.run_kubectl("delete", "crd", HTTP_ROUTES, POD_MONITORS)


@pytest.fixture(scope="module")
def operator(
    operator_kubeconfig: Path, optional_kinds: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """An operator that starts when all kinds are served."""
    assert optional_kinds is None
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with running_operator(operator_kubeconfig, log, "--discovery-seconds", "1") as operator:
        yield operator


def apply_all(ns: NamespaceFixture, services: list[ModelServiceBuilder]) -> None:
    """Apply all objects with one command, and wait until they are ready."""
    manifests = [service.named(service.name, namespace=ns.namespace).manifest() for service in services]
    ns.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests))
    for service in services:
        ns.wait_ready(service.name)


def wait_idle(ns: NamespaceFixture) -> None:
    """Wait until the operator has processed all changes: a later object is ready by then."""
    marker = BASE.named(f"marker-{next(MARKERS)}")
    ns.apply(marker)
    ns.wait_ready(marker.name)


def writes_of(audit: AuditTrail, name: str) -> dict[str, int]:
    """Return the write counts of the children of a ModelService."""
    return {write: number for write, number in audit.writes_of(name).items() if write != STATUS}


def writes_when_idle(ns: NamespaceFixture, audit: AuditTrail, name: str) -> dict[str, int]:
    wait_idle(ns)
    return writes_of(audit, name)


def spec_of(ns: NamespaceFixture, name: str) -> dict[str, Any]:
    return {field: value for field, value in ns.get("service", name)["spec"].items() if field not in ASSIGNED}


def contains(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(contains(live.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return len(live) == len(wanted) and all(map(contains, live, wanted))
    return bool(live == wanted)


def wait_service(ns: NamespaceFixture, name: str, wanted: dict[str, Any]) -> None:
    ns.wait(lambda: contains(spec_of(ns, name), wanted), f"Service {name} with {wanted}", name=name)


def wait_equal(ns: NamespaceFixture, name: str, wanted: dict[str, Any]) -> None:
    ns.wait(lambda: spec_of(ns, name) == wanted, f"Service {name} with nothing but {wanted}", name=name)


def wait_reason(ns: NamespaceFixture, name: str, reason: str) -> str:
    """Wait for a reason of Ready; return its message."""
    ns.wait(lambda: ns.condition(name).get("reason") == reason, reason, name=name)
    return str(ns.condition(name)["message"])


def container_ports(ns: NamespaceFixture, name: str) -> list[dict[str, Any]]:
    [container] = ns.get("deployment", name)["spec"]["template"]["spec"]["containers"]
    ports: list[dict[str, Any]] = container["ports"]
    return ports


def url_of(ns: NamespaceFixture, name: str) -> str | None:
    url: str | None = ns.get_model_service(name)["status"].get("url")
    return url


def exposed(ns: NamespaceFixture, name: str) -> tuple[str | None, str | None]:
    condition = ns.condition(name, "Exposed")
    return condition.get("status"), condition.get("reason")


def wait_exposed(ns: NamespaceFixture, name: str, status: str, reason: str) -> str:
    ns.wait(lambda: exposed(ns, name) == (status, reason), f"Exposed {status} {reason}", name=name)
    return str(ns.condition(name, "Exposed")["message"])


def set_status(ns: NamespaceFixture, kind: str, name: str, status: dict[str, Any], *, subresource: bool = True) -> None:
    """Write a status as the controller of the kind does."""
    options = ("--subresource=status",) if subresource else ()
    ns.kubectl("patch", kind, name, *options, "--type=merge", "-p", json.dumps({"status": status}))


def test_every_service_field_is_applied_once(ns: NamespaceFixture, audit: AuditTrail) -> None:
    apply_all(ns, [BASE.named(name).with_spec(**fields) for name, (fields, _) in SERVICE_CASES.items()])
    for name, (_, wanted) in SERVICE_CASES.items():
        live = spec_of(ns, name)
        assert contains(live, wanted), (name, live)
    assert ns.get("service", "labels")["metadata"]["labels"]["team"] == "flowers"
    ports = [(port["name"], port["containerPort"], port["protocol"]) for port in container_ports(ns, "ports")]
    assert ports == [("http", 8080, "TCP"), ("grpc", 8001, "TCP"), ("udp", 8001, "UDP")]
    wait_idle(ns)
    written = {name: writes_of(audit, name) for name in SERVICE_CASES}
    assert written == {name: {"create deployments": 1, "create services": 1} for name in SERVICE_CASES}


def test_every_service_field_can_be_undone(ns: NamespaceFixture, audit: AuditTrail) -> None:
    """Runs after the test above, whose objects it resets: no value is left over, and nothing is written when idle."""
    undone = [BASE.named(name).with_spec(**UNDONE.get(name, {})) for name in SERVICE_CASES]
    apply_all(ns, [BASE.named("plain"), *undone])
    plain = spec_of(ns, "plain")
    for name in SERVICE_CASES:
        wait_equal(ns, name, plain)
    assert "team" not in ns.get("service", "labels")["metadata"]["labels"]
    assert writes_when_idle(ns, audit, "affinity") == {"patch services": 2}
    again = [BASE.named(name).with_spec(**fields) for name, (fields, _) in SERVICE_CASES.items()]
    apply_all(ns, again)
    for name, (_, wanted) in SERVICE_CASES.items():
        wait_service(ns, name, wanted)
    apply_all(ns, undone)
    for name in SERVICE_CASES:
        wait_equal(ns, name, plain)


def test_type_of_the_service_can_be_changed(ns: NamespaceFixture, audit: AuditTrail) -> None:
    """Also back: what belongs to one type only is not left over."""
    options: tuple[dict[str, Any], ...]
    options = ({}, BALANCED | {"externalTrafficPolicy": "Local"}, {"type": "NodePort", "nodePort": 30182}, BALANCED)
    headless: dict[str, Any] = {"type": "Headless"}
    for service in (*options, headless, options[2], {}):
        apply_all(ns, [BASE.named("types").with_spec(service=service)])
        wanted = "ClusterIP" if service.get("type", "Headless") == "Headless" else service["type"]
        assert ns.get("service", "types")["spec"]["type"] == wanted
    writes = writes_when_idle(ns, audit, "types")
    # Three are created. A dry run of the creation precedes each deletion.
    assert (writes["create services"], writes["delete services"]) == (5, 2)


def test_renamed_port_leaves_no_second_one(ns: NamespaceFixture, audit: AuditTrail) -> None:
    service = BASE.named("renamed-port").with_spec(ports=[GRPC])
    apply_all(ns, [service])
    uid = ns.get("service", "renamed-port")["metadata"]["uid"]
    for main, other in (("rest", "rpc"), ("rpc", "rest"), ("http", "grpc")):
        ns.apply(service.with_spec(portName=main, ports=[GRPC | {"name": other}]))
        ns.wait_ready("renamed-port")
        assert [port["name"] for port in container_ports(ns, "renamed-port")] == [main, other]
        assert [(port["name"], port["port"]) for port in spec_of(ns, "renamed-port")["ports"]] == [
            (main, 80),
            (other, 8001),
        ]
    assert ns.get("service", "renamed-port")["metadata"]["uid"] == uid
    writes = writes_when_idle(ns, audit, "renamed-port")
    assert writes == {"create deployments": 1, "create services": 1, "patch deployments": 4, "patch services": 4}


def test_taken_node_port_names_the_field(ns: NamespaceFixture) -> None:
    ns.kubectl("create", "service", "nodeport", "holder", "--tcp=80:80", "--node-port=30190")
    ns.apply(BASE.named("main-port").with_spec(service={"type": "NodePort", "nodePort": 30190}))
    ns.apply(
        BASE.named("other-port").with_spec(
            service={"type": "NodePort"}, ports=[GRPC, GRPC | {"name": "b", "containerPort": 8002, "nodePort": 30190}]
        )
    )
    for name, field in (("main-port", "service.nodePort"), ("other-port", "ports[1].nodePort")):
        message = wait_reason(ns, name, "Rejected")
        assert "provided port is already allocated" in message
        assert message.endswith(f"Set {field} to a free port, or remove it to have one assigned.")


def test_renamed_service_replaces_the_old_one(ns: NamespaceFixture, audit: AuditTrail) -> None:
    ingress = {"ingress": {"host": "renamed.example.com"}}
    service = BASE.named("renamed").with_spec(expose=ingress)
    apply_all(ns, [service])
    apply_all(ns, [service.with_spec(service={"name": "front", "port": 8000})])
    ns.wait_deleted("service", "renamed")
    status = ns.get_model_service("renamed")["status"]
    assert status["address"]["url"] == f"http://front.{ns.namespace}.svc:8000"
    assert {"kind": "Service", "name": "front"} in status["resources"]
    [rule] = ns.get("ingress", "renamed")["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "front", "port": {"name": "http"}}
    assert audit.writes_of("front") == {"create services": 1}
    assert writes_when_idle(ns, audit, "renamed") == {
        "create deployments": 1,
        "create services": 1,
        "create ingresses": 1,
        "delete services": 1,
        "patch ingresses": 2,
    }
    ns.kubectl(
        "patch",
        "service",
        "front",
        "--type=merge",
        "-p",
        '{"spec": {"sessionAffinity": "ClientIP", "type": "NodePort"}}',
    )
    ns.wait_field("service", "front", "type", "ClusterIP")
    for patch in ('{"metadata": {"labels": null}}', '{"metadata": {"ownerReferences": null}}'):
        ns.kubectl("patch", "service", "front", "--type=merge", "-p", patch)
        ns.wait(lambda: is_marked(ns.get("service", "front")), "restored metadata", name="renamed")
    ns.kubectl("delete", "service", "front")
    ns.wait(lambda: ns.get("service", "front"), "new Service", name="renamed")
    apply_all(ns, [service])
    ns.wait_deleted("service", "front")
    assert ns.get("service", "renamed")["spec"]["ports"][0]["port"] == 80
    ns.kubectl("delete", "modelservice", "renamed")
    ns.wait_deleted("service", "renamed")


def is_marked(body: Any) -> bool:
    metadata = (body or {}).get("metadata") or {}
    return "app.kubernetes.io/instance" in (metadata.get("labels") or {}) and bool(metadata.get("ownerReferences"))


def test_renamed_service_keeps_its_node_port(ns: NamespaceFixture) -> None:
    """Only one Service can have a node port: the old one is deleted first."""
    options = {"type": "NodePort", "nodePort": 30191}
    apply_all(ns, [BASE.named("fixed-port").with_spec(service=options)])
    apply_all(ns, [BASE.named("fixed-port").with_spec(service=options | {"name": "fixed-front"})])
    assert ns.get("service", "fixed-front")["spec"]["ports"][0]["nodePort"] == 30191
    ns.wait_deleted("service", "fixed-port")


OUT_OF_RANGE = "The range of valid ports is 30000-32767. Set service.nodePort to a port in that range"


@pytest.mark.parametrize(("before", "port"), [("ClusterIP", 30192), ("Headless", 30194)])
def test_node_port_out_of_range_keeps_a_service(ns: NamespaceFixture, before: str, port: int) -> None:
    """A dry run accepts it. A headless Service is deleted and re-created, and its creation fails."""
    name = f"range-{before.lower()}"
    apply_all(ns, [BASE.named(name).with_spec(service={"type": before})])
    wrong = {"type": "NodePort", "nodePort": 80}
    ns.apply(BASE.named(name).with_spec(service=wrong))
    assert OUT_OF_RANGE in wait_reason(ns, name, "Rejected")
    assert ns.get("service", name)["spec"]["clusterIP"] != "None"
    assert ns.get("service", name)["metadata"].get("deletionTimestamp") is None
    apply_all(ns, [BASE.named(name).with_spec(service=wrong | {"nodePort": port})])
    assert ns.get("service", name)["spec"]["ports"][0]["nodePort"] == port


def test_renamed_service_without_a_valid_successor_is_kept(ns: NamespaceFixture) -> None:
    """The new one needs the node port of the old one, but this cluster has no IPv6."""
    options = {"type": "NodePort", "nodePort": 30193}
    service = BASE.named("kept-port")
    apply_all(ns, [service.with_spec(service=options)])
    ns.apply(service.with_spec(service=options | {"name": "kept-front", "ipFamilies": ["IPv6"]}))
    assert "Change service.ipFamilies." in wait_reason(ns, "kept-port", "Rejected")
    assert ns.get("service", "kept-port")["spec"]["ports"][0]["nodePort"] == 30193
    apply_all(ns, [service.with_spec(service=options | {"name": "kept-front"})])
    assert ns.get("service", "kept-front")["spec"]["ports"][0]["nodePort"] == 30193
    ns.wait_deleted("service", "kept-port")


def test_name_of_another_service_is_not_taken(ns: NamespaceFixture) -> None:
    """A foreign Service, and that of another ModelService, which hands its name over later."""
    ns.kubectl("create", "service", "clusterip", "foreign", "--tcp=1:1")
    before = ns.get("service", "foreign")
    apply_all(ns, [BASE.named("first").with_spec(service={"name": "second"})])
    apply_all(ns, [BASE.named("wanting")])
    ns.apply(BASE.named("wanting").with_spec(service={"name": "foreign"}))
    ns.apply(BASE.named("second"))
    command = f"kubectl annotate -n {ns.namespace} service/foreign modelservice.dev/adopt-by=wanting"
    for name, taken, advice in (
        ("wanting", "foreign", f"To have it adopted, run {command}. Otherwise"),
        ("second", "second", "It belongs to ModelService first:"),
    ):
        assert wait_reason(ns, name, "NameConflict") == (
            f"Service {taken} already exists and is not managed by this ModelService; it was not modified."
            f" {advice} set service.name to another name."
        )
    assert ns.get("service", "foreign") == before
    assert ns.get("service", "wanting") is not None  # until the new one exists
    owner = ns.get("service", "second")["metadata"]["ownerReferences"][0]["name"]
    assert owner == "first"
    apply_all(ns, [BASE.named("first"), BASE.named("wanting")])
    ns.wait_ready("second")
    assert ns.get("service", "second")["metadata"]["ownerReferences"][0]["name"] == "second"


def test_load_balancer_without_address_is_reported(ns: NamespaceFixture) -> None:
    apply_all(ns, [BASE.named("balanced").with_spec(service=BALANCED | {"port": 8000}, ports=[GRPC])])
    message = wait_exposed(ns, "balanced", "False", "AddressPending")
    assert message.startswith("Service balanced has no address yet. A cluster without a load balancer implementation")
    assert url_of(ns, "balanced") is None
    set_status(ns, "service", "balanced", {"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}})
    assert wait_exposed(ns, "balanced", "True", "AddressAssigned") == "Service balanced has the address 198.51.100.7."
    assert url_of(ns, "balanced") == "http://198.51.100.7:8000"
    apply_all(ns, [BASE.named("balanced")])
    ns.wait(lambda: exposed(ns, "balanced") == (None, None), "no condition Exposed", name="balanced")
    assert url_of(ns, "balanced") == f"http://balanced.{ns.namespace}.svc"


def test_ingress_for_every_host(ns: NamespaceFixture, audit: AuditTrail) -> None:
    service = BASE.named("anyhost").with_spec(ports=[GRPC])
    apply_all(ns, [service.with_spec(expose={"ingress": {}})])
    backend = {"service": {"name": "anyhost", "port": {"name": "http"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    assert ns.get("ingress", "anyhost")["spec"] == {"rules": [{"http": {"paths": [path]}}]}
    message = wait_exposed(ns, "anyhost", "False", "AddressPending")
    assert message.startswith("Ingress anyhost has no address yet. Check that an Ingress controller")
    assert url_of(ns, "anyhost") is None
    set_status(ns, "ingress", "anyhost", {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}})
    wait_exposed(ns, "anyhost", "True", "AddressAssigned")
    assert url_of(ns, "anyhost") == "http://lb.example.com"
    rules = [
        {"host": "a.example.com", "paths": [{"path": "/v1(/|$)(.*)", "pathType": "ImplementationSpecific"}]},
        {"paths": [{"path": "/rpc", "pathType": "Exact", "port": "grpc"}, {}]},
    ]
    tls = [{"hosts": ["a.example.com"], "secretName": "tls"}, {"hosts": ["b.example.com"]}]
    options = {"rules": rules, "tls": tls, "className": "nginx", "labels": {"team": "flowers"}}
    apply_all(ns, [service.with_spec(expose={"ingress": options})])
    ns.wait_field("ingress", "anyhost", "tls", tls)
    live = ns.get("ingress", "anyhost")
    assert [rule.get("host") for rule in live["spec"]["rules"]] == ["a.example.com", None]
    assert [path["path"] for rule in live["spec"]["rules"] for path in rule["http"]["paths"]] == [
        "/v1(/|$)(.*)",
        "/rpc",
        "/",
    ]
    assert live["metadata"]["labels"]["team"] == "flowers"
    assert url_of(ns, "anyhost") == "https://a.example.com/v1"
    apply_all(ns, [service.with_spec(expose={"ingress": {}})])
    ns.wait_field("ingress", "anyhost", "tls", None)
    live = ns.get("ingress", "anyhost")
    assert live["spec"] == {"rules": [{"http": {"paths": [path]}}]}
    writes = writes_when_idle(ns, audit, "anyhost")
    assert (writes["create ingresses"], writes["patch ingresses"]) == (1, 3)


def test_route_to_a_gateway_of_another_namespace(ns: NamespaceFixture, audit: AuditTrail) -> None:
    parent = {"name": "shared", "namespace": "infra", "sectionName": "https", "port": 443}
    route = {
        "parentRefs": [parent],
        "port": "grpc",
        "timeouts": {"request": "60s"},
        "annotations": {"example.com/a": "b"},
    }
    monitor = {"enabled": True, "port": "grpc", "interval": "15s", "labels": {"release": "prometheus"}}
    service = BASE.named("routed-far").with_spec(ports=[GRPC | {"servicePort": 9001}])
    ns.apply(service.with_spec(expose={"httpRoute": route}, monitoring={"podMonitor": monitor}))
    ns.wait_ready("routed-far")
    live = ns.get(HTTP_ROUTES, "routed-far")
    assert live["spec"]["parentRefs"] == [parent]
    [rule] = live["spec"]["rules"]
    assert (rule["backendRefs"], rule["timeouts"]) == ([{"name": "routed-far", "port": 9001}], {"request": "60s"})
    assert live["metadata"]["annotations"]["example.com/a"] == "b"
    found = ns.get(POD_MONITORS, "routed-far")
    assert found["spec"]["podMetricsEndpoints"] == [{"port": "grpc", "path": "/metrics", "interval": "15s"}]
    assert found["metadata"]["labels"]["release"] == "prometheus"
    assert wait_exposed(ns, "routed-far", "False", "RoutePending").startswith(
        "HTTPRoute routed-far has not been accepted"
    )
    assert url_of(ns, "routed-far") is None
    text = "No listener admits routes of this namespace"
    refused = {"type": "Accepted", "status": "False", "reason": "NotAllowedByListeners", "message": text}
    set_status(
        ns, HTTP_ROUTES, "routed-far", {"parents": [{"parentRef": parent, "conditions": [refused]}]}, subresource=False
    )
    message = wait_exposed(ns, "routed-far", "False", "RouteNotAccepted")
    assert message == f"HTTPRoute routed-far is not accepted by Gateway shared: {text}."
    accepted = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""}
    set_status(
        ns, HTTP_ROUTES, "routed-far", {"parents": [{"parentRef": parent, "conditions": [accepted]}]}, subresource=False
    )
    wait_exposed(ns, "routed-far", "True", "RouteAccepted")
    assert ns.is_ready("routed-far")
    writes = writes_when_idle(ns, audit, "routed-far")
    assert (writes["create httproutes"], writes["create podmonitors"]) == (1, 1)
    assert not [write for write in writes if write.startswith("patch")]
    ns.apply(
        service.with_spec(expose={"httpRoute": {"parentRefs": [{"name": "edge"}], "hostnames": ["a.example.com"]}})
    )
    ns.wait_field(HTTP_ROUTES, "routed-far", "parentRefs", [{"name": "edge"}])
    live = ns.get(HTTP_ROUTES, "routed-far")
    assert "timeouts" not in live["spec"]["rules"][0]
    assert "example.com/a" not in live["metadata"]["annotations"]
    ns.wait_deleted(POD_MONITORS, "routed-far")
    ns.wait(lambda: url_of(ns, "routed-far") == "http://a.example.com", "URL", name="routed-far")
