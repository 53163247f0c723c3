"""Builders of ModelServices and Deployments: start from the smallest object and change one thing by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import yaml

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE

GOLDEN = Path(__file__).parents[1] / "golden"
IMAGE = "modelservice.dev/examples/diabetes:0.1.0"


@dataclass(frozen=True)
class ModelServiceBuilder:
    """Builds a ModelService; each method returns a changed copy."""

    name: str = "iris"
    namespace: str = "ml"
    uid: str = "11111111-2222-3333-4444-555555555555"
    generation: int = 1
    spec: dict[str, Any] = field(default_factory=lambda: {"image": IMAGE})

    def named(self, name: str, *, namespace: str | None = None) -> Self:
        return replace(self, name=name, namespace=namespace or self.namespace)

    def with_spec(self, **fields: Any) -> Self:
        """Set fields of the spec by their API names."""
        return replace(self, spec=self.spec | fields)

    def without_spec(self, *fields: str) -> Self:
        return replace(self, spec={name: value for name, value in self.spec.items() if name not in fields})

    def autoscaled(self, *, max_replicas: int, min_replicas: int | None = None, cpu: int | None = None) -> Self:
        scaling = {"minReplicas": min_replicas, "maxReplicas": max_replicas, "targetCPUUtilizationPercentage": cpu}
        return self.with_spec(autoscaling={name: value for name, value in scaling.items() if value is not None})

    def externally_scaled(self) -> Self:
        return self.with_spec(autoscaling={"managedBy": "External"})

    def suspended(self) -> Self:
        return self.with_spec(suspend=True)

    def with_generation(self, generation: int) -> Self:
        return replace(self, generation=generation)

    def manifest(self) -> dict[str, Any]:
        """Return the object as a user applies it."""
        metadata = {"name": self.name, "namespace": self.namespace}
        return {
            "apiVersion": MODEL_SERVICE.api_version,
            "kind": MODEL_SERVICE.kind,
            "metadata": metadata,
            "spec": self.spec,
        }

    def body(self) -> dict[str, Any]:
        """Return the object as the API server returns it."""
        manifest = self.manifest()
        manifest["metadata"] |= {"uid": self.uid, "generation": self.generation, "resourceVersion": "1"}
        return manifest

    def parsed(self) -> ModelService:
        return ModelService.parse(self.body())


def model_service() -> ModelServiceBuilder:
    """Return the smallest valid ModelService: it has only an image."""
    return ModelServiceBuilder()


def golden(name: str) -> ModelServiceBuilder:
    """Return the ModelService of a golden file in tests/golden."""
    spec = next(yaml.safe_load_all((GOLDEN / f"{name}.yaml").read_text()))["spec"]
    return model_service().named(name).with_spec(**spec)


def golden_files(folder: Path = GOLDEN) -> list[Path]:
    """Return the files of the golden ModelServices, without those of their children and of the hashes."""
    generated = (".children.yaml", "template_hashes.yaml")
    return sorted(path for path in folder.glob("*.yaml") if not path.name.endswith(generated))


def restricted_deployment(
    name: str, image: str, *, replicas: int = 1, pod: Mapping[str, Any] | None = None, **container: Any
) -> dict[str, Any]:
    """Return a Deployment that the Pod Security Standard `restricted` admits; `pod` and `container` add fields."""
    security = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [{"name": "main", "image": image, "securityContext": security, **container}],
                    **(pod or {}),
                },
            },
        },
    }
