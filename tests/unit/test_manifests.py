"""What the manifests must say because the code says it."""

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
    "expose.ingress.className": "a class, which is for everybody",
    "expose.httpRoute.parentRefs[].name": "a Gateway says itself whom it serves",
    "expose.httpRoute.parentRefs[].sectionName": "the same",
    "priorityClassName": "a class; quotas say who may use it",
    "runtimeClassName": "a class, which is for everybody",
    "autoscaling.metrics[].object.describedObject.name": "only numbers about the object are read",
    **{
        f"affinity.nodeAffinity.{place}.matchFields[].values[]": "a node, which everybody may be placed on"
        for place in (
            "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[]",
            "preferredDuringSchedulingIgnoredDuringExecution[].preference",
        )
    },
}
NOT_YET = {"model.credentials.secretRef.name", "model.cache.persistentVolumeClaim.claimName"}
"""Checked by the policy, but refused by the schema until models are fetched."""


def policy() -> Any:
    documents = yaml.safe_load_all((POLICIES / "references.yaml").read_text())
    return next(body["spec"] for body in documents if body["kind"] == "ValidatingAdmissionPolicy")


def test_each_reference_that_the_schema_allows_has_a_check_of_its_own() -> None:
    total, *checks = policy()["validations"]
    assert total["expression"] == f"variables.references.size() <= {MAX_REFERENCES}"
    assert len(checks) == MAX_REFERENCES
    for number, check in enumerate(checks):
        assert check["expression"].startswith(f"variables.references.size() <= {number} || authorizer")
        assert check["expression"].count(f"references[{number}]") == 3
        assert check["messageExpression"] == f"variables.sentences[{number}]"


def test_every_field_that_names_an_object_is_checked_or_excused() -> None:
    names = {
        field.name
        for field in fields()
        for rule in field.schema.get(RULES, ())
        if "must be the name of an object" in rule["message"]
    }
    assert names == set(REFERENCES) | NOT_YET | set(NOT_CHECKED)


def test_the_policy_reads_every_field_that_it_should() -> None:
    text = " ".join(variable["expression"] for variable in policy()["variables"])
    for name in {*REFERENCES, *NOT_YET}:
        parent, last = name.replace("[]", "").split(".")[-2:] if "." in name else ("spec", name)
        assert f".{parent}.{last}" in text or f".{parent}.map(s, s.{last})" in text, name


def test_scaling_alone_is_not_checked() -> None:
    [condition] = policy()["matchConditions"]
    assert condition["expression"].count("['replicas', 'autoscaling', 'suspend']") == 2


def test_no_user_role_may_write_status() -> None:
    for role in yaml.safe_load_all(Path("manifests/cluster/user-roles.yaml").read_text()):
        resources = {resource for rule in role["rules"] for resource in rule["resources"]}
        assert resources <= {"modelservices", "modelservices/scale"}


def kustomize_paths() -> list[str]:
    """Paths into ModelServices in what is shipped for kustomize, which silently ignores one that does not exist."""
    shipped = yaml.safe_load(Path("manifests/gitops/kustomize/modelservice.yaml").read_text())
    references = [spec for reference in shipped["nameReference"] for spec in reference["fieldSpecs"]]
    every = (*shipped["images"], *shipped["replicas"], *references)
    return [spec["path"] for spec in every if spec["kind"] == "ModelService"]


@pytest.mark.parametrize("path", kustomize_paths())
def test_kustomize_looks_at_fields_that_exist(path: str) -> None:
    crd = yaml.safe_load(Path("crds/modelservices.modelservice.dev.yaml").read_text())
    node = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for step in path.split("/"):
        node = node.get("items", node)["properties"][step]
    assert node["type"] in {"string", "integer"}
