from typing import Any

import pytest

from modelservice_operator.resources import build_children
from tests.support.builders import model_service

S3 = {"uri": "s3://models/iris"}


def pod_with(**spec: Any) -> Any:
    return build_children(model_service().with_spec(**spec).parsed())[0].body["spec"]["template"]["spec"]


def helper(name: str = "helper", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "helper:1", **fields}


def mounting_model(name: str, **fields: Any) -> dict[str, Any]:
    return helper(name, mounts=[{"name": "model", "mountPath": "/model", **fields}])


def test_containers_start_in_the_order_of_their_needs() -> None:
    pod = pod_with(
        model=S3,
        sidecars=[mounting_model("reader"), helper("proxy"), helper("logs")],
        initContainers=[mounting_model("second"), helper("third")],
    )
    names = [container["name"] for container in pod["initContainers"]]
    assert names == ["proxy", "logs", "model-loader", "reader", "second", "third"]


def test_only_sidecars_restart() -> None:
    pod = pod_with(model=S3, sidecars=[helper("proxy")], initContainers=[helper()])
    policies = {container["name"]: container.get("restartPolicy") for container in pod["initContainers"]}
    assert policies == {"proxy": "Always", "model-loader": None, "helper": None}


@pytest.mark.parametrize("kind", ["sidecars", "initContainers"])
@pytest.mark.parametrize("writable", [False, True])
def test_other_containers_are_as_restricted_as_the_server(kind: str, writable: object) -> None:
    pod = pod_with(writableRootFilesystem=writable, **{kind: [helper()]})
    [container], [server] = pod["initContainers"], pod["containers"]
    assert container["securityContext"] == server["securityContext"]
    assert container["terminationMessagePolicy"] == server["terminationMessagePolicy"]


def test_other_containers_have_a_home_and_no_server_variables() -> None:
    [container] = pod_with(sidecars=[helper(env=[{"name": "A", "value": "$(HOME)"}])])["initContainers"]
    values = {entry["name"]: entry["value"] for entry in container["env"]}
    assert values == {
        "USER": "model",
        "HOME": "/home/model",
        "XDG_CACHE_HOME": "/home/model/.cache",
        "A": "$(HOME)",
    }
    assert [mount["name"] for mount in container["volumeMounts"]] == ["tmp", "home"]
    assert "resources" not in container


def test_home_volume_exists_if_any_container_uses_it() -> None:
    own_home = [{"name": "HOME", "value": "/data"}]
    assert [volume["name"] for volume in pod_with(env=own_home)["volumes"]] == ["tmp"]
    with_sidecar = pod_with(env=own_home, sidecars=[helper()])
    assert [volume["name"] for volume in with_sidecar["volumes"]] == ["tmp", "home"]


@pytest.mark.parametrize(
    ("uri", "own", "mounted"),
    [
        ("s3://models/iris", None, "KEY"),
        ("s3://models/iris", "weights", "KEY/weights"),
        ("pvc://models/iris", "weights", "iris/weights"),
        ("pvc://models", None, None),
    ],
)
def test_model_is_mounted_read_only_where_the_server_has_it(uri: str, own: str | None, mounted: str | None) -> None:
    fields = {"subPath": own} if own else {}
    pod = pod_with(model={"uri": uri}, initContainers=[mounting_model("reader", **fields)])
    server = next(mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "model")
    model = pod["initContainers"][-1]["volumeMounts"][-1]
    expected = mounted and mounted.replace("KEY", server.get("subPath", ""))
    assert (model["mountPath"], model.get("subPath"), model["readOnly"]) == ("/model", expected, True)


def test_first_port_of_a_sidecar_is_the_default_of_its_probes() -> None:
    ports = [{"name": "admin", "containerPort": 9901}, {"name": "other", "containerPort": 9902}]
    probes = {"startup": {"httpGet": {}}, "readiness": {"grpc": {}}, "liveness": {"tcpSocket": {"port": "other"}}}
    [sidecar] = pod_with(sidecars=[helper(ports=ports, probes=probes)])["initContainers"]
    assert sidecar["ports"] == [port | {"protocol": "TCP"} for port in ports]
    assert sidecar["startupProbe"]["httpGet"] == {"path": "/", "scheme": "HTTP", "port": "admin"}
    assert sidecar["readinessProbe"] == {"grpc": {"port": 9901}}
    assert sidecar["livenessProbe"] == {"tcpSocket": {"port": "other"}}


def test_sleep_of_a_sidecar_extends_the_grace_period() -> None:
    sidecar = helper(lifecycle={"preStop": {"sleep": {"seconds": 100}}})
    assert pod_with(sidecars=[sidecar])["terminationGracePeriodSeconds"] == 100


def test_empty_lists_are_omitted() -> None:
    [container] = pod_with(initContainers=[helper(command=[], args=[], env=[], envFrom=[], mounts=[])])[
        "initContainers"
    ]
    assert {"command", "args", "envFrom"}.isdisjoint(container)
    [server] = pod_with(command=[], args=[], envFrom=[], initContainers=[], sidecars=[])["containers"]
    assert {"command", "args", "envFrom"}.isdisjoint(server)


def test_claims_are_part_of_the_resources() -> None:
    claims = [{"name": "gpu", "request": "one"}]
    pod = pod_with(
        resources={"claims": claims}, resourceClaims=[{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]
    )
    assert pod["containers"][0]["resources"] == {"claims": claims}
    assert pod["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]


def test_empty_resources_request_nothing() -> None:
    assert pod_with(resources={})["containers"][0]["resources"] == {}
