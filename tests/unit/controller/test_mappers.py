"""Map functions name the ModelServices that an object affects."""

from modelservice_operator.controller.mappers import map_autoscaler, map_by_instance_label, map_named_child
from modelservice_operator.controller.transforms import transform_pod
from modelservice_operator.resources.service import build_service
from tests.support.builders import model_service
from tests.support.pods import new_pod
from tests.unit.controller.test_transforms import DEPLOYMENT, autoscaler


def test_map_autoscaler() -> None:
    assert map_autoscaler(autoscaler(DEPLOYMENT)) == (("ml", "other"), ("ml", "iris"))
    assert map_autoscaler(autoscaler(DEPLOYMENT, name="iris")) == (("ml", "iris"),)
    assert map_autoscaler(autoscaler({"kind": "StatefulSet", "name": "iris"})) == (("ml", "other"),)


def test_map_named_child() -> None:
    """Owner reference or label is enough, and a ModelService of its name may wait for it."""
    live = build_service(model_service().with_spec(service={"name": "front"}).parsed()).body
    for missing in ({}, {"labels": None}, {"ownerReferences": None}):
        assert map_named_child(live | {"metadata": live["metadata"] | missing}) == (("ml", "front"), ("ml", "iris"))
    assert map_named_child({"metadata": {"name": "iris", "namespace": "ml"}}) == (("ml", "iris"),)


def test_map_by_instance_label() -> None:
    assert map_by_instance_label(transform_pod(new_pod().body())) == (("ml", "iris"),)
    assert map_by_instance_label({"metadata": {"name": "x"}}) == (("", ""),)
