"""Complete children, to be reviewed.

tests/golden/<name>.yaml contains a ModelService, <name>.children.yaml its children. `make golden` rewrites the latter;
review the diff.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import (
    V1CronJob,
    V1Deployment,
    V1Ingress,
    V1NetworkPolicy,
    V1PodDisruptionBudget,
    V1Service,
    V2HorizontalPodAutoscaler,
)

from modelservice_cli.main import main
from tests.support.builders import golden_files

CASES = golden_files()
MODELS: dict[str, Any] = {
    "Deployment": V1Deployment,
    "Service": V1Service,
    "HorizontalPodAutoscaler": V2HorizontalPodAutoscaler,
    "PodDisruptionBudget": V1PodDisruptionBudget,
    "NetworkPolicy": V1NetworkPolicy,
    "Ingress": V1Ingress,
    "CronJob": V1CronJob,
}
CUSTOM_RESOURCES = {"HTTPRoute", "PodMonitor"}


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_children_match_the_golden_files(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(case)]) == 0
    rendered = capsys.readouterr().out
    expected = case.with_suffix(".children.yaml")
    if os.environ.get("GOLDEN") == "write":
        expected.write_text(rendered)
    assert rendered == expected.read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_every_field_exists_in_kubernetes(case: Path) -> None:
    for body in yaml.safe_load_all(case.with_suffix(".children.yaml").read_text()):
        if body["kind"] in CUSTOM_RESOURCES:
            continue  # the official client has no models of them
        known = MODELS[body["kind"]].model_validate(body).model_dump(mode="json", by_alias=True, exclude_none=True)
        assert known == body
