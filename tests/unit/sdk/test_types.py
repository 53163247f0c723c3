"""Types of the SDK have every field of the API, and manifests pass through them unchanged."""

import inspect
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from modelservice import AsyncModelService, ModelService, ModelServiceError, types
from modelservice.fields import Fields
from modelservice_operator.api.v1alpha1.spec import ModelServiceSpec
from tests.environment.sdk_types import stale_files
from tests.support.builders import golden, golden_files
from tests.support.maximal_spec import maximal_spec

ROOT = Path(__file__).parents[3]
EXAMPLES = [path.stem for path in golden_files()]
PUBLIC = [name for name, _ in inspect.getmembers(ModelService, callable) if not name.startswith("_")]


def objects_in(value: Any) -> Iterator[Any]:
    """Yield every object of the SDK and every dictionary in a value."""
    if isinstance(value, Fields):
        yield value
        for one in fields(value):  # type: ignore[arg-type]  # every type is a dataclass
            yield from objects_in(getattr(value, one.name))
    elif isinstance(value, list):
        for item in value:
            yield from objects_in(item)


def test_generated_modules_are_current() -> None:
    assert stale_files() == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_manifest_passes_unchanged(name: str) -> None:
    manifest = golden(name).manifest()
    service = ModelService.from_manifest(manifest)
    assert service.manifest()["spec"] == manifest["spec"]
    assert service.manifest()["metadata"] == {
        key: value for key, value in manifest["metadata"].items() if key in {"name", "namespace", "labels"}
    }


def test_maximal_manifest_passes_unchanged() -> None:
    manifest = maximal_spec().manifest()
    assert ModelService.from_manifest(manifest).manifest()["spec"] == manifest["spec"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_field_of_a_manifest_is_known(name: str) -> None:
    found = list(objects_in(ModelService.from_manifest(golden(name).manifest()).spec))
    assert found
    assert [one._unknown for one in found if one._unknown] == []  # noqa: SLF001 - empty in public


def test_constructor_has_every_field_of_the_spec() -> None:
    parameters = list(inspect.signature(ModelService).parameters)
    own = {"name", "namespace", "labels", "annotations", "cluster"}
    assert set(parameters) - own == set(ModelServiceSpec.model_fields)
    assert inspect.signature(AsyncModelService) == inspect.signature(ModelService)


def test_docstring_describes_every_argument() -> None:
    text = inspect.getdoc(ModelService.__init__) or ""
    missing = [name for name in inspect.signature(ModelService).parameters if f"{name}: " not in text]
    assert missing == []


def test_fields_have_the_names_of_the_api_in_a_manifest() -> None:
    service = ModelService(
        "iris",
        image="example.com/iris:1",
        container_port=5000,
        host_pid=False,
        autoscaling=types.Autoscaling(max_replicas=5, target_cpu_utilization_percentage=80),
        network_policy=types.NetworkPolicyOptions(enabled=True, sources=[types.NetworkPeer(pod_labels={"app": "web"})]),
        resources=types.ResourceRequirements(),
        labels={"team": "flowers"},
        namespace="ml",
    )
    assert service.manifest() == {
        "apiVersion": "modelservice.dev/v1alpha1",
        "kind": "ModelService",
        "metadata": {"name": "iris", "namespace": "ml", "labels": {"team": "flowers"}},
        "spec": {
            "image": "example.com/iris:1",
            "containerPort": 5000,
            "hostPID": False,
            "autoscaling": {"maxReplicas": 5, "targetCPUUtilizationPercentage": 80},
            "networkPolicy": {"enabled": True, "from": [{"podLabels": {"app": "web"}}]},
            "resources": {},
        },
    }


def test_misspelt_field_is_refused_by_the_constructor() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'max_replica'"):
        types.Autoscaling(max_replica=5)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'replica'"):
        ModelService("iris", image="example.com/iris:1", replica=2)  # type: ignore[call-arg]


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=5), one, max_size=3), max_leaves=8
)


@given(st.dictionaries(st.text(max_size=5) | st.sampled_from(["image", "model", "env"]), VALUES, max_size=4))
def test_fields_of_a_newer_api_are_kept(spec: dict[str, Any]) -> None:
    def without_null(value: Any) -> Any:
        return {key: one for key, one in value.items() if one is not None or key not in known}

    known = {"image", "model", "env"}
    kept = types.ModelServiceSpec.from_dict(spec).to_dict()
    assert kept == without_null(spec)


def test_example_manifest_is_read_from_a_file(tmp_path: Path) -> None:
    path = ROOT / "examples" / "diabetes" / "modelservice.yaml"
    service = ModelService.from_file(path)
    assert service.spec.autoscaling == types.Autoscaling.from_dict(
        {"maxReplicas": 5, "targetCPUUtilizationPercentage": 80}
    )
    assert service.manifest() == yaml.safe_load(path.read_text())
    (tmp_path / "two.yaml").write_text(f"{path.read_text()}\n---\n{path.read_text()}")
    with pytest.raises(ModelServiceError, match="has 2 ModelServices instead of one"):
        ModelService.from_file(tmp_path / "two.yaml")
    with pytest.raises(ModelServiceError, match=r"missing\.yaml"):
        ModelService.from_file(tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    "manifest",
    [{}, {"kind": "Pod"}, {"apiVersion": "modelservice.dev/v1alpha1", "kind": "ModelService"}],
    ids=["empty", "pod", "unnamed"],
)
def test_manifest_of_another_kind_is_refused(manifest: dict[str, Any]) -> None:
    with pytest.raises(ModelServiceError, match="is not a ModelService"):
        ModelService.from_manifest(manifest)


@pytest.mark.parametrize("name", PUBLIC)
def test_async_methods_have_the_same_parameters(name: str) -> None:
    one, other = getattr(ModelService, name), getattr(AsyncModelService, name)
    assert inspect.signature(one).parameters == inspect.signature(other).parameters


def test_import_needs_neither_pydantic_nor_the_official_client() -> None:
    code = "import modelservice, sys; print(sorted({'pydantic', 'kubernetes', 'aiohttp', 'kopf'} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "[]\n"
