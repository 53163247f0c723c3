"""The pod template depends only on the spec: settings of the loader are retained until the spec changes it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from modelservice_operator.resources import DesiredChild, build_children
from modelservice_operator.resources.metadata import (
    HASH_ANNOTATION,
    LOADER_SETTINGS_ANNOTATION,
    TEMPLATE_HASH_ANNOTATION,
)
from modelservice_operator.resources.retained import Retained
from modelservice_operator.settings import LoaderSettings
from tests.support.builders import ModelServiceBuilder, model_service

OLD = LoaderSettings(image="loader:1", timeout_seconds=900, allowed_cidrs=("10.20.0.0/16",))
NEW = LoaderSettings(image="loader:2", timeout_seconds=1200, allowed_cidrs=("10.20.0.0/16", "10.30.0.0/16"))
NETWORK: dict[str, Any] = {
    "proxy": "http://proxy:3128",
    "no_proxy": (".svc", "10.0.0.0/8"),
    "ca_bundle": "company-ca/ca.pem",
}
SERVICE = model_service().with_spec(model={"uri": "s3://models/iris"})


def deployment(
    service: ModelServiceBuilder = SERVICE,
    loader: LoaderSettings = NEW,
    retained: Retained | None = None,
    resolution: str | None = None,
) -> DesiredChild:
    return build_children(service.parsed(), loader=loader, retained=retained, resolution=resolution)[0]


def record(desired: DesiredChild) -> Retained:
    found = Retained.of(desired.body)
    assert found is not None
    return found


def loader_of(desired: DesiredChild) -> tuple[str, str, str | None]:
    """Return the image, the time limit and the allowed ranges of the loader."""
    [container] = desired.body["spec"]["template"]["spec"]["initContainers"]
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    return container["image"], environment["MODEL_TIMEOUT_SECONDS"], environment["MODEL_ALLOWED_CIDRS"]


def settings_text(**changed: Any) -> str:
    return json.dumps({"image": "loader:1", "allowedCIDRs": ["10.20.0.0/16"], "timeoutSeconds": 900} | changed)


OLD_LOADER = ("loader:1", "900", "10.20.0.0/16")
NEW_LOADER = ("loader:2", "1200", "10.20.0.0/16 10.30.0.0/16")


def test_first_deployment_records_the_current_settings() -> None:
    first = deployment(loader=OLD)
    assert loader_of(first) == OLD_LOADER
    assert json.loads(record(first).loader_settings) == json.loads(settings_text())


def test_same_settings_change_nothing() -> None:
    first = deployment(loader=OLD)
    assert deployment(loader=OLD, retained=record(first)) == first


def test_other_settings_change_nothing() -> None:
    first = deployment(loader=OLD)
    second = deployment(loader=NEW, retained=record(first))
    assert second == first
    assert second.first_difference(first.create_body()) is None


@pytest.mark.parametrize(
    "fields", [{"replicas": 4}, {"suspend": True}, {"rollout": {"maxSurge": "2"}}, {"autoscaling": {"maxReplicas": 3}}]
)
def test_spec_change_outside_of_the_template_retains_them(fields: dict[str, Any]) -> None:
    first = deployment(loader=OLD)
    second = deployment(SERVICE.with_spec(**fields), retained=record(first))
    assert second.body["spec"]["template"] == first.body["spec"]["template"]
    assert record(second) == record(first)


def test_spec_change_of_the_template_uses_the_current_settings() -> None:
    first = deployment(loader=OLD)
    changed = SERVICE.with_spec(env=[{"name": "A", "value": "1"}])
    second = deployment(changed, retained=record(first))
    assert loader_of(second) == NEW_LOADER
    assert deployment(changed, loader=OLD, retained=record(second)) == second


def test_change_back_is_a_new_revision() -> None:
    first = deployment(loader=OLD)
    second = deployment(SERVICE.with_spec(image="server:2"), retained=record(first))
    third = deployment(retained=record(second))
    assert loader_of(third) == NEW_LOADER
    assert record(third) not in {record(first), record(second)}


@pytest.mark.parametrize("before", [{}, NETWORK])
@pytest.mark.parametrize("after", [{}, NETWORK, {"proxy": "http://other:3128"}, {"ca_bundle": "other/ca.pem"}])
def test_network_settings_are_retained(before: dict[str, Any], after: dict[str, Any]) -> None:
    first = deployment(loader=replace(OLD, **before))
    second = deployment(loader=replace(NEW, **after), retained=record(first))
    assert second == first
    assert deployment(loader=replace(OLD, **before), retained=record(second)) == first


def test_settings_that_are_not_set_are_not_recorded() -> None:
    """A record of an operator without them is the same."""
    assert json.loads(record(deployment(loader=OLD)).loader_settings) == json.loads(settings_text())
    found = json.loads(record(deployment(loader=replace(OLD, **NETWORK))).loader_settings)
    added = {"proxy": "http://proxy:3128", "noProxy": [".svc", "10.0.0.0/8"], "caBundle": "company-ca/ca.pem"}
    assert found == json.loads(settings_text(**added))


def test_several_upgrades_retain_the_first_settings() -> None:
    first = deployment(loader=OLD)
    second = deployment(loader=NEW, retained=record(first))
    third = deployment(loader=LoaderSettings(image="loader:3"), retained=record(second))
    assert third == first


def test_settings_of_the_spec_take_precedence() -> None:
    own = {"uri": "s3://models/iris", "loader": {"image": "own:1", "timeoutSeconds": 60}}
    service = SERVICE.with_spec(model=own)
    first = deployment(service, loader=OLD)
    second = deployment(service, retained=record(first))
    assert loader_of(second) == ("own:1", "60", "10.20.0.0/16")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "loader:1",
        "[]",
        "null",
        "{}",
        "{" * 10_000,
        settings_text(image=""),
        settings_text(image=1),
        settings_text(image=None),
        settings_text(allowedCIDRs="10.20.0.0/16"),
        settings_text(allowedCIDRs=[1]),
        settings_text(timeoutSeconds="900"),
        settings_text(timeoutSeconds=-1),
        settings_text(image="elsewhere.example.com/loader:1"),
        settings_text(allowedCIDRs=["0.0.0.0/0"]),
        settings_text(proxy="http://elsewhere.example.com:3128"),
        settings_text(proxy=3128),
        settings_text(noProxy=".svc"),
        settings_text(caBundle="company-ca"),
        settings_text(caBundle="a/b/c"),
    ],
)
def test_damaged_settings_are_replaced_by_the_current_ones(text: str) -> None:
    found = record(deployment(loader=OLD))._replace(loader_settings=text)
    assert deployment(retained=found) == deployment()


def test_damaged_hash_means_the_current_settings() -> None:
    found = record(deployment(loader=OLD))._replace(template_hash="0123456789abcdef")
    assert deployment(retained=found) == deployment()


@pytest.mark.parametrize("missing", [LOADER_SETTINGS_ANNOTATION, TEMPLATE_HASH_ANNOTATION])
def test_record_needs_both_annotations(missing: str) -> None:
    body = deployment(loader=OLD).body
    annotations = {name: text for name, text in body["metadata"]["annotations"].items() if name != missing}
    assert Retained.of({"metadata": {"annotations": annotations}}) is None


@pytest.mark.parametrize("live", [None, {"metadata": {}}, {"metadata": {"annotations": None}}])
def test_record_of_an_object_without_annotations_is_none(live: dict[str, Any] | None) -> None:
    assert Retained.of(live) is None


def test_settings_of_a_newer_operator_are_kept_as_written() -> None:
    """One with more settings writes more fields; as long as the template is the same, nothing is written."""
    first = deployment(loader=OLD)
    found = record(first)._replace(loader_settings=settings_text(mirror="https://mirror.example.com"))
    second = deployment(retained=found)
    assert record(second) == found
    assert second.body["spec"] == first.body["spec"]


@pytest.mark.parametrize("model", [None, {"uri": "pvc://models/iris"}, {"uri": "oci://registry/m:1"}, {"name": "iris"}])
def test_object_without_a_downloaded_model_has_no_record(model: dict[str, str] | None) -> None:
    service = model_service() if model is None else model_service().with_spec(model=model)
    plain = deployment(service)
    assert Retained.of(plain.body) is None
    assert deployment(service, retained=record(deployment(loader=OLD))) == plain


def test_new_resolution_uses_the_current_settings() -> None:
    service = SERVICE.with_spec(model={"uri": "models:/iris@champion", "updatePolicy": "Auto"})
    first = deployment(service, loader=OLD, resolution="models:/iris/1")
    assert deployment(service, retained=record(first), resolution="models:/iris/1") == first
    assert loader_of(deployment(service, retained=record(first), resolution="models:/iris/2")) == NEW_LOADER


def test_polling_uses_the_current_settings() -> None:
    service = SERVICE.with_spec(model={"uri": "models:/iris@champion", "updatePolicy": "Auto"}).parsed()
    first = build_children(service, loader=OLD)
    after = build_children(service, loader=NEW, retained=record(first[0]))
    assert after[:-1] == first[:-1]
    [container] = after[-1].body["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "loader:2"


def test_rollout_deadline_follows_the_retained_time_limit() -> None:
    first = deployment(loader=OLD)
    second = deployment(retained=record(first))
    assert second.body["spec"]["progressDeadlineSeconds"] == first.body["spec"]["progressDeadlineSeconds"]


def test_record_is_no_part_of_the_template() -> None:
    body = deployment().body
    assert {LOADER_SETTINGS_ANNOTATION, TEMPLATE_HASH_ANNOTATION, HASH_ANNOTATION} < set(
        body["metadata"]["annotations"]
    )
    assert "annotations" not in body["spec"]["template"]["metadata"]
