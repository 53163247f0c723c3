"""The CRD of a newer version over stored objects: it is applied first, while the older operator still runs.

On a separate control plane, since a CRD is there for all namespaces.
"""

import copy
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modelservice_operator.api.crdgen.crd import custom_resource_definition
from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.apimachinery.kinds import DEPLOYMENT, MODEL_SERVICE, POD, REPLICA_SET
from tests.environment import cluster
from tests.environment.audit import AuditTrail
from tests.environment.cluster import ClusterError, Tier
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.cluster.wait import wait_until
from tests.support.builders import model_service
from tests.support.installation import ACCOUNT, NAMESPACE, USER, install_without_operator
from tests.support.namespace import PLURAL, NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator

pytestmark = [pytest.mark.control_plane, pytest.mark.timeout(400)]

RESYNC = 2
TWO_RESYNCS = 2 * 1.1 * RESYNC
CRD = "crd/modelservices.modelservice.dev"
STORED = ("stored-a", "stored-b", "stored-c")
LEGACY = {"type": "string", "maxLength": 63}


def spec_schema(crd: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    return found


def older_crd() -> dict[str, Any]:
    """Return the schema of version N-1: it has a field that N does not have, and no maximum of the port."""
    crd = copy.deepcopy(custom_resource_definition())
    schema = spec_schema(crd)
    schema["legacy"] = LEGACY
    del schema["containerPort"]["maximum"]
    return crd


def newer_crd() -> dict[str, Any]:
    """Return the schema of version N+1: it has a field with a default, which the operator N does not know."""
    crd = copy.deepcopy(custom_resource_definition())
    spec_schema(crd)["added"] = {"type": "string", "default": "on", "maxLength": 63}
    return crd


def install(ns: NamespaceFixture, crd: dict[str, Any]) -> None:
    """Apply a CRD, and wait until the API server serves its schema: it prunes what the schema lacks."""
    ns.cluster.run_kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(crd))
    wait_until(lambda: ("added" in stored_by_schema(ns)) == ("added" in spec_schema(crd)), seconds=60, what="default")
    wait_until(lambda: ("legacy" in stored_by_schema(ns)) == ("legacy" in spec_schema(crd)), seconds=60, what="pruning")


def stored_by_schema(ns: NamespaceFixture) -> dict[str, Any]:
    """Return the spec that the API server would store for an object with an old field."""
    body = model_service().named("probe", namespace=ns.namespace).with_spec(legacy="x").manifest()
    text = ns.kubectl(
        *("create", "--dry-run=server", "--validate=false", "-o", "json", "-f", "-"), stdin=json.dumps(body)
    )
    spec: dict[str, Any] = json.loads(text)["spec"]
    return spec


@pytest.fixture(scope="module")
def installed() -> Iterator[tuple[NamespaceFixture, OperatorProcess]]:
    """Stored objects of version N-1, which an operator serves under its CRD."""
    with cluster.start(Tier.CONTROL_PLANE) as running:
        install_without_operator(running)
        ns = NamespaceFixture(running, create_namespace(running, "upgrade"), lambda: "not started")
        install(ns, older_crd())
        body = model_service().named(STORED[0]).with_spec(legacy="x")
        for name in STORED:
            ns.kubectl("create", "--validate=false", "-f", "-", stdin=json.dumps(with_name(body.manifest(), name, ns)))
        bad = model_service().named("stricter").with_spec(containerPort=70_000).manifest()
        ns.kubectl("create", "-f", "-", stdin=json.dumps(with_name(bad, "stricter", ns)))
        kubeconfig = running.service_account_kubeconfig(NAMESPACE, ACCOUNT)
        assert running.state is not None
        with running_operator(
            kubeconfig, running.state / "operator.log", "--resync-seconds", str(RESYNC), "--namespace", ns.namespace
        ) as operator:
            ns = NamespaceFixture(running, ns.namespace, lambda: operator.log)
            for name in STORED:
                ns.wait_ready(name)
            ns.wait(lambda: ns.condition("stricter").get("reason") == "InvalidSpec", "status", name="stricter")
            yield ns, operator


def with_name(body: dict[str, Any], name: str, ns: NamespaceFixture) -> dict[str, Any]:
    return body | {"metadata": {"name": name, "namespace": ns.namespace}}


def state(ns: NamespaceFixture) -> dict[str, dict[str, Any]]:
    """Return version and generation of each object: a write changes the first, a new spec both."""
    found = {}
    for kind in (MODEL_SERVICE, DEPLOYMENT, REPLICA_SET, POD):
        resource = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
        items = (ns.cluster.read(resource, namespace=ns.namespace) or {})["items"]
        found[kind.kind] = {
            it["metadata"]["name"]: (it["metadata"]["resourceVersion"], it["metadata"].get("generation"))
            for it in items
        }
    return found


