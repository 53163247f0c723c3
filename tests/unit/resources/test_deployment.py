from typing import Any

import pytest

from modelservice_operator.resources import build_children
from modelservice_operator.resources.deployment import build_deployment
from tests.support.builders import ModelServiceBuilder, model_service


def container(service: ModelServiceBuilder) -> Any:
    [only] = build_deployment(service.parsed()).body["spec"]["template"]["spec"]["containers"]
    return only


def environment(service: ModelServiceBuilder) -> dict[str, Any]:
    return {
        variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in container(service)["env"]
    }


IDENTITY = {"USER": "model", "HOME": "/home/model", "XDG_CACHE_HOME": "/home/model/.cache"}


def test_image_is_the_only_required_field() -> None:
    kinds = [child.kind.kind for child in build_children(model_service().parsed())]
    assert kinds == ["Deployment", "Service"]


def test_server_gets_port_and_model_variables() -> None:
    service = model_service().with_spec(containerPort=9696, model={"uri": "file:///app/model.bin"})
    assert environment(service) == IDENTITY | {
        "PORT": "9696",
        "MODEL_NAME": "iris",
        "MODEL_URI": "file:///app/model.bin",
        "MODEL_PATH": "/app/model.bin",
    }


def test_variable_references_are_copied_as_in_a_pod() -> None:
    service = model_service().with_spec(env=[{"name": "PRICE", "value": "$(PORT) $$(PORT) $5"}])
    assert environment(service)["PRICE"] == "$(PORT) $$(PORT) $5"


def test_dollar_signs_of_the_model_are_escaped() -> None:
    assert environment(model_service().with_spec(model={"name": "$(PORT)"}))["MODEL_NAME"] == "$$(PORT)"


def test_empty_value_is_omitted() -> None:
    assert "value" not in container(model_service().with_spec(env=[{"name": "EMPTY", "value": ""}]))["env"][-1]


def test_model_without_uri_sets_only_its_name() -> None:
    server = environment(model_service().with_spec(model={"name": "flower"}))
    assert server == IDENTITY | {"PORT": "8080", "MODEL_NAME": "flower"}


def test_image_pull_secrets_are_referenced() -> None:
    service = model_service().with_spec(imagePullSecrets=[{"name": "login"}])
    pod = build_deployment(service.parsed()).body["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "login"}]


def test_secret_is_referenced_in_env() -> None:
    reference = {"secretKeyRef": {"name": "login", "key": "token"}}
    service = model_service().with_spec(env=[{"name": "TOKEN", "valueFrom": reference}])
    assert environment(service)["TOKEN"] == reference


def test_entrypoint_of_the_image_is_kept() -> None:
    assert {"command", "args", "imagePullPolicy"}.isdisjoint(container(model_service()))


def test_pods_comply_with_pod_security_restricted() -> None:
    pod = build_deployment(model_service().parsed()).body["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


@pytest.mark.parametrize(
    ("port", "sysctls"), [(80, [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "80"}]), (1024, None)]
)
def test_low_port_sets_the_sysctl(port: int, sysctls: Any) -> None:
    pod = build_deployment(model_service().with_spec(containerPort=port).parsed()).body["spec"]["template"]["spec"]
    assert pod["securityContext"].get("sysctls") == sysctls


def test_default_requests_need_unset_resources() -> None:
    assert container(model_service())["resources"] == {"requests": {"cpu": "500m", "memory": "512Mi"}}
    limited = model_service().with_spec(resources={"limits": {"cpu": 1}})
    assert container(limited)["resources"] == {"limits": {"cpu": "1"}}


def test_grpc_probe_has_a_port_number() -> None:
    service = model_service().with_spec(containerPort=9000, probes={"readiness": {"grpc": {}}})
    assert container(service)["readinessProbe"] == {"grpc": {"port": 9000}}


def test_progress_deadline_exceeds_the_startup_time() -> None:
    service = model_service().with_spec(probes={"startup": {"periodSeconds": 10, "failureThreshold": 60}})
    assert build_deployment(service.parsed()).body["spec"]["progressDeadlineSeconds"] > 600


@pytest.mark.parametrize(
    ("service", "count", "fixed"),
    [
        (model_service().with_spec(replicas=3), 3, True),
        (model_service().with_spec(replicas=0), 0, True),
        (model_service().with_spec(replicas=2).autoscaled(max_replicas=5), 2, False),
        (model_service().with_spec(replicas=2).autoscaled(min_replicas=3, max_replicas=5), 3, False),
        (model_service().with_spec(replicas=9).autoscaled(min_replicas=1, max_replicas=5), 5, False),
        (model_service().with_spec(replicas=3, autoscaling={"managedBy": "External"}), 3, False),
        (model_service().with_spec(replicas=3, suspend=True).autoscaled(max_replicas=5), 0, True),
    ],
)
def test_initial_replicas(service: ModelServiceBuilder, count: int, fixed: bool) -> None:  # noqa: FBT001
    desired = build_deployment(service.parsed())
    assert (desired.replicas, desired.fixed_replicas) == (count, fixed)
    assert desired.create_body()["spec"]["replicas"] == count
    assert "replicas" not in desired.body["spec"]
