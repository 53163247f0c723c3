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
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.installation import ROOT
from tests.support.manifests import model_services_in
from tests.support.namespace import PLURAL

PREFIX = "Warning: Validation failed for ValidatingAdmissionPolicy 'modelservice-warnings' with binding"
RESOURCES = {"requests": {"cpu": "500m"}, "limits": {"memory": "512Mi"}}
GPU = {"limits": {"memory": "512Mi", "nvidia.com/gpu": 1}}
CLAIMED = RESOURCES | {"claims": [{"name": "gpu"}]}
CLAIM = {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "gpu"}], "resources": CLAIMED}
READINESS = {"readiness": {"httpGet": {"path": "/isAlive"}}}
QUIET = model_service().with_spec(image="registry.example.com:5000/iris:1.4", resources=RESOURCES, probes=READINESS)

TAG = (
    "image has no tag or the tag latest, so replicas may run different versions: use the tag of a version, or a digest"
)
MEMORY = (
    "resources.limits.memory is not set, so one replica can use up the memory of its node: set it to the most that the"
    " server needs"
)
PROBE = (
    "probes.readiness only checks that the port accepts connections, which is true before the model is loaded: set"
    " probes.readiness.httpGet, grpc or exec"
)
BUDGET = (
    "disruptionBudget has no effect with one replica: set replicas (with autoscaling: minReplicas) to 2 or more, or"
    " remove disruptionBudget"
)
TARGET = (
    "autoscaling never adds a replica: the CPU usage would have to exceed 1.1 times 100 % of resources.requests.cpu,"
    " but resources.limits.cpu is not above that: raise the limit, or lower autoscaling.targetCPUUtilizationPercentage"
)
DEVICE = (
    "a rollout of the only replica waits for a second device, because the old pod keeps its device until the new one is"
    " ready: set rollout.type to Recreate, or rollout.maxSurge to 0 and rollout.maxUnavailable to 1"
)
AMOUNTS = (
    "resources has neither requests nor limits, so pods start on full nodes and are evicted first: set"
    " resources.requests, or remove resources to request the defaults"
)


def cpu(request: str | int | None, limit: str | int | None, *, target: int = 80, **autoscaling: Any) -> dict[str, Any]:
    """Return an autoscaled spec with these amounts of CPU."""
    limits = {"memory": "1Gi"} | ({} if limit is None else {"cpu": limit})
    requests = {} if request is None else {"requests": {"cpu": request}}
    scaling = {"maxReplicas": 5, "targetCPUUtilizationPercentage": target}
    return {"autoscaling": scaling | autoscaling, "resources": {"limits": limits, **requests}}


WARNED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "latest": ({"image": "registry.example.com/iris:latest"}, [TAG]),
    "no tag": ({"image": "iris"}, [TAG]),
    "no tag, but a port": ({"image": "registry.example.com:5000/iris"}, [TAG]),
    "loader": (
        {"model": {"uri": "s3://models/iris", "loader": {"image": "loader"}}},
        [TAG.replace("image", "model.loader.image", 1)],
    ),
    "other containers": (
        {
            "initContainers": [{"name": "warm-up", "image": "helper"}, {"name": "check", "image": "helper:1.0"}],
            "sidecars": [{"name": "proxy", "image": "proxy:latest"}],
        },
        [TAG.replace("image", "initContainers[warm-up].image, sidecars[proxy].image", 1)],
    ),
    "default resources": ({"resources": None}, [MEMORY]),
    "no memory limit": ({"resources": {"requests": {"memory": "1Gi"}, "limits": {"cpu": 1}}}, [MEMORY]),
    "default readiness": ({"probes": None}, [PROBE]),
    "no readiness": ({"probes": {"liveness": READINESS["readiness"]}}, [PROBE]),
    "TCP readiness": ({"probes": {"readiness": {"tcpSocket": {"port": 8080}}}}, [PROBE]),
    "readiness without action": ({"probes": {"readiness": {"periodSeconds": 5}}}, [PROBE]),
    "budget": ({"disruptionBudget": {"minAvailable": 1}}, [BUDGET]),
    "budget of one autoscaled replica": (
        {"disruptionBudget": {"maxUnavailable": 1}, "autoscaling": {"minReplicas": 1, "maxReplicas": 5}, "replicas": 3},
        [BUDGET],
    ),
    "limit at target": (cpu("1", 1, target=100), [TARGET]),
    "limit within the tolerance": (cpu(1, "1", target=95), [TARGET.replace("100", "95")]),
    "limit below another tolerance": (
        cpu(1, "1400m", target=120, behavior={"scaleUp": {"tolerance": "0.2"}}),
        [TARGET.replace("1.1", "1.2").replace("100", "120")],
    ),
    "limit as request": (cpu(None, "500m", target=100), [TARGET]),
    "device": ({"resources": GPU}, [DEVICE]),
    "device and percentages": ({"resources": GPU, "rollout": {"maxSurge": "25%", "maxUnavailable": "25%"}}, [DEVICE]),
    "device claim": (CLAIM, [DEVICE]),
    "no amounts": ({"resources": {}}, [MEMORY, AMOUNTS]),
    "empty amounts": ({"resources": {"requests": {}, "limits": {}}}, [MEMORY, AMOUNTS]),
    "all": (
        {
            "image": "iris:latest",
            "resources": {"limits": {"cpu": 1, "example.com/npu": 2}},
            "probes": None,
            "disruptionBudget": {"minAvailable": "50%"},
            "autoscaling": {"maxReplicas": 2, "targetCPUUtilizationPercentage": 100},
        },
        [TAG, MEMORY, PROBE, BUDGET, TARGET, DEVICE],
    ),
}
"""Changes of a spec without warnings, and the sentences that they cause."""

QUIET_SPECS: dict[str, dict[str, Any]] = {
    "version": {},
    "digest": {"image": f"iris@sha256:{'0' * 64}"},
    "tag and digest": {"image": f"iris:latest@sha256:{'0' * 64}"},
    "gRPC readiness": {"probes": {"readiness": {"grpc": {"port": 9000}}}},
    "readiness command": {"probes": {"readiness": {"exec": {"command": ["/app/healthy"]}}}},
    "two replicas with a budget": {"replicas": 2, "disruptionBudget": {"minAvailable": 1}},
    "autoscaled replicas with a budget": {
        "disruptionBudget": {"minAvailable": 1},
        "autoscaling": {"minReplicas": 2, "maxReplicas": 5},
    },
    "limit above target": cpu("1", 1),
    "limit above tolerance": cpu("1", "1150m", target=104),
    "no CPU limit": cpu("1", None, target=200),
    "memory target": {
        "autoscaling": {"maxReplicas": 5, "targetMemoryUtilizationPercentage": 80},
        "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
    },
    "external autoscaler": {"autoscaling": {"managedBy": "External"}},
    "two devices": {"resources": GPU, "replicas": 2},
    "device without surge": {"resources": GPU, "rollout": {"maxSurge": 0, "maxUnavailable": 1}},
    "device and Recreate": {"resources": GPU, "rollout": {"type": "Recreate"}},
    "shared device claim": {"resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}], "resources": CLAIMED},
    "device and unavailable replica": {"resources": GPU, "rollout": {"maxUnavailable": "100%"}},
}


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
