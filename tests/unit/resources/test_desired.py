import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelservice_operator.resources import DesiredChild, build_children
from modelservice_operator.resources.autoscaler import build_autoscaler
from modelservice_operator.resources.deployment import build_deployment
from modelservice_operator.resources.http_route import build_http_route
from modelservice_operator.resources.metadata import HASH_ANNOTATION, SUSPENDED_ANNOTATION, selector
from modelservice_operator.resources.service import build_service
from tests.support.builders import model_service


def live_copy(desired: DesiredChild) -> Any:
    return copy.deepcopy(desired.create_body())


def test_created_object_has_no_difference() -> None:
    for child in build_children(model_service().autoscaled(max_replicas=3).parsed()):
        assert child.first_difference(live_copy(child)) is None


def test_additions_of_other_clients_are_ignored() -> None:
    desired = build_deployment(model_service().parsed())
    live = live_copy(desired)
    live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "3"
    pod = live["spec"]["template"]["spec"]
    pod["containers"].append({"name": "sidecar"})
    pod["containers"][0]["env"].append({"name": "INJECTED", "value": "1"})
    pod["containers"].reverse()
    pod["dnsPolicy"] = "ClusterFirst"
    live["spec"]["replicas"] = 7
    assert desired.first_difference(live) is None


@pytest.mark.parametrize(("given_amount", "shown"), [("1000m", "1"), ("0.5", "500m"), ("1024Mi", "1Gi"), ("1e3", "1k")])
def test_quantities_are_compared_by_value(given_amount: str, shown: str) -> None:
    desired = build_deployment(model_service().with_spec(resources={"limits": {"memory": given_amount}}).parsed())
    live = live_copy(desired)
    live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = shown
    assert desired.first_difference(live) is None


def test_string_that_looks_like_a_quantity_is_a_string() -> None:
    desired = build_deployment(model_service().with_spec(env=[{"name": "A", "value": "1000m"}]).parsed())
    live = live_copy(desired)
    live["spec"]["template"]["spec"]["containers"][0]["env"][-1]["value"] = "1"
    assert desired.first_difference(live) == ".spec.template.spec.containers[model].env[A].value"


def test_removed_field_changes_the_hash() -> None:
    before = build_deployment(model_service().with_spec(env=[{"name": "A", "value": "1"}]).parsed())
    after = build_deployment(model_service().parsed())
    assert after.first_difference(live_copy(before)) == f".metadata.annotations.{HASH_ANNOTATION}"


def test_atomic_lists_are_compared_as_a_whole() -> None:
    desired = build_autoscaler(model_service().autoscaled(max_replicas=3).parsed())
    assert desired is not None
    live = live_copy(desired)
    live["spec"]["metrics"].append({"type": "Resource"})
    assert desired.first_difference(live) == ".spec.metrics"


def test_addition_to_an_atomic_map_is_a_difference() -> None:
    """A selector with one more label selects nothing."""
    desired = build_service(model_service().parsed())
    live = live_copy(desired)
    live["spec"]["selector"]["tier"] = "theirs"
    assert desired.first_difference(live) == ".spec.selector.tier"


def test_addition_to_an_atomic_list_item_is_a_difference() -> None:
    desired = build_autoscaler(model_service().autoscaled(max_replicas=3).parsed())
    assert desired is not None
    live = live_copy(desired)
    live["spec"]["metrics"][0]["containerResource"]["target"]["averageValue"] = "1"
    assert desired.first_difference(live) == ".spec.metrics[0].containerResource.target.averageValue"


def test_defaults_of_custom_kinds_are_ignored() -> None:
    route = {"httpRoute": {"parentRefs": [{"name": "edge"}]}}
    desired = build_http_route(model_service().with_spec(expose=route).parsed())
    assert desired is not None
    live = live_copy(desired)
    live["spec"]["parentRefs"][0]["kind"] = "Gateway"
    assert desired.first_difference(live) is None


