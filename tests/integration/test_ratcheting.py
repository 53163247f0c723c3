"""Existing objects stay usable when a rule gets stricter (ratcheting, KEP-4008), on a separate control plane.

Objects are created under a CRD with fewer rules; then the real CRD replaces it.
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
from tests.support.namespace import PLURAL, NamespaceFixture

OLD_LEAF = model_service().named("leaf").with_spec(image="has space", containerPort=70_000)
OLD_SPEC = model_service().named("spec").with_spec(replicas=4, autoscaling={"maxReplicas": 3})


def without_some_rules(crd: dict[str, Any]) -> dict[str, Any]:
    """Return the CRD without the rule of the image, the maximum of the port and the rules of the whole spec."""
    loose = copy.deepcopy(crd)
    spec = loose["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec[RULES], spec["properties"]["image"][RULES], spec["properties"]["containerPort"]["maximum"]
    return loose


def install(ns: NamespaceFixture, crd: dict[str, Any], *, until: str) -> None:
    """Install the CRD and wait until the API server uses the new schema."""
    ns.cluster.run_kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(crd))
    for service in (OLD_LEAF, OLD_SPEC):
        condition = partial(validation_gives, ns, service, until)
        wait_until(condition, seconds=60, what=f"a schema by which {service.name} is {until}")


def validation_gives(ns: NamespaceFixture, service: ModelServiceBuilder, expected: str) -> bool:
    """Return True if the result for a new object, "created" or "invalid", is the expected one."""
    text = json.dumps(service.named("probe", namespace=ns.namespace).manifest())
    try:
        return expected in ns.kubectl("create", "--dry-run=server", "-f", "-", stdin=text)
    except ClusterError as error:
        return f"is {expected}" in str(error)


@pytest.fixture(scope="module")
def ns() -> Iterator[NamespaceFixture]:
    """A cluster with existing objects, after the installation of the real rules."""
    with cluster.start(Tier.CONTROL_PLANE) as running:
        ns = NamespaceFixture(running, create_namespace(running, "ratcheting"), lambda: "not involved")
        strict = custom_resource_definition()
        install(ns, without_some_rules(strict), until="created")
        for service in (OLD_LEAF, OLD_SPEC):
            ns.apply(service)
        install(ns, strict, until="invalid")
        yield ns


def test_unrelated_change_passes_ratcheting(ns: NamespaceFixture) -> None:
    ns.kubectl("label", PLURAL, "leaf", "team=flowers")
    ns.kubectl("scale", PLURAL, "leaf", "--replicas=3")
    status = {"status": {"observedGeneration": 1, "url": "http://leaf"}}
    ns.kubectl("patch", PLURAL, "leaf", "--subresource=status", "--type=merge", "-p", json.dumps(status))
    ns.apply(OLD_LEAF.with_spec(replicas=3, env=[{"name": "A", "value": "1"}]))
    leaf = ns.get_model_service("leaf")
    assert leaf["metadata"]["labels"] == {"team": "flowers"}
    assert leaf["spec"]["replicas"] == 3
    assert leaf["status"]["url"] == "http://leaf"
    assert leaf["spec"]["image"] == "has space"


def test_changed_field_must_be_valid(ns: NamespaceFixture) -> None:
    assert "must be an image reference without spaces" in ns.rejection_message(
        OLD_LEAF.with_spec(image="another space")
    )
    assert "less than or equal to 65535" in ns.rejection_message(OLD_LEAF.with_spec(containerPort=70_001))
    assert "another space" not in json.dumps(ns.get_model_service("leaf")["spec"])


def test_stricter_spec_rule_blocks_scaling(ns: NamespaceFixture) -> None:
    """Therefore rules that compare fields are never made stricter in a served version."""
    ns.kubectl("label", PLURAL, "spec", "team=flowers")
    with pytest.raises(ClusterError, match="raise maxReplicas or lower the minimum"):
        ns.kubectl("scale", PLURAL, "spec", "--replicas=5")
    ns.kubectl("scale", PLURAL, "spec", "--replicas=2")


def test_corrected_field_must_stay_valid(ns: NamespaceFixture) -> None:
    ns.apply(OLD_LEAF.with_spec(image="iris:1", containerPort=8080))
    assert "must be an image reference" in ns.rejection_message(
        OLD_LEAF.with_spec(image="has space", containerPort=8080)
    )
    ns.kubectl("delete", PLURAL, "leaf", "--wait=true")
