"""The warnings about settings that are valid but often a mistake, as kubectl prints them."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.environment.cluster import Cluster
from tests.environment.cluster.wait import wait_until
from tests.support.builders import ModelServiceBuilder
from tests.support.installation import ROOT
from tests.support.manifests import model_services_in
from tests.support.namespace import PLURAL
from tests.support.warning_cases import BUDGET, DEVICE, MEMORY, PROBE, QUIET, QUIET_SPECS, TAG, TARGET, WARNED

PREFIX = "Warning: Validation failed for ValidatingAdmissionPolicy 'modelservice-warnings' with binding"


class Kubectl:
    """kubectl as administrator in one namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._command = [str(cluster.kubectl), "--kubeconfig", str(cluster.kubeconfig), "--namespace", namespace]

    def warnings(self, *args: str, stdin: str | None = None) -> list[str]:
        """Run kubectl and return the sentences of the warnings; nothing else may be printed to stderr."""
        result = subprocess.run(
            [*self._command, *args],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"KUBERC": "off"},
        )
        assert result.returncode == 0, result.stderr
        lines = result.stderr.splitlines()
        assert all(line.startswith(PREFIX) for line in lines), result.stderr
        return [line.split(" 'modelservice-warnings': ", 1)[1] for line in lines]

    def warnings_of_creation(self, service: ModelServiceBuilder) -> list[str]:
        manifest = service.manifest()
        del manifest["metadata"]["namespace"]
        return self.warnings("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(manifest))


@pytest.fixture(scope="module")
def kubectl(control_plane: Cluster, namespace: str, operator_kubeconfig: Path) -> Iterator[Kubectl]:
    """kubectl, after the policy has taken effect. Errors of its expressions, otherwise ignored, become warnings."""
    assert operator_kubeconfig.exists()  # the manifests are installed
    kubectl = Kubectl(control_plane, namespace)
    set_failure_policy(control_plane, "Fail")
    wait_until(lambda: kubectl.warnings_of_creation(QUIET.with_spec(image="iris")), seconds=30, what="the policy")
    yield kubectl
    set_failure_policy(control_plane, "Ignore")


def set_failure_policy(cluster: Cluster, failure_policy: str) -> None:
    patch = json.dumps({"spec": {"failurePolicy": failure_policy}})
    cluster.run_kubectl("patch", "validatingadmissionpolicy", "modelservice-warnings", "--type=merge", "-p", patch)


@pytest.mark.parametrize("case", WARNED)
def test_setting_is_warned_about(kubectl: Kubectl, case: str) -> None:
    changes, expected = WARNED[case]
    assert kubectl.warnings_of_creation(QUIET.with_spec(**changes)) == expected


@pytest.mark.parametrize("case", QUIET_SPECS)
def test_good_setting_is_not_warned_about(kubectl: Kubectl, case: str) -> None:
    assert kubectl.warnings_of_creation(QUIET.with_spec(**QUIET_SPECS[case])) == []


@pytest.mark.parametrize("source", ["README.md", "docs/migrating.md", "examples/diabetes/modelservice.yaml"])
def test_examples_are_not_warned_about(kubectl: Kubectl, source: str) -> None:
    shown = model_services_in(ROOT / source)
    assert shown
    for body in shown:
        assert kubectl.warnings("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(body)) == []


@pytest.fixture(scope="module")
def patch(kubectl: Kubectl) -> Callable[..., list[str]]:
    """Returns a function that changes an object that every warning applies to."""
    service = QUIET.with_spec(**WARNED["all"][0]).named("warned")
    manifest = service.manifest()
    del manifest["metadata"]["namespace"]
    kubectl.warnings("create", "-f", "-", stdin=yaml.safe_dump(manifest))

    def patch(change: dict[str, Any], *options: str) -> list[str]:
        document = json.dumps(change)
        return kubectl.warnings("patch", PLURAL, "warned", "--type=merge", "-p", document, *options)

    return patch


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"metadata": {"labels": {"team": "flowers"}}}, []),
        ({"spec": {"env": [{"name": "LOG_LEVEL", "value": "debug"}], "suspend": True}}, []),
        ({"spec": {"image": "other:latest"}}, [TAG]),
        ({"spec": {"probes": {"liveness": {"httpGet": {}}}}}, [PROBE]),
        ({"spec": {"rollout": {"minReadySeconds": 5}}}, [DEVICE]),
        ({"spec": {"disruptionBudget": {"minAvailable": 1}}}, [BUDGET]),
        ({"spec": {"autoscaling": {"maxReplicas": 3}}}, [BUDGET, TARGET, DEVICE]),
        ({"spec": {"resources": {"requests": {"cpu": "999m"}}}}, [MEMORY, TARGET, DEVICE]),
    ],
    ids=str,
)
def test_change_is_warned_about(patch: Callable[..., list[str]], change: dict[str, Any], expected: list[str]) -> None:
    assert patch(change, "--dry-run=server") == expected


def test_status_and_scale_are_not_warned_about(kubectl: Kubectl, patch: Callable[..., list[str]]) -> None:
    assert patch({"status": {"observedGeneration": 1}}, "--subresource=status") == []
    assert kubectl.warnings("scale", PLURAL, "warned", "--replicas=1") == []
    assert kubectl.warnings("delete", PLURAL, "warned", "--dry-run=server") == []
