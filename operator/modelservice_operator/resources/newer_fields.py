"""Fields that API servers drop without an error: their feature is disabled there by default, or not known yet."""

from collections.abc import Callable
from dataclasses import dataclass

from modelservice_operator.apimachinery.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, ResourceKind
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.errors import FieldUnsupportedError


@dataclass(frozen=True, slots=True, kw_only=True)
class NewerField:
    """A field of a child that the oldest supported Kubernetes does not have by default."""

    kind: ResourceKind
    is_in: Callable[[Object], bool]
    """Return True if the spec of a child has the field."""
    field: str
    """The field of the ModelService."""
    version: str
    """First version that has the feature by default (pkg/features/kube_features.go of Kubernetes)."""
    gate: str
    """Feature gate, which can be enabled in some earlier versions."""
    alternative: str = "remove the field"

    def error(self) -> FieldUnsupportedError:
        """Return the error that says so."""
        return FieldUnsupportedError(
            f"{self.field} needs Kubernetes {self.version} or later (feature gate {self.gate}); the API server of this"
            f" cluster drops the field. Upgrade the cluster, enable the feature gate, or {self.alternative}.",
            field=self.field,
        )


def _pod_spec(spec: Object) -> Object:
    pod: Object = spec["template"]["spec"]
    return pod


IMAGE_VOLUME = NewerField(
    kind=DEPLOYMENT,
    is_in=lambda spec: any("image" in volume for volume in _pod_spec(spec).get("volumes", ())),
    field="spec.model.uri with oci://",
    version="1.35",
    gate="ImageVolume",
    alternative="use another model source",
)
RESOURCE_CLAIMS = NewerField(
    kind=DEPLOYMENT,
    is_in=lambda spec: "resourceClaims" in _pod_spec(spec),
    field="spec.resourceClaims",
    version="1.34",
    gate="DynamicResourceAllocation",
)
TOLERANCE = NewerField(
    kind=HORIZONTAL_POD_AUTOSCALER,
    is_in=lambda spec: any("tolerance" in rules for rules in spec.get("behavior", {}).values()),
    field="spec.autoscaling.behavior with a tolerance",
    version="1.35",
    gate="HPAConfigurableTolerance",
)
NEWER_FIELDS = (IMAGE_VOLUME, RESOURCE_CLAIMS, TOLERANCE)
"""The first one that is dropped is reported."""


def find_dropped(kind: ResourceKind, desired: Object, live: Object) -> NewerField | None:
    """Return the field of a desired child that is missing in the API server's response to it."""
    of_kind = (newer for newer in NEWER_FIELDS if newer.kind is kind)
    return next((it for it in of_kind if it.is_in(desired["spec"]) and not it.is_in(live["spec"])), None)
