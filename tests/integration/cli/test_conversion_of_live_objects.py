"""from-deployment reads a running Deployment and what belongs to it, and yields what the files yield."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelservice_cli.main import main
from tests.environment.cluster import Cluster
from tests.support.dry_run import DryRunClient
from tests.support.migration.public import NAME, Trait, input_with, traits

Object = dict[str, Any]
Run = Callable[..., tuple[int, Object, str]]
CHOSEN = (
    "HorizontalPodAutoscaler",
    "Ingress",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "service labels",
    "readinessProbe",
)


def chosen() -> list[Trait]:
    by_name = {str(trait): trait for trait in traits()}
    return [by_name[name] for name in CHOSEN]


@pytest.fixture
def objects(control_plane: Cluster, server: DryRunClient, namespace: str, tmp_path: Path) -> Path:
    """A file with objects, which are in the namespace as well, next to a Service of another workload."""
    assert server.get("/version")
    file = tmp_path / "objects.yaml"
    file.write_text(yaml.safe_dump_all(input_with(*chosen())), encoding="utf-8")
    other = tmp_path / "other.yaml"
    spec = {"selector": {"app": "other"}, "ports": [{"port": 80}]}
    other.write_text(
        yaml.safe_dump({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "other"}, "spec": spec})
    )
    for path in (file, other):
        control_plane.run_kubectl("apply", "-n", namespace, "-f", str(path))
    return file


@pytest.fixture
def run(control_plane: Cluster, namespace: str, capsys: pytest.CaptureFixture[str]) -> Run:
    def convert(*arguments: str) -> tuple[int, Object, str]:
        options = ["--kubeconfig", str(control_plane.kubeconfig), "-n", namespace]
        code = main(["from-deployment", *arguments, *options], program="modelservice")
        output, errors = capsys.readouterr()
        return code, yaml.safe_load(output) or {}, errors

    return convert


def test_live_objects_yield_what_their_files_yield(objects: Path, run: Run, namespace: str) -> None:
    code, live, said = run(NAME)
    assert code == 0
    _, written, _ = run("-f", str(objects))
    assert live["spec"] == written["spec"]
    assert live["metadata"] == {"name": NAME, "namespace": namespace}
    # Objects of other workloads are not mentioned.
    assert "Service/other" not in said


def test_unknown_deployment_is_one_sentence(run: Run, server: DryRunClient) -> None:
    assert server.get("/version")
    code, output, errors = run("rose")
    assert (code, output) == (4, {})
    assert 'Deployments.apps "rose" not found.' in errors
    assert errors.count("\n") == 1
