"""Version v1alpha1 of the ModelService API."""

from modelservice_operator.api.v1alpha1.spec import Metadata, ModelService, ModelServiceSpec

__all__ = ["Metadata", "ModelService", "ModelServiceSpec"]
