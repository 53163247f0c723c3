"""The manifests agree with the code: references that the policy checks, roles, paths for kustomize."""

from pathlib import Path

import pytest
import yaml

from modelservice_operator import __version__
from modelservice_operator.api.crdgen.crd import VERSION_ANNOTATION
from modelservice_operator.api.crdgen.references import MAX_REFERENCES, REFERENCES
from modelservice_operator.api.crdgen.structural import RULES
from modelservice_operator.check.policies import POLICY_NAMES
from tests.support.schema_fields import fields

POLICIES = Path("manifests/components/policies")
NOT_CHECKED = {
    "expose.ingress.className": "a class, which is for all users",
    "expose.httpRoute.parentRefs[].name": "a Gateway itself restricts which routes may attach",
    "expose.httpRoute.parentRefs[].sectionName": "the same",
    "priorityClassName": "a class; quotas restrict its use",
    "runtimeClassName": "a class, which is for all users",
    "mounts[].ephemeral.volumeClaimTemplate.spec.storageClassName": "a class; quotas restrict its use",
    "autoscaling.metrics[].object.describedObject.name": "only metrics of the object are read",
    **{
        f"affinity.nodeAffinity.{term}.matchFields[].values[]": "a node, which is for the pods of all users"
        for term in (
            "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[]",
            "preferredDuringSchedulingIgnoredDuringExecution[].preference",
        )
    },
}


def test_every_object_reference_is_checked_or_exempt() -> None:
    names = {
        field.name
        for field in fields()
        for rule in field.schema.get(RULES, ())
        if "must be the name of an object" in rule["message"]
    }
    assert names == set(REFERENCES) | set(NOT_CHECKED)


def test_policy_has_one_check_per_reference() -> None:
    [policy, _] = yaml.safe_load_all((POLICIES / "references.yaml").read_text())
    _, *checks = policy["spec"]["validations"]
    assert [check["messageExpression"] for check in checks] == [
        f"variables.sentences[{number}]" for number in range(MAX_REFERENCES)
    ]


def test_policies_record_the_version_of_the_operator() -> None:
    """`check` compares them: it would report each install as one of another version."""
    files = sorted(POLICIES.glob("*.yaml"))
    bodies = [body for file in files for body in yaml.safe_load_all(file.read_text())]
    policies = {body["metadata"]["name"]: body for body in bodies if body.get("kind") == "ValidatingAdmissionPolicy"}
    assert set(policies) == set(POLICY_NAMES)
    recorded = {name: body["metadata"]["annotations"][VERSION_ANNOTATION] for name, body in policies.items()}
    assert recorded == dict.fromkeys(POLICY_NAMES, __version__)


def test_every_policy_is_installed_with_a_binding() -> None:
    installed = yaml.safe_load((POLICIES / "kustomization.yaml").read_text())["resources"]
    assert {path.name for path in POLICIES.glob("*.yaml")} == {*installed, "kustomization.yaml"}
    for file in installed:
        policy, binding = yaml.safe_load_all((POLICIES / file).read_text())
        assert policy["metadata"]["name"] == binding["metadata"]["name"] == binding["spec"]["policyName"]


def test_user_roles_cannot_write_status() -> None:
    for role in yaml.safe_load_all(Path("manifests/base/user-roles.yaml").read_text()):
        resources = {resource for rule in role["rules"] for resource in rule["resources"]}
        assert resources <= {"modelservices", "modelservices/scale"}


def kustomize_paths() -> list[str]:
    """Return the paths into ModelServices in the kustomize configuration: kustomize ignores unknown paths silently."""
    shipped = yaml.safe_load(Path("manifests/gitops/kustomize/modelservice.yaml").read_text())
    references = [spec for reference in shipped["nameReference"] for spec in reference["fieldSpecs"]]
    every = (*shipped["images"], *shipped["replicas"], *references)
    return [spec["path"] for spec in every if spec["kind"] == "ModelService"]


@pytest.mark.parametrize("path", kustomize_paths())
def test_kustomize_paths_exist_in_the_schema(path: str) -> None:
    crd = yaml.safe_load(Path("crds/modelservices.modelservice.dev.yaml").read_text())
    node = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for step in path.split("/"):
        node = node.get("items", node)["properties"][step]
    assert node["type"] in {"string", "integer"}