def test_stricter_rule_and_removed_field_change_no_object(
    installed: tuple[NamespaceFixture, OperatorProcess], figure: Callable[[str], None]
) -> None:
    ns, operator = installed
    before, audit = state(ns), AuditTrail(ns.cluster, USER)
    install(ns, custom_resource_definition())
    time.sleep(TWO_RESYNCS)
    operator.stop()
    operator.start()
    time.sleep(TWO_RESYNCS)
    figure(f"upgrade: {audit.writes(ns.namespace).total()} writes after another CRD and a restart")
    assert audit.writes(ns.namespace) == {}
    assert state(ns) == before
    assert ["legacy" in ns.get_model_service(name)["spec"] for name in STORED] == [False] * len(STORED)


def test_object_that_violates_a_stricter_rule_can_be_corrected(
    installed: tuple[NamespaceFixture, OperatorProcess],
) -> None:
    ns, _ = installed
    ns.kubectl("label", PLURAL, "stricter", "team=flowers")  # ratcheting: an unchanged field is not checked
    with pytest.raises(ClusterError, match="less than or equal to 65535"):
        ns.kubectl("patch", PLURAL, "stricter", "--type=merge", "-p", '{"spec": {"containerPort": 70001}}')
    ns.kubectl("patch", PLURAL, "stricter", "--type=merge", "-p", '{"spec": {"containerPort": 8080}}')
    ns.wait_ready("stricter")


def test_older_operator_ignores_a_new_field_with_a_default(
    installed: tuple[NamespaceFixture, OperatorProcess],
) -> None:
    """Therefore the CRD comes first: a newer operator never reads objects without the default."""
    ns, operator = installed
    before, audit = state(ns), AuditTrail(ns.cluster, USER)
    install(ns, newer_crd())
    operator.stop()
    operator.start()
    time.sleep(TWO_RESYNCS)
    assert [ns.get_model_service(name)["spec"]["added"] for name in STORED] == ["on"] * len(STORED)
    assert audit.writes(ns.namespace) == {}
    assert state(ns) == before


def test_rollback_of_the_crd_drops_the_new_field(installed: tuple[NamespaceFixture, OperatorProcess]) -> None:
    ns, _ = installed
    before = state(ns)
    ns.kubectl("patch", PLURAL, STORED[0], "--type=merge", "-p", '{"spec": {"added": "off"}}')
    install(ns, custom_resource_definition())
    assert "added" not in ns.get_model_service(STORED[0])["spec"]
    ns.wait_ready(STORED[0])
    assert state(ns)[POD.kind] == before[POD.kind]


def test_rule_across_fields_is_checked_by_each_new_spec(installed: tuple[NamespaceFixture, OperatorProcess]) -> None:
    """Ratcheting leaves out what has not changed: of a rule for the whole spec, only an unchanged spec."""
    ns, _ = installed
    ns.kubectl("scale", PLURAL, STORED[1], "--replicas=2")
    crd = newer_crd()
    schema: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    rule = {"rule": "!has(self.replicas) || self.replicas < 2", "message": "too many for a test"}
    schema["x-kubernetes-validations"] = [*schema.get("x-kubernetes-validations", ()), rule]
    install(ns, crd)
    ns.kubectl("label", PLURAL, STORED[1], "team=flowers")
    with pytest.raises(ClusterError, match="too many for a test"):
        ns.kubectl("patch", PLURAL, STORED[1], "--type=merge", "-p", '{"spec": {"containerPort": 8081}}')
    install(ns, custom_resource_definition())


def test_version_with_stored_objects_cannot_be_removed(installed: tuple[NamespaceFixture, OperatorProcess]) -> None:
    ns, _ = installed
    crd = copy.deepcopy(custom_resource_definition())
    crd["spec"]["versions"][0]["name"] = "v1beta1"
    with pytest.raises(ClusterError, match=r"must remain in spec\.versions"):
        ns.cluster.run_kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(crd))


def test_one_storage_version_is_recorded(installed: tuple[NamespaceFixture, OperatorProcess]) -> None:
    """An API version may be removed only if no object is stored in it (CustomResourceDefinition, storedVersions)."""
    ns, _ = installed
    found = json.loads(ns.cluster.run_kubectl("get", CRD, "-o", "json"))
    assert found["status"]["storedVersions"] == ["v1alpha1"]
    assert [version["name"] for version in found["spec"]["versions"] if version["storage"]] == ["v1alpha1"]


def test_operator_ignores_fields_that_it_does_not_know() -> None:
    """Of the spec at every level: an older operator must parse objects of a newer schema."""
    body = model_service().manifest()
    body["spec"] |= {"added": "on", "env": [{"name": "A", "value": "1", "added": "on"}]}
    body["metadata"] |= {"namespace": "ml", "uid": "7b1c", "generation": 1}
    assert ModelService.parse(body).spec == ModelService.parse(without_added(body)).spec


def without_added(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: without_added(value) for name, value in node.items() if name != "added"}
    return [without_added(item) for item in node] if isinstance(node, list) else node