def test_additions_to_a_list_with_two_keys_are_ignored() -> None:
    spread = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    desired = build_deployment(model_service().with_spec(topologySpreadConstraints=[spread]).parsed())
    live = live_copy(desired)
    constraints = live["spec"]["template"]["spec"]["topologySpreadConstraints"]
    constraints.insert(0, spread | {"whenUnsatisfiable": "DoNotSchedule"})
    assert desired.first_difference(live) is None
    constraints[1]["maxSkew"] = 2
    where = ".spec.template.spec.topologySpreadConstraints[zone,ScheduleAnyway].maxSkew"
    assert desired.first_difference(live) == where


def test_conflicting_nodes_are_empty_for_a_plain_change() -> None:
    desired = build_deployment(model_service().parsed())
    live = live_copy(desired)
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "theirs"
    live["spec"]["template"]["spec"]["containers"][0]["env"].pop()
    assert desired.conflicting_nodes(live) == []


def test_second_source_and_changed_port_are_conflicting_nodes() -> None:
    mount = {"name": "files", "mountPath": "/a", "configMap": {"name": "a"}}
    desired = build_deployment(model_service().with_spec(mounts=[mount]).parsed())
    live = live_copy(desired)
    pod = live["spec"]["template"]["spec"]
    pod["volumes"][2] = {"name": "files", "emptyDir": {}}
    pod["containers"].insert(0, {"name": "sidecar"})
    pod["containers"][1]["ports"][0]["containerPort"] = 1
    assert desired.conflicting_nodes(live) == [
        (
            "/spec/template/spec/containers/1/ports/0",
            {"name": "http", "containerPort": 8080, "protocol": "TCP"},
        ),
        ("/spec/template/spec/volumes/2", {"name": "files", "configMap": {"name": "a"}}),
    ]


def test_replaced_port_keeps_its_node_port() -> None:
    desired = build_service(model_service().parsed())
    live = live_copy(desired)
    live["spec"]["ports"][0] |= {"port": 81, "nodePort": 30123}
    [(path, port)] = desired.conflicting_nodes(live)
    assert (path, port["port"], port["nodePort"]) == ("/spec/ports/0", 80, 30123)


def test_replaced_port_gets_the_configured_node_port() -> None:
    desired = build_service(model_service().with_spec(service={"type": "NodePort", "nodePort": 30080}).parsed())
    live = live_copy(desired)
    live["spec"]["ports"][0] |= {"port": 81, "nodePort": 30123}
    assert [port["nodePort"] for _, port in desired.conflicting_nodes(live)] == [30080]


@pytest.mark.parametrize(
    ("policy", "wanted", "live", "applied"),
    [
        ("PreferDualStack", ["IPv4"], ["IPv4", "IPv6"], ["IPv4", "IPv6"]),
        (None, ["IPv6"], ["IPv6", "IPv4"], ["IPv6", "IPv4"]),
        ("SingleStack", ["IPv4"], ["IPv4", "IPv6"], ["IPv4"]),
        ("PreferDualStack", ["IPv6"], ["IPv4", "IPv6"], ["IPv6"]),
        ("PreferDualStack", None, ["IPv4", "IPv6"], None),
        (None, ["IPv4"], None, ["IPv4"]),
    ],
)
def test_apply_keeps_the_completed_ip_families(policy: Any, wanted: Any, live: Any, applied: Any) -> None:
    options = {"ipFamilyPolicy": policy, "ipFamilies": wanted}
    options = {name: value for name, value in options.items() if value is not None}
    desired = build_service(model_service().with_spec(service=options).parsed())
    assert desired.apply_body({"spec": {"ipFamilies": live}})["spec"].get("ipFamilies") == applied


