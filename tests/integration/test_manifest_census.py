"""A real API server accepts each trait of public manifests, its children and its pod, or refuses it with a sentence."""

from typing import Any

import pytest

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import POD
from modelservice_operator.resources import build_children
from tests.support.census import CensusCase, cases
from tests.support.children import rejections_of_children
from tests.support.dry_run import DryRunClient, DryRunResponse

REFUSED = [case for case in cases() if case.refused]
RENDERED = [case for case in cases() if not case.refused]
_MISSING = frozenset({"serviceAccountName", "serviceAccount", "priorityClassName", "runtimeClassName"})
"""Fields whose objects must exist when a pod is created."""


def create(server: DryRunClient, case: CensusCase, namespace: str) -> DryRunResponse:
    return server.create_model_service(case.service.named(case.name, namespace=namespace))


def pod_of(service: dict[str, Any]) -> dict[str, Any]:
    """Return a pod of the Deployment, without references to objects that do not exist."""
    template = build_children(ModelService.parse(service))[0].body["spec"]["template"]
    spec = {name: value for name, value in template["spec"].items() if name not in _MISSING}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"] | {"name": "census"}, "spec": spec}


@pytest.mark.parametrize("case", RENDERED, ids=str)
def test_trait_is_accepted_with_its_children(case: CensusCase, server: DryRunClient, namespace: str) -> None:
    answer = create(server, case, namespace)
    assert answer.message == ""
    assert rejections_of_children(server, answer) == []
    assert case.problems(ModelService.parse(answer.body)) == []
    # The namespace enforces Pod Security `restricted`.
    assert server.create(POD.path(namespace=namespace), pod_of(answer.body)).message == ""


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_trait_is_refused_with_a_sentence(case: CensusCase, server: DryRunClient, namespace: str) -> None:
    answer = create(server, case, namespace)
    assert not answer.is_accepted
    assert case.refused in answer.message
    assert "unknown field" not in answer.message
