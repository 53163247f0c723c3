"""ModelServices for tests: start from the smallest one and change one thing by name."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import yaml

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE

GOLDEN = Path(__file__).parents[1] / "golden"
IMAGE = "modelservice.dev/examples/diabetes:0.1.0"


@dataclass(frozen=True)
class AModelService:
    """Builder; each method returns a changed copy."""

    name: str = "iris"
    namespace: str = "ml"
    uid: str = "11111111-2222-3333-4444-555555555555"
    generation: int = 1
    spec: dict[str, Any] = field(default_factory=lambda: {"image": IMAGE})

    def named(self, name: str, *, namespace: str | None = None) -> Self:
        return replace(self, name=name, namespace=namespace or self.namespace)

    def having(self, **fields: Any) -> Self:
        """Set fields of the spec by their API names."""
        return replace(self, spec=self.spec | fields)

    def without(self, *fields: str) -> Self:
        return replace(self, spec={name: value for name, value in self.spec.items() if name not in fields})

    def autoscaled(self, *, high: int, low: int | None = None, cpu: int | None = None) -> Self:
        scaling = {"minReplicas": low, "maxReplicas": high, "targetCPUUtilizationPercentage": cpu}
        return self.having(autoscaling={name: value for name, value in scaling.items() if value is not None})

    def scaled_by_others(self) -> Self:
        return self.having(autoscaling={"managedBy": "External"})

    def suspended(self) -> Self:
        return self.having(suspend=True)

    def of_generation(self, generation: int) -> Self:
        return replace(self, generation=generation)

    def manifest(self) -> dict[str, Any]:
        """What a person would apply."""
        metadata = {"name": self.name, "namespace": self.namespace}
        return {
            "apiVersion": MODEL_SERVICE.api_version,
            "kind": MODEL_SERVICE.kind,
            "metadata": metadata,
            "spec": self.spec,
        }

    def body(self) -> dict[str, Any]:
        """What the API server would answer."""
        manifest = self.manifest()
        manifest["metadata"] |= {"uid": self.uid, "generation": self.generation, "resourceVersion": "1"}
        return manifest

    def parsed(self) -> ModelService:
        return ModelService.parse(self.body())


def a_model_service() -> AModelService:
    """The smallest useful one: an image."""
    return AModelService()


def golden(name: str) -> AModelService:
    """One that people have read, with its children, in tests/golden."""
    spec = next(yaml.safe_load_all((GOLDEN / f"{name}.yaml").read_text()))["spec"]
    return a_model_service().named(name).having(**spec)
