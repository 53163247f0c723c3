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
from tests.support.builders import AModelService, a_model_service
from tests.support.namespace import PLURAL, World

OLD_LEAF = a_model_service().named("leaf").having(image="has space", containerPort=70_000)
OLD_SPEC = a_model_service().named("spec").having(replicas=4, autoscaling={"maxReplicas": 3})


def looser(crd: dict[str, Any]) -> dict[str, Any]:
    """The CRD without the rule of the image, the bound of the port and the rules that compare fields of the spec."""
    loose = copy.deepcopy(crd)
    spec = loose["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec[RULES], spec["properties"]["image"][RULES], spec["properties"]["containerPort"]["maximum"]
    return loose


def install(world: World, crd: dict[str, Any], *, until: str) -> None:
    """Install the CRD; the API server takes a moment to know a new schema."""
    world.cluster.run_kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(crd))
    for service in (OLD_LEAF, OLD_SPEC):
        condition = partial(verdict_is, world, service, until)
        wait_until(condition, seconds=30, what=f"an API server by which {service.name} is {until}")


def verdict_is(world: World, service: AModelService, expected: str) -> bool:
    """Tell whether a new object would be "created" or is "invalid"."""
    text = json.dumps(service.named("probe", namespace=world.namespace).manifest())
    try:
        return expected in world.kubectl("create", "--dry-run=server", "-f", "-", stdin=text)
    except ClusterError as error:
        return f"is {expected}" in str(error)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A cluster where the old objects exist and the real rules have just come."""
    with cluster.start(Tier.CONTROL_PLANE) as running:
        world = World(running, create_namespace(running, "ratcheting"), lambda: "not involved")
        strict = custom_resource_definition()
        install(world, looser(strict), until="created")
        for service in (OLD_LEAF, OLD_SPEC):
            world.apply(service)
        install(world, strict, until="invalid")
        yield world


def test_what_does_not_touch_the_field_still_works(world: World) -> None:
    world.kubectl("label", PLURAL, "leaf", "team=flowers")
    world.kubectl("scale", PLURAL, "leaf", "--replicas=3")
    status = {"status": {"observedGeneration": 1, "url": "http://leaf"}}
    world.kubectl("patch", PLURAL, "leaf", "--subresource=status", "--type=merge", "-p", json.dumps(status))
    world.apply(OLD_LEAF.having(replicas=3, env=[{"name": "A", "value": "1"}]))
    leaf = world.service("leaf")
    assert leaf["metadata"]["labels"] == {"team": "flowers"}
    assert leaf["spec"]["replicas"] == 3
    assert leaf["status"]["url"] == "http://leaf"
    assert leaf["spec"]["image"] == "has space"


def test_the_field_itself_must_become_right(world: World) -> None:
    assert "must be an image reference without spaces" in world.refusal(OLD_LEAF.having(image="another space"))
    assert "less than or equal to 65535" in world.refusal(OLD_LEAF.having(containerPort=70_001))
    assert "another space" not in json.dumps(world.service("leaf")["spec"])


def test_a_stricter_rule_of_the_whole_spec_would_block_scaling(world: World) -> None:
    """Why rules that compare fields are never tightened in a served version."""
    world.kubectl("label", PLURAL, "spec", "team=flowers")
    with pytest.raises(ClusterError, match="the floor"):
        world.kubectl("scale", PLURAL, "spec", "--replicas=5")
    world.kubectl("scale", PLURAL, "spec", "--replicas=2")


def test_what_was_made_right_stays_right(world: World) -> None:
    world.apply(OLD_LEAF.having(image="iris:1", containerPort=8080))
    assert "must be an image reference" in world.refusal(OLD_LEAF.having(image="has space", containerPort=8080))
    world.kubectl("delete", PLURAL, "leaf", "--wait=true")
