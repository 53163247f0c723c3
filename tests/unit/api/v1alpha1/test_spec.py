from pathlib import Path
from typing import Any

import pytest
import yaml

from modelservice_operator.api.crdgen.crd import custom_resource_definition
from modelservice_operator.api.v1alpha1.scaling import Autoscaling, RolloutOptions
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.errors import InvalidSpecError
from tests.support.builders import model_service


def test_committed_crd_is_up_to_date() -> None:
    committed = Path("crds/modelservices.modelservice.dev.yaml").read_text()
    assert yaml.safe_load(committed) == custom_resource_definition()


def test_every_invalid_field_is_named() -> None:
    body = model_service().with_spec(replicas="many", env=[{"value": "x"}]).without_spec("image").body()
    with pytest.raises(InvalidSpecError) as caught:
        ModelService.parse(body)
    assert all(field in str(caught.value) for field in ("spec.image", "spec.replicas", "spec.env.0.name"))


def test_unknown_fields_are_ignored() -> None:
    assert model_service().with_spec(somethingNewer=True).parsed().spec.image


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ({"uri": "file:///app/model.bin"}, "/app/model.bin"),
        ({"path": "/opt/model"}, "/opt/model"),
        ({}, "/mnt/models"),
    ],
)
def test_mount_path_of_the_model(model: dict[str, Any], path: str) -> None:
    source = model_service().with_spec(model=model).parsed().spec.model
    assert source is not None
    assert source.mount_path == path


def test_default_of_a_model_is_made_once() -> None:
    assert Autoscaling.default() == Autoscaling()
    assert Autoscaling.default() is Autoscaling.default()
    assert RolloutOptions.default() == RolloutOptions()
