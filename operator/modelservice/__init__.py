"""The Python SDK: deploy a model, wait for it, call it (docs/sdk.md).

    from modelservice import ModelService, types

    iris = ModelService("iris", image="registry.example.com/iris-server:1.4", replicas=2)
    iris.apply().wait()
    iris.predict({"instances": [[5.1, 3.5, 1.4, 0.2]]}, path="/predict")

types       classes of the fields, generated from those of the operator's API
errors      exceptions; their texts are sentences of the status or of the API server
"""

from modelservice import errors, types
from modelservice.aio import AsyncModelService
from modelservice.cluster import Cluster, set_default_cluster
from modelservice.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    ModelServiceError,
    NotFoundError,
    NotReadyError,
    PredictionError,
    UnreachableError,
    WaitTimeoutError,
)
from modelservice.status import Status
from modelservice.sync import ModelService

__all__ = [
    "AsyncModelService",
    "Cluster",
    "ConflictError",
    "ForbiddenError",
    "InvalidError",
    "ModelService",
    "ModelServiceError",
    "NotFoundError",
    "NotReadyError",
    "PredictionError",
    "Status",
    "UnreachableError",
    "WaitTimeoutError",
    "errors",
    "set_default_cluster",
    "types",
]
