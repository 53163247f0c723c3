from typing import Any

import pytest

from modelservice_operator.resources.deployment import build_deployment
from tests.support.builders import model_service

S3 = {"uri": "s3://models/iris"}


def deployment_with(**spec: Any) -> Any:
    return build_deployment(model_service().with_spec(**spec).parsed()).body["spec"]


def container_with(**spec: Any) -> Any:
    [container] = deployment_with(**spec)["template"]["spec"]["containers"]
    return container


@pytest.mark.parametrize(
    ("given", "built"),
    [({}, "http"), ({"port": 9000}, 9000), ({"port": "admin"}, "admin"), ({"port": "http"}, "http")],
)
def test_probe_ports_are_numbers_or_names(given: dict[str, Any], built: object) -> None:
    spec = {"ports": [{"name": "admin", "containerPort": 9000}]}
    assert (
        container_with(probes={"readiness": {"httpGet": given}}, **spec)["readinessProbe"]["httpGet"]["port"] == built
    )
    assert container_with(probes={"liveness": {"tcpSocket": given}}, **spec)["livenessProbe"]["tcpSocket"] == {
        "port": built
    }
    hooks = {"preStop": {"httpGet": given}}
    assert container_with(lifecycle=hooks, **spec)["lifecycle"]["preStop"]["httpGet"]["port"] == built


def test_default_port_has_the_name_of_the_main_port() -> None:
    assert container_with(portName="api")["readinessProbe"]["tcpSocket"] == {"port": "api"}


@pytest.mark.parametrize(
    ("rollout", "model", "seconds"),
    [
        ({}, {}, 1800),
        ({"progressDeadlineSeconds": 600}, {}, 600),
        ({"progressDeadlineSeconds": 600, "minReadySeconds": 100}, {}, 500),
        ({"progressDeadlineSeconds": 600}, {**S3, "loader": {"timeoutSeconds": 200}}, 400),
        ({"progressDeadlineSeconds": 600}, S3, 600),
        ({"progressDeadlineSeconds": 7200}, {}, 1800),
        ({"progressDeadlineSeconds": 10}, {}, 60),
    ],
)
def test_default_startup_time_fits_into_the_deadline(rollout: Any, model: Any, seconds: int) -> None:
    probe = container_with(rollout=rollout, model=model)["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == seconds


def test_own_startup_probe_ignores_the_deadline() -> None:
    probes = {"startup": {"periodSeconds": 5, "failureThreshold": 100}}
    probe = container_with(probes=probes, rollout={"progressDeadlineSeconds": 600})["startupProbe"]
    assert (probe["periodSeconds"], probe["failureThreshold"]) == (5, 100)


@pytest.mark.parametrize(
    ("rollout", "strategy"),
    [
        ({"type": "Recreate"}, {"type": "Recreate"}),
        ({}, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
        (
            {"type": "RollingUpdate", "maxSurge": "25%"},
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
        ),
    ],
)
def test_strategy(rollout: Any, strategy: Any) -> None:
    assert deployment_with(rollout=rollout)["strategy"] == strategy
