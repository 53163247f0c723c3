"""The manifests agree with the code: references that the policy checks, roles, paths for kustomize."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from modelservice_operator.api.crdgen.structural import RULES
from modelservice_operator.api.v1alpha1.rules import MAX_REFERENCES
from tests.support.references import REFERENCES
from tests.support.schema_fields import fields

POLICIES = Path("manifests/policies")
NOT_CHECKED = {
    "expose.ingress.className": "a class, which is for all users",
    "expose.httpRoute.parentRefs[].name": "a Gateway itself restricts which routes may attach",
    "expose.httpRoute.parentRefs[].sectionName": "the same",
    "priorityClassName": "a class; quotas restrict its use",
    "runtimeClassName": "a class, which is for all users",
    "autoscaling.metrics[].object.describedObject.name": "only metrics of the object are read",
    **{
        f"affinity.nodeAffinity.{term}.matchFields[].values[]": "a node, which is for the pods of all users"
        for term in (
            "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[]",
            "preferredDuringSchedulingIgnoredDuringExecution[].preference",
        )
    },
}


def policy() -> Any:
    documents = yaml.safe_load_all((POLICIES / "references.yaml").read_text())
    return next(body["spec"] for body in documents if body["kind"] == "ValidatingAdmissionPolicy")


def test_policy_has_one_check_per_reference() -> None:
    total, *checks = policy()["validations"]
    assert total["expression"] == f"variables.references.size() <= {MAX_REFERENCES}"
    assert len(checks) == MAX_REFERENCES
    for number, check in enumerate(checks):
        assert check["expression"].startswith(f"variables.references.size() <= {number} || authorizer")
        assert check["expression"].count(f"references[{number}]") == 3
        assert check["messageExpression"] == f"variables.sentences[{number}]"


def test_every_object_reference_is_checked_or_exempt() -> None:
    names = {
        field.name
        for field in fields()
        for rule in field.schema.get(RULES, ())
        if "must be the name of an object" in rule["message"]
    }
    assert names == set(REFERENCES) | set(NOT_CHECKED)


def test_policy_reads_every_reference_field() -> None:
    text = " ".join(variable["expression"] for variable in policy()["variables"])
    for name in REFERENCES:
        parent, last = name.replace("[]", "").split(".")[-2:] if "." in name else ("spec", name)
        assert f".{parent}.{last}" in text or f".{parent}.map(s, s.{last})" in text, name


def test_policy_skips_scaling_changes() -> None:
    [condition] = policy()["matchConditions"]
    assert condition["expression"].count("['replicas', 'autoscaling', 'suspend']") == 2


def test_user_roles_cannot_write_status() -> None:
    for role in yaml.safe_load_all(Path("manifests/cluster/user-roles.yaml").read_text()):
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
