"""The manifests of five tutorials, as they are found: not YAML, former versions, placeholders, ports that differ."""

from pathlib import Path
from typing import Any

import pytest

from modelservice_cli.convert.conversion import Conversion, convert
from modelservice_cli.convert.notes import Notes
from modelservice_cli.convert.text_repair import read_repaired
from tests.support.migration.losses import local_forms, objects_without_sentence, silent_losses

TUTORIALS = Path(__file__).parents[3] / "support/migration/tutorials"
FILES = sorted(TUTORIALS.glob("*.manifest"))


def read(name: str) -> tuple[list[Conversion], str]:
    """Return the conversions of a tutorial, and all sentences."""
    notes = Notes()
    file = TUTORIALS / f"{name}.manifest"
    bodies = [document.value for document in read_repaired(file.read_text(encoding="utf-8"), file.name, notes)]
    conversions, common = convert(bodies, notes=notes)
    said = [str(note) for conversion in conversions for note in conversion.notes]
    return conversions, "\n".join([*said, *map(str, common)])


def spec_of(name: str) -> tuple[dict[str, Any], str]:
    [conversion], said = read(name)
    return conversion.model_service["spec"], said


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_tutorial_loses_nothing_silently(file: Path) -> None:
    notes = Notes()
    bodies = [document.value for document in read_repaired(file.read_text(encoding="utf-8"), file.name, notes)]
    conversions, common = convert(bodies, notes=notes)
    assert objects_without_sentence(bodies, conversions, common) == []
    for conversion in conversions:
        named, silent = silent_losses(conversion, *local_forms(conversion))
        assert silent == []
        assert named > 0


def test_there_are_five_tutorials() -> None:
    assert len(FILES) == 5


def test_autoscaler_that_is_no_yaml_is_repaired() -> None:
    spec, said = spec_of("flask-on-port-80")
    assert spec == {
        "image": "IMAGE",
        "containerPort": 5000,
        "autoscaling": {"maxReplicas": 5, "targetCPUUtilizationPercentage": 40},
        "resources": {"requests": {"cpu": 1}},
        "service": {"type": "LoadBalancer"},
    }
    assert "not YAML at line" in said
    assert "the Service leads to port 80, and the container diabetes-api declares 5000: 5000 is meant" in said
    assert "IMAGE looks like a placeholder" in said
    assert "autoscaling/v2beta2 is written as autoscaling/v2" in said


def test_output_of_kubectl_get_has_no_defaults() -> None:
    [conversion], _ = read("console-and-expose")
    assert conversion.model_service["metadata"] == {
        "name": "scorer",
        "namespace": "default",
        "labels": {"app": "scorer"},
    }
    assert conversion.model_service["spec"] == {
        "image": "registry.example.com/team/scorer:v1",
        "replicas": 3,
        "autoscaling": {"minReplicas": 2, "maxReplicas": 5},
        "service": {"type": "LoadBalancer", "labels": {"app": "scorer"}},
    }


def test_former_versions_and_types_are_repaired() -> None:
    [conversion], said = read("namespace-in-one-file")
    assert conversion.model_service["metadata"] == {"name": "prices", "namespace": "predictions"}
    assert conversion.model_service["spec"] == {
        "image": "registry.example.com/prices:latest",
        "command": ["gunicorn", "--bind", "0.0.0.0:8080", "app"],
        "env": [{"name": "WORKERS", "value": "4"}, {"name": "VERBOSE", "value": "true"}],
        "replicas": 2,
        "service": {"port": 8080},
        "expose": {"ingress": {"host": "prices.example.com", "pathType": "ImplementationSpecific"}},
    }
    assert "--- is missing between two objects" in said
    assert "extensions/v1beta1 is written as apps/v1" in said
    assert "the text '2' must be a number" in said
    assert "to keep: Namespace/predictions" in said


def test_placeholders_of_a_template_are_words() -> None:
    spec, said = spec_of("mlflow-template")
    assert spec["image"] == "REGISTRY/wine:TAG"
    assert spec["imagePullSecrets"] == [{"name": "secret"}]
    assert spec["containerPort"] == 5001
    assert spec["probes"] == {"readiness": {"httpGet": {"path": "/ping"}}}
    assert "controls a template" in said
    assert "the selector app=wine matches no pod" in said


def test_two_deployments_become_two_model_services() -> None:
    conversions, said = read("two-models")
    specs = {item.model_service["metadata"]["name"]: item.model_service["spec"] for item in conversions}
    assert specs["resnet"]["ports"] == [{"name": "rest", "containerPort": 8501, "nodePort": 30501}]
    assert specs["resnet"]["expose"] == {"ingress": {"path": "/resnet", "port": "rest"}}
    assert specs["bert"] == {
        "image": "registry.example.com/serving:2.19",
        "containerPort": 8501,
        "service": {"port": 8501},
        "expose": {"ingress": {"path": "/bert"}},
    }
    assert "the path leads to bert, which is not the Service of this ModelService" in said
