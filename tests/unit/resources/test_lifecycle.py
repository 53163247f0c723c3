from typing import Any

import pytest

from modelservice_operator.resources.deployment import build_deployment
from tests.support.builders import model_service

COMMAND = {"exec": {"command": ["drain"]}}


def sleep(seconds: int) -> dict[str, Any]:
    return {"sleep": {"seconds": seconds}}


@pytest.mark.parametrize(
    ("spec", "pre_stop", "grace"),
    [
        ({}, sleep(5), 35),
        ({"drainSeconds": 60}, sleep(60), 90),
        ({"drainSeconds": 0}, None, 30),
        ({"terminationGracePeriodSeconds": 60}, sleep(5), 60),
        ({"terminationGracePeriodSeconds": 5}, sleep(4), 5),
        ({"terminationGracePeriodSeconds": 1}, None, 1),
        ({"terminationGracePeriodSeconds": 0}, None, 0),
        ({"terminationGracePeriodSeconds": 60, "drainSeconds": 30}, sleep(30), 60),
        ({"lifecycle": {"preStop": sleep(15)}}, sleep(15), 45),
        ({"lifecycle": {"preStop": COMMAND}}, COMMAND, 30),
        ({"lifecycle": {"postStart": COMMAND}}, sleep(5), 35),
        ({"lifecycle": {"postStart": sleep(300)}}, sleep(5), 300),
        ({"lifecycle": {}}, sleep(5), 35),
    ],
)
def test_drain_is_part_of_the_grace_period(spec: Any, pre_stop: Any, grace: int) -> None:
    pod = build_deployment(model_service().with_spec(**spec).parsed()).body["spec"]["template"]["spec"]
    assert pod["containers"][0].get("lifecycle", {}).get("preStop") == pre_stop
    assert pod["terminationGracePeriodSeconds"] == grace


def test_post_start_is_kept_without_a_drain() -> None:
    service = model_service().with_spec(drainSeconds=0, lifecycle={"postStart": COMMAND})
    [container] = build_deployment(service.parsed()).body["spec"]["template"]["spec"]["containers"]
    assert container["lifecycle"] == {"postStart": COMMAND}
