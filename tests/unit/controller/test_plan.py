"""A plan is built again only if something that it depends on has changed."""

from typing import Any

import pytest

from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.controller import plan as plans
from modelservice_operator.controller.plan import Plan, PlanCache, PlanInputs
from modelservice_operator.resources.retained import Retained
from modelservice_operator.settings import LoaderSettings
from tests.support.builders import ModelServiceBuilder, model_service

KEY = NamespacedName("ml", "iris")
SERVICE = model_service().with_spec(model={"uri": "s3://models/iris"})
NO_INPUTS = PlanInputs()
OLD, NEW = LoaderSettings(image="loader:1"), LoaderSettings(image="loader:2")


def get(cache: PlanCache, inputs: PlanInputs = NO_INPUTS, service: ModelServiceBuilder = SERVICE) -> Plan:
    return cache.get(KEY, service.body(), lambda _: inputs)


@pytest.fixture
def cache() -> PlanCache:
    return PlanCache(NEW)


@pytest.fixture
def old_record() -> Retained:
    plan = get(PlanCache(OLD))
    assert plan.retained is not None
    return plan.retained


def test_same_inputs_return_the_same_plan(cache: PlanCache) -> None:
    assert get(cache) is get(cache)


def test_own_record_returns_the_same_plan(cache: PlanCache) -> None:
    """After the Deployment was created, its annotations are those of the plan."""
    plan = get(cache)
    assert get(cache, PlanInputs(retained=plan.retained)) is plan


def test_record_of_another_operator_is_kept(cache: PlanCache, old_record: Retained) -> None:
    plan = get(cache, PlanInputs(retained=old_record))
    assert plan.retained == old_record
    assert get(cache, PlanInputs(retained=old_record)) is plan


def test_record_that_is_replaced_builds_once(
    cache: PlanCache, old_record: Retained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The spec has changed: the plan has another record than the Deployment, until it is applied."""
    changed = SERVICE.with_generation(2).with_spec(image="server:2")
    plan = get(cache, PlanInputs(retained=old_record), changed)

    def build_children(*_: Any, **__: Any) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr(plans, "build_children", build_children)
    assert get(cache, PlanInputs(retained=old_record), changed) is plan
    assert get(cache, PlanInputs(retained=plan.retained), changed) is plan


@pytest.mark.parametrize("inputs", [PlanInputs("models:/iris/2"), PlanInputs(retained=Retained("{}", "0"))])
def test_other_inputs_build_again(cache: PlanCache, inputs: PlanInputs) -> None:
    assert get(cache) is not get(cache, inputs)


def test_new_generation_is_parsed_again(cache: PlanCache) -> None:
    assert get(cache).service.metadata.generation == 1
    assert get(cache, service=SERVICE.with_generation(2)).service.metadata.generation == 2


def test_discarded_plan_is_built_again(cache: PlanCache) -> None:
    plan = get(cache)
    cache.discard(KEY)
    assert get(cache) is not plan
