"""Old objects stay usable when a rule gets stricter (ratcheting, KEP-4008), on a control plane of its own.

A looser form of the CRD is installed, objects are made under it, then the real one is installed over it.
"""

import copy
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from modelservice_operator.api.crdgen.crd import custom_resource_definition
from modelservice_operator.api.crdgen.structural import RULES
from tests.environment import cluster
from tests.environment.cluster import ClusterError, Tier
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.cluster.wait import wait_until
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.namespace import PLURAL, TestNamespace

OLD_LEAF = model_service().named("leaf").with_spec(image="has space", containerPort=70_000)
OLD_SPEC = model_service().named("spec").with_spec(replicas=4, autoscaling={"maxReplicas": 3})


def looser(crd: dict[str, Any]) -> dict[str, Any]:
    """The CRD without the rule of the image, the bound of the port and the rules that compare fields of the spec."""
    loose = copy.deepcopy(crd)
    spec = loose["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec[RULES], spec["properties"]["image"][RULES], spec["properties"]["containerPort"]["maximum"]
    return loose


def install(world: TestNamespace, crd: dict[str, Any], *, until: str) -> None:
    """Install the CRD; the API server takes a moment to know a new schema."""
    world.cluster.run_kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(crd))
    for service in (OLD_LEAF, OLD_SPEC):
        condition = partial(verdict_is, world, service, until)
        wait_until(condition, seconds=30, what=f"an API server by which {service.name} is {until}")


def verdict_is(world: TestNamespace, service: ModelServiceBuilder, expected: str) -> bool:
    """Tell whether a new object would be "created" or is "invalid"."""
    text = json.dumps(service.named("probe", namespace=world.namespace).manifest())
    try:
        return expected in world.kubectl("create", "--dry-run=server", "-f", "-", stdin=text)
    except ClusterError as error:
        return f"is {expected}" in str(error)


@pytest.fixture(scope="module")
def world() -> Iterator[TestNamespace]:
    """A cluster where the old objects exist and the real rules have just come."""
    with cluster.start(Tier.CONTROL_PLANE) as running:
        world = TestNamespace(running, create_namespace(running, "ratcheting"), lambda: "not involved")
        strict = custom_resource_definition()
        install(world, looser(strict), until="created")
        for service in (OLD_LEAF, OLD_SPEC):
            world.apply(service)
        install(world, strict, until="invalid")
        yield world


def test_what_does_not_touch_the_field_still_works(world: TestNamespace) -> None:
    world.kubectl("label", PLURAL, "leaf", "team=flowers")
    world.kubectl("scale", PLURAL, "leaf", "--replicas=3")
    status = {"status": {"observedGeneration": 1, "url": "http://leaf"}}
    world.kubectl("patch", PLURAL, "leaf", "--subresource=status", "--type=merge", "-p", json.dumps(status))
    world.apply(OLD_LEAF.with_spec(replicas=3, env=[{"name": "A", "value": "1"}]))
    leaf = world.service("leaf")
    assert leaf["metadata"]["labels"] == {"team": "flowers"}
    assert leaf["spec"]["replicas"] == 3
    assert leaf["status"]["url"] == "http://leaf"
    assert leaf["spec"]["image"] == "has space"


def test_the_field_itself_must_become_right(world: TestNamespace) -> None:
    assert "must be an image reference without spaces" in world.rejection(OLD_LEAF.with_spec(image="another space"))
    assert "less than or equal to 65535" in world.rejection(OLD_LEAF.with_spec(containerPort=70_001))
    assert "another space" not in json.dumps(world.service("leaf")["spec"])


def test_a_stricter_rule_of_the_whole_spec_would_block_scaling(world: TestNamespace) -> None:
    """Why rules that compare fields are never tightened in a served version."""
    world.kubectl("label", PLURAL, "spec", "team=flowers")
    with pytest.raises(ClusterError, match="the floor"):
        world.kubectl("scale", PLURAL, "spec", "--replicas=5")
    world.kubectl("scale", PLURAL, "spec", "--replicas=2")


def test_what_was_made_right_stays_right(world: TestNamespace) -> None:
    world.apply(OLD_LEAF.with_spec(image="iris:1", containerPort=8080))
    assert "must be an image reference" in world.rejection(OLD_LEAF.with_spec(image="has space", containerPort=8080))
    world.kubectl("delete", PLURAL, "leaf", "--wait=true")
