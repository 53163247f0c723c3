"""The CronJob that resolves a model's URI."""

from typing import Any

import pytest

from modelservice_operator.resources import build_children
from modelservice_operator.resources.cron_job import cron_schedule
from modelservice_operator.resources.immutable import cron_job_name
from modelservice_operator.settings import LoaderSettings
from tests.support.builders import model_service

FOLLOWED = {"uri": "models:/iris@champion", "updatePolicy": "Auto", "credentials": {"secretRef": {"name": "registry"}}}


def cron_job(**fields: Any) -> dict[str, Any] | None:
    children = build_children(
        model_service().with_spec(**({"model": FOLLOWED} | fields)).parsed(), loader=LoaderSettings()
    )
    return next((child.body for child in children if child.kind.kind == "CronJob"), None)


def test_only_an_auto_updated_model_has_a_cron_job() -> None:
    assert cron_job() is not None
    assert cron_job(model={"uri": "s3://a/b"}) is None
    assert cron_job(model={"uri": "s3://a/b", "updatePolicy": "Never"}) is None


@pytest.mark.parametrize("length", [53, 63])
def test_long_name_is_cut(length: int) -> None:
    first, second = (cron_job_name("a" * (length - 1) + letter) for letter in "bc")
    assert first != second
    assert len(first) == 52
    assert cron_job_name(first) == first
    assert "--" not in cron_job_name("a" * 42 + "-" * 11 + "b")


def test_resolver_pods_do_not_match_the_service_selector() -> None:
    found = cron_job()
    assert found is not None
    deployment, service, *_ = build_children(model_service().with_spec(model=FOLLOWED).parsed())
    labels = found["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"].items()
    for selector in (service.body["spec"]["selector"], deployment.body["spec"]["selector"]["matchLabels"]):
        assert not selector.items() <= labels


def resolver_pod(**fields: Any) -> dict[str, Any]:
    found = cron_job(**fields)
    assert found is not None
    pod: dict[str, Any] = found["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return pod


def test_resolver_has_credentials_and_no_cache() -> None:
    pod = resolver_pod()
    [container] = pod["containers"]
    assert container["args"] == ["--resolve"]
    assert "envFrom" not in container
    assert container["volumeMounts"] == [
        {"name": "model-credentials", "mountPath": "/model-credentials", "readOnly": True}
    ]
    assert pod["volumes"] == [{"name": "model-credentials", "secret": {"secretName": "registry", "defaultMode": 0o440}}]


def test_resolver_without_credentials_has_no_volume() -> None:
    pod = resolver_pod(model=FOLLOWED | {"credentials": None})
    assert "volumes" not in pod
    assert "volumeMounts" not in pod["containers"][0]


def test_suspended_service_suspends_the_cron_job() -> None:
    found = cron_job(suspend=True)
    assert found is not None
    assert found["spec"]["suspend"] is True


@pytest.mark.parametrize(
    ("seconds", "pattern"),
    [
        (60, "* * * * *"),
        (300, "-59/5 * * * *"),
        (3600, " * * * *"),
        (7200, "-23/2 * * *"),
        (86_400, " * * *"),
        (604_800, " */7 * *"),
        (2_592_000, " */30 * *"),
    ],
)
def test_cron_schedule_of_an_interval(seconds: int, pattern: str) -> None:
    assert cron_schedule(seconds, seed="a").endswith(pattern)
    assert len(cron_schedule(seconds, seed="a").split()) == 5


def test_cron_schedules_are_spread() -> None:
    assert len({cron_schedule(3600, seed=str(number)) for number in range(100)}) > 30
