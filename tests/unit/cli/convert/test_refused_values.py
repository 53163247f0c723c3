"""Values that Kubernetes accepts and the schema of a ModelService refuses are left out, each with a sentence.

The judge of the command line decides as the API server does (tests/sweeps/test_judge.py).
"""

from typing import Any

import pytest

from modelservice_cli.commands.from_deployment import refusals
from modelservice_cli.convert.conversion import convert
from modelservice_cli.offline.judge import Judge
from tests.support.migration.generated import generated_input
from tests.support.migration.losses import local_forms, silent_losses
from tests.support.migration.public import smallest_input

Object = dict[str, Any]
JUDGE = Judge()
CASES: dict[str, tuple[str, Any]] = {
    "many-args": ("container.args", [str(number) for number in range(300)]),
    "long-delay": ("container.livenessProbe", {"tcpSocket": {"port": 8000}, "initialDelaySeconds": 100_000}),
    "odd-variable": ("container.env", [{"name": "a.b", "value": "1"}, {"name": "GOOD", "value": "2"}]),
    "kubernetes-variable": ("container.env", [{"name": "KUBERNETES_X", "value": "1"}]),
    "file-key": ("container.env", [{"name": "A", "valueFrom": {"fileKeyRef": {"path": "b", "key": "c"}}}]),
    "pod-field": ("container.env", [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.restartPolicy"}}}]),
    "header": ("container.readinessProbe", {"httpGet": {"port": 8000, "httpHeaders": [{"name": "a_b", "value": "c"}]}}),
    "relative-directory": ("container.workingDir", "srv"),
    "parent-directory": ("container.workingDir", "/srv/../etc"),
    "resource": ("container.resources", {"limits": {"example.com/a": 1, "cpu": 2, "pods": 3}}),
    "stop-signal": ("container.lifecycle", {"stopSignal": "SIGINT", "preStop": {"sleep": {"seconds": 4000}}}),
    "label-domain": ("template.labels", {"app": "petals", "x.kubernetes.io/a": "b", "team": "c"}),
    "annotation-domain": ("template.annotations", {"fluxcd.io/a": "b"}),
    "toleration": ("pod.tolerations", [{"key": "a", "operator": "Gt", "value": "5"}]),
    "user": ("pod.securityContext", {"runAsUser": 4_000_000_000, "supplementalGroups": [5]}),
    "grace": ("pod.terminationGracePeriodSeconds", 200_000),
    "dns": ("pod.dnsConfig", {"searches": [f"a{number}.example.com" for number in range(12)]}),
    "service-label": ("service.labels", {"kubernetes.io/cluster-service": "true", "team": "a"}),
    "surge": ("deployment.strategy", {"rollingUpdate": {"maxSurge": "2000%"}}),
    "deadline": ("deployment.progressDeadlineSeconds", 100_000),
    "history": ("deployment.revisionHistoryLimit", 20_000),
    "affinity": ("pod.affinity", {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "zone", "namespaceSelector": {}, "labelSelector": {"matchLabels": {"a": "b"}}}]}}),
}  # fmt: skip


def changed(place: str, value: Any) -> list[Object]:
    """Return the smallest input with one field of a part."""
    part, _, field = place.partition(".")
    deployment, service = smallest_input()
    template = deployment["spec"]["template"]
    parts = {
        "container": template["spec"]["containers"][0],
        "pod": template["spec"],
        "template": template["metadata"],
        "deployment": deployment["spec"],
        "service": service["metadata"],
    }
    parts[part][field] = value
    return [deployment, service]


@pytest.mark.parametrize("case", CASES)
def test_refused_value_is_left_out_with_a_sentence(case: str) -> None:
    objects = changed(*CASES[case])
    [conversion], _ = convert(objects, refusals=refusals())
    body = conversion.model_service
    answer = JUDGE.create(body | {"metadata": body["metadata"] | {"namespace": "ml"}})
    assert answer.refusal is None
    _, silent = silent_losses(conversion, *local_forms(conversion))
    assert silent == []
    assert any(note.change.value in {"left out", "changed"} and note.fields for note in conversion.notes)


def test_rest_of_a_list_is_kept() -> None:
    [conversion], _ = convert(changed(*CASES["odd-variable"]), refusals=refusals())
    assert conversion.model_service["spec"]["env"] == [{"name": "GOOD", "value": "2"}]
    [conversion], _ = convert(changed(*CASES["label-domain"]), refusals=refusals())
    assert conversion.model_service["spec"]["podLabels"] == {"team": "c"}


def test_results_need_no_judge() -> None:
    """The rules of the schema are kept by the mapping: the judge finds nothing in results of valid inputs."""
    for seed in range(40):
        [conversion], _ = convert(generated_input(seed))
        body = conversion.model_service
        assert JUDGE.create(body | {"metadata": body["metadata"] | {"namespace": "ml"}}).refusal is None, seed
