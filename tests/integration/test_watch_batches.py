"""Events of the real API server are recognized as states of an object, whose last one in a batch is decoded.

If a version of Kubernetes wrote the fields of an object in another order, nothing would fail: every event would be
decoded, at a higher cost.
"""

import json

import pytest

from modelservice_operator.apimachinery.kinds import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    POD,
    REPLICA_SET,
    SERVICE,
    ResourceKind,
)
from modelservice_operator.client.watch import newest_states
from tests.support.builders import model_service
from tests.support.namespace import NamespaceFixture

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    "kind",
    [DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, POD, REPLICA_SET, SERVICE],
    ids=lambda kind: kind.plural,
)
def test_states_of_an_object_are_recognized(ns: NamespaceFixture, kind: ResourceKind) -> None:
    ns.apply(model_service().autoscaled(max_replicas=2))
    ns.wait_ready()
    path = f"{kind.path(namespace=ns.namespace)}?watch=1&resourceVersion=0&timeoutSeconds=1"
    lines = ns.kubectl("get", "--raw", path).encode().splitlines()
    states = [line for line in lines if json.loads(line)["type"] in {"ADDED", "MODIFIED"}]
    assert states
    assert list(newest_states([*states, *states])) == states
