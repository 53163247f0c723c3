"""The CRD and the policies are valid for every supported Kubernetes version, and within its limits of CEL cost."""

import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelservice_operator.api.crdgen.crd import custom_resource_definition
from tests.environment.cluster.programs import kubernetes_minors, kubernetes_version
from tests.environment.validation import Validation, validate
from tests.support.maximal_spec import maximal_spec

MINORS = kubernetes_minors()
COMPONENTS = Path("manifests/components")
POLICIES = (COMPONENTS / "policies", COMPONENTS / "sources")
MAX_COST = 0.6
"""Largest part of a limit that the CRD may use. The rest is for later fields, and for versions that estimate more."""
MAX_ANNOTATION_BYTES = 256 * 1024
"""Limit for all annotations of an object (apimachinery, TotalAnnotationSizeLimitB)."""


def manifests() -> list[Any]:
    found = sorted(path for folder in POLICIES for path in folder.glob("*.yaml"))
    paths = [path for path in found if path.name != "kustomization.yaml"]
    return [body for path in paths for body in yaml.safe_load_all(path.read_text())]


@cache
def shipped(minor: str) -> Validation:
    return validate(minor, custom_resource_definition(), manifests(), maximal_spec().manifest())


def with_quantity_rule(crd: Any) -> Any:
    """Return a CRD with the rule on quantities in lists that the pattern replaces (ADR 0022)."""
    changed = deepcopy(crd)
    spec = changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    metric = spec["properties"]["autoscaling"]["properties"]["metrics"]["items"]
    value = metric["properties"]["pods"]["properties"]["target"]["properties"]["averageValue"]
    pattern = value.pop("pattern")
    rule = f"type(self) == int ? self > 0 : self.matches(r'{pattern}') && quantity(self).isGreaterThan(quantity('0'))"
    value["x-kubernetes-validations"] = [{"rule": rule, "message": "must be a quantity above 0"}]
    return changed


@pytest.mark.parametrize("minor", MINORS)
def test_crd_is_accepted(minor: str, figure: Callable[[str], None]) -> None:
    found = shipped(minor).definition
    assert found.errors == []
    figure(
        f"Kubernetes {kubernetes_version(minor)}: the {len(found.rules)} CEL rules cost {found.cost:.1%} of the limit;"
        f" the dearest one {found.dearest.cost:.1%} of its limit ({found.dearest.path or 'root'})"
    )


@pytest.mark.parametrize("minor", MINORS)
def test_cost_of_rules_leaves_room(minor: str) -> None:
    found = shipped(minor).definition
    assert found.cost <= MAX_COST
    assert [rule for rule in found.rules if rule.cost > MAX_COST] == []


@pytest.mark.parametrize("minor", MINORS)
def test_policies_are_accepted_without_warnings(minor: str, figure: Callable[[str], None]) -> None:
    found = shipped(minor).manifests
    assert [manifest for manifest in found if manifest.errors or manifest.warnings] == []
    policies = [manifest for manifest in found if manifest.kind == "ValidatingAdmissionPolicy"]
    assert {policy.name for policy in policies} >= {"modelservice-references", "modelservice-sources"}
    dearest = max(policies, key=lambda policy: policy.validation_cost)
    figure(
        f"Kubernetes {kubernetes_version(minor)}: {len(policies)} policies accepted; {dearest.name} costs"
        f" {dearest.validation_cost:.1%} of the limit for the largest object"
    )


@pytest.mark.parametrize(("minor", "is_refused"), [("1.33", True), ("1.34", False)])
def test_dear_rule_is_refused_before_1_34(minor: str, *, is_refused: bool) -> None:
    """Up to 1.33 an int-or-string is estimated to be as long as a request."""
    found = validate(minor, with_quantity_rule(custom_resource_definition())).definition
    assert bool(found.errors) is is_refused
    assert all("estimated rule cost" in error for error in found.errors)


def policy_of(expression: str) -> Any:
    rules = {
        "apiGroups": ["modelservice.dev"],
        "apiVersions": ["*"],
        "resources": ["modelservices"],
        "operations": ["CREATE"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "a"},
        "spec": {
            "matchConstraints": {"resourceRules": [rules]},
            "validations": [{"expression": expression}],
        },
    }


@pytest.mark.parametrize("minor", [MINORS[0], MINORS[-1]])
def test_mistakes_in_a_policy_are_found(minor: str) -> None:
    invalid = [policy_of(expression) for expression in ("object.spec.replicas > ", "variables.none == 1")]
    doubtful = [policy_of(expression) for expression in ("object.spec.replicaz > 1", "object.spec.replicas > '1'")]
    found = validate(minor, custom_resource_definition(), invalid + doubtful).manifests
    assert [bool(manifest.errors) for manifest in found] == [True, True, False, False]
    assert [bool(manifest.warnings) for manifest in found] == [True, True, True, True]


def test_crd_fits_into_an_annotation(figure: Callable[[str], None]) -> None:
    """`kubectl apply` stores it as JSON in an annotation; Go escapes each of <, > and & with 6 characters."""
    text = json.dumps(custom_resource_definition(), separators=(",", ":"), ensure_ascii=False)
    size = len(text.encode()) + 5 * sum(text.count(character) for character in "<>&")
    assert size <= MAX_ANNOTATION_BYTES
    figure(f"The CRD takes {size / 1024:.0f} of the {MAX_ANNOTATION_BYTES // 1024} KiB of an annotation")


def test_supported_versions_follow_each_other() -> None:
    numbers = [int(minor.removeprefix("1.")) for minor in MINORS]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
