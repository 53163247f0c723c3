"""Map functions name the ModelServices that an object affects."""

from modelservice_operator.controller.mappers import map_autoscaler, map_by_instance_label
from modelservice_operator.controller.transforms import transform_pod
from tests.support.pods import new_pod
from tests.unit.controller.test_transforms import DEPLOYMENT, autoscaler


def test_map_autoscaler() -> None:
    assert map_autoscaler(autoscaler(DEPLOYMENT)) == (("ml", "other"), ("ml", "iris"))
    assert map_autoscaler(autoscaler(DEPLOYMENT, name="iris")) == (("ml", "iris"),)
    assert map_autoscaler(autoscaler({"kind": "StatefulSet", "name": "iris"})) == (("ml", "other"),)


def test_map_by_instance_label() -> None:
    assert map_by_instance_label(transform_pod(new_pod().body())) == (("ml", "iris"),)
    assert map_by_instance_label({"metadata": {"name": "x"}}) == (("", ""),)
