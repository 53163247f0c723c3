"""The command line in pipes with the real kubectl: kustomize before it, and apply after it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.environment.cluster import Cluster
from tests.support.builders import model_service

KUSTOMIZATION = {
    "apiVersion": "kustomize.config.k8s.io/v1beta1",
    "kind": "Kustomization",
    "namePrefix": "team-",
    "resources": ["iris.yaml", "namespace.yaml"],
    "configMapGenerator": [{"name": "settings", "literals": ["a=b"]}],
}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}}


def write_kustomization(directory: Path, **spec: object) -> None:
    manifest = model_service().with_spec(**spec).manifest()
    for name, body in (("kustomization", KUSTOMIZATION), ("iris", manifest), ("namespace", NAMESPACE)):
        (directory / f"{name}.yaml").write_text(yaml.safe_dump(body))


def pipe(directory: Path, *commands: str) -> subprocess.CompletedProcess[str]:
    command = f"set -o pipefail; {' | '.join(commands)}"
    return subprocess.run(["bash", "-c", command], cwd=directory, capture_output=True, text=True, check=False)


def test_kustomize_output_is_rendered_and_accepted(
    control_plane: Cluster, namespace: str, operator_kubeconfig: Path, tmp_path: Path
) -> None:
    """Every child is accepted by the API server."""
    assert operator_kubeconfig.exists()
    write_kustomization(tmp_path, replicas=2)
    kubectl = f"{control_plane.kubectl} --kubeconfig {control_plane.kubeconfig}"
    rendered = pipe(tmp_path, f"{kubectl} kustomize .", f"{sys.executable} -m modelservice_cli render -")
    assert (rendered.returncode, rendered.stderr) == (0, "")
    bodies = list(yaml.safe_load_all(rendered.stdout))
    assert [(body["kind"], body["metadata"]["name"]) for body in bodies] == [
        ("Deployment", "team-iris"),
        ("Service", "team-iris"),
    ]
    for body in bodies:
        body["metadata"]["namespace"] = namespace
    (tmp_path / "children.yaml").write_text(yaml.safe_dump_all(bodies))
    applied = pipe(tmp_path, f"{kubectl} apply --dry-run=server -f children.yaml")
    assert applied.returncode == 0, applied.stderr


def test_mistake_in_kustomize_output_is_found(control_plane: Cluster, tmp_path: Path) -> None:
    write_kustomization(tmp_path, replica=2)
    result = pipe(tmp_path, f"{control_plane.kubectl} kustomize .", f"{sys.executable} -m modelservice_cli lint -")
    assert result.returncode == 1
    assert "unknown field \"spec.replica\"; did you mean 'replicas'?" in result.stdout
    assert result.stdout.startswith("-:")


@pytest.mark.parametrize(
    "spec",
    [
        {"containerPort": 0},
        {"image": "has space"},
        {"image": "has space", "containerPort": 70_000, "replicas": -1},
        {"replicas": 4, "autoscaling": {"maxReplicas": 3}},
        {"imagee": "x"},
        {"env": [{"name": "A", "value": 1}]},
    ],
    ids=str,
)
def test_lint_prints_what_kubectl_prints(
    control_plane: Cluster, namespace: str, operator_kubeconfig: Path, tmp_path: Path, spec: dict[str, object]
) -> None:
    assert operator_kubeconfig.exists()
    manifest = model_service().with_spec(**spec).manifest()
    del manifest["metadata"]["namespace"]
    (tmp_path / "iris.yaml").write_text(yaml.safe_dump(manifest))
    kubectl = f"{control_plane.kubectl} --kubeconfig {control_plane.kubeconfig} -n {namespace}"
    said = pipe(tmp_path, f"{kubectl} create -f iris.yaml").stderr
    lines = pipe(tmp_path, f"{sys.executable} -m modelservice_cli lint iris.yaml").stdout.splitlines()[:-1]
    found = [re.sub(r"^iris\.yaml:\d+: ", "", line).partition("; did you mean")[0] for line in lines]
    if "cannot be handled" in said:
        assert said == f'Error from server (BadRequest): error when creating "iris.yaml": {found[0]}\n'
        return
    head = 'The ModelService "iris" is invalid: '
    causes = [message.removeprefix(head) for message in found]
    if len(causes) == 1:
        assert said == f"{head}{causes[0]}\n"
    else:
        first, *rest = said.splitlines()
        assert first == head
        assert sorted(rest) == sorted(f"* {cause}" for cause in causes)