def test_completed_ip_families_are_no_difference() -> None:
    options = {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4"]}
    desired = build_service(model_service().with_spec(service=options).parsed())
    live = live_copy(desired)
    live["spec"]["ipFamilies"] = ["IPv4", "IPv6"]
    assert desired.first_difference(live) is None
    assert not desired.requires_recreate(live)
    live["spec"]["ipFamilies"] = ["IPv6", "IPv4"]
    assert desired.first_difference(live) == ".spec.ipFamilies[0]"
    assert desired.requires_recreate(live)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every leaf of a built object."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = [leaf for key, child in children for leaf in paths(child, (*path, key))]
    return below or [path]


@given(st.data())
def test_each_changed_or_removed_leaf_is_a_difference(data: st.DataObject) -> None:
    children = build_children(
        model_service().with_spec(env=[{"name": "A", "value": "1"}]).autoscaled(max_replicas=3).parsed()
    )
    desired = data.draw(st.sampled_from(children))
    *parents, last = data.draw(st.sampled_from(paths(desired.body)))
    live = live_copy(desired)
    node = live
    for step in parents:
        node = node[step]
    if data.draw(st.booleans()):
        node[last] = "changed by another client"
    else:
        del node[last]
    assert desired.first_difference(live) is not None


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=63), st.integers(0, 10_000))
def test_build_is_deterministic_and_selector_is_stable(name: str, replicas: int) -> None:
    service = model_service().named(name).with_spec(replicas=replicas)
    assert build_children(service.parsed()) == build_children(service.parsed())
    assert selector(service.parsed()) == selector(model_service().named(name).parsed())


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("spec", "template"), "text", ".spec.template"),
        (("spec", "template", "spec", "containers"), None, ".spec.template.spec.containers"),
        (("spec", "template", "spec", "containers"), [], ".spec.template.spec.containers[model]"),
        (("spec", "template", "spec", "containers"), "text", ".spec.template.spec.containers"),
    ],
)
def test_each_changed_or_removed_branch_is_a_difference(path: tuple[str, ...], value: Any, where: str) -> None:
    desired = build_deployment(model_service().parsed())
    live = live_copy(desired)
    *parents, last = path
    node = live
    for step in parents:
        node = node[step]
    node[last] = value
    assert desired.first_difference(live) == where


def test_command_is_compared_by_item() -> None:
    desired = build_deployment(model_service().with_spec(command=["serve", "--fast"]).parsed())
    live = live_copy(desired)
    live["spec"]["template"]["spec"]["containers"][0]["command"][1] = "--slow"
    assert desired.first_difference(live) == ".spec.template.spec.containers[model].command[1]"


ASLEEP = {"annotations": {SUSPENDED_ANNOTATION: "true"}}


@pytest.mark.parametrize(
    ("service", "count", "metadata", "expected"),
    [
        (model_service().with_spec(replicas=2), 2, {}, None),
        (model_service().with_spec(replicas=2), 5, {}, 2),
        (model_service().with_spec(replicas=2).autoscaled(max_replicas=5), 4, {}, None),
        (model_service().with_spec(replicas=2).autoscaled(max_replicas=5), 0, {}, None),
        (model_service().with_spec(replicas=2).autoscaled(max_replicas=5), 0, ASLEEP, 2),
        (model_service().with_spec(replicas=2).externally_scaled(), 0, ASLEEP, 2),
        (model_service().with_spec(replicas=0).externally_scaled(), 0, ASLEEP, None),
        (model_service().with_spec(replicas=2).autoscaled(max_replicas=5).suspended(), 4, {}, 0),
    ],
)
def test_replicas_to_set(service: Any, count: int, metadata: dict[str, Any], expected: int | None) -> None:
    live = {"metadata": metadata, "spec": {"replicas": count}}
    assert build_deployment(service.parsed()).replicas_to_set(live) == expected


def test_replicas_to_set_is_none_for_other_kinds() -> None:
    desired = build_service(model_service().parsed())
    assert desired.replicas_to_set({"metadata": {}, "spec": {}}) is None


def test_service_is_recreated_to_and_from_headless() -> None:
    usual, headless = (
        build_service(model_service().with_spec(service={"type": kind}).parsed()) for kind in ("ClusterIP", "Headless")
    )
    assert headless.requires_recreate({"spec": {"clusterIP": "198.19.0.7"}})
    assert usual.requires_recreate({"spec": {"clusterIP": "None"}})
    assert not usual.requires_recreate({"spec": {"clusterIP": "198.19.0.7"}})
    assert not build_deployment(model_service().parsed()).requires_recreate({"spec": {}})


def test_headless_service_keeps_its_uid_in_another_family() -> None:
    options = {"type": "Headless", "ipFamilies": ["IPv6"]}
    desired = build_service(model_service().with_spec(service=options).parsed())
    assert not desired.requires_recreate({"spec": {"clusterIP": "None", "ipFamilies": ["IPv4"]}})
