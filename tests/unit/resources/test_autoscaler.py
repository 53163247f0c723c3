import pytest

from modelservice_operator.resources.autoscaler import build_autoscaler
from tests.support.builders import ModelServiceBuilder, model_service


def test_no_autoscaler_without_autoscaling() -> None:
    assert build_autoscaler(model_service().parsed()) is None


@pytest.mark.parametrize(
    ("service", "low", "high", "cpu"),
    [
        (model_service().autoscaled(max_replicas=5), 1, 5, 80),
        (model_service().with_spec(replicas=2).autoscaled(max_replicas=5, cpu=40), 2, 5, 40),
        (model_service().with_spec(replicas=4).autoscaled(min_replicas=2, max_replicas=5), 2, 5, 80),
    ],
)
def test_autoscaler_bounds_and_target(service: ModelServiceBuilder, low: int, high: int, cpu: int) -> None:
    desired = build_autoscaler(service.parsed())
    assert desired is not None
    spec = desired.body["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (low, high)
    [metric] = spec["metrics"]
    assert metric["containerResource"] == {
        "name": "cpu",
        "container": "model",
        "target": {"type": "Utilization", "averageUtilization": cpu},
    }
