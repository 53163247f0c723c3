"""The chart on a real node: `helm test`, `check` in the image, and images that do not exist, with their recovery."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from modelservice_operator import __version__
from modelservice_operator.status.reasons import Reason
from tests.environment import images
from tests.environment.cluster import Cluster, ClusterError, Tier, start
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.images import ImageName
from tests.environment.packaging.rendering import CHART, NAMESPACE, RELEASE, run_helm
from tests.support.bad_installs import BrokenInstall, broken_install
from tests.support.builders import IMAGE, ModelServiceBuilder, model_service
from tests.support.installation import ACCOUNT, operator_log
from tests.support.namespace import NamespaceFixture

pytestmark = [pytest.mark.node, pytest.mark.timeout(1800)]
SECONDS = 240
DEPLOYMENT = f"deployment/{ACCOUNT}"
CHECK = ("exec", DEPLOYMENT, "--", "modelservice-operator", "check")
MODEL_STORE = "https://127.0.0.1:9/model.joblib"
"""No loader may connect to it: what matters is whether the loader runs at all."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A node with the images of operator, loader and example, and a release of the chart."""
    built = images.build((ImageName.OPERATOR, ImageName.LOADER, ImageName.DIABETES))
    with start(Tier.NODE) as running:
        for image in built.values():
            running.load_image(image.archive)
        helm(running, "install", RELEASE, str(CHART), "--create-namespace", "--wait", "--timeout", f"{SECONDS}s")
        yield running


def helm(cluster: Cluster, *arguments: str) -> str:
    return run_helm(*arguments, "--namespace", NAMESPACE, kubeconfig=cluster.kubeconfig)


def kubectl(cluster: Cluster, *arguments: str) -> str:
    return cluster.run_kubectl("--namespace", NAMESPACE, *arguments)


def roll_out(cluster: Cluster) -> None:
    kubectl(cluster, "rollout", "status", DEPLOYMENT, f"--timeout={SECONDS}s")


@pytest.fixture(scope="module")
def ns(cluster: Cluster) -> NamespaceFixture:
    return NamespaceFixture(cluster, create_namespace(cluster, "node-install"), lambda: operator_log(cluster))


def run_in_image(cluster: Cluster, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `check` in a pod of the operator, with its rights; kubectl ends with the exit code of the program."""
    place = ("--kubeconfig", str(cluster.kubeconfig), "--namespace", NAMESPACE)
    command = [str(cluster.kubectl), *place, *CHECK, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def findings(cluster: Cluster) -> list[dict[str, str]]:
    """Return the findings of an administrator outside of the cluster."""
    options = ("--kubeconfig", str(cluster.kubeconfig), "-o", "json")
    command = [sys.executable, "-m", "modelservice_operator", "check", *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stderr == ""
    found: list[dict[str, str]] = json.loads(result.stdout)["findings"]
    return found


def names(cluster: Cluster, broken: BrokenInstall) -> bool:
    """Return True if `check` names a broken install, with its sentence and a fix."""
    return any(
        (one["id"], one["level"]) == (broken.finding, broken.level) and broken.sentence in one["message"] and one["fix"]
        for one in findings(cluster)
    )


def set_verbs_of_services(cluster: Cluster, change: Any) -> None:
    """Replace the verbs on Services in the role."""
    role = cluster.get("clusterrole", ACCOUNT)
    for rule in role["rules"]:
        if "services" in rule["resources"]:
            rule["verbs"] = change(rule["verbs"])
    cluster.run_kubectl("replace", "-f", "-", stdin=json.dumps(role))


@pytest.fixture
def missing_verb(cluster: Cluster) -> Iterator[None]:
    set_verbs_of_services(cluster, lambda verbs: [verb for verb in verbs if verb != "create"])
    yield
    set_verbs_of_services(cluster, lambda verbs: [*verbs, "create"])


def test_check_in_the_image_passes(cluster: Cluster) -> None:
    text, document = run_in_image(cluster), run_in_image(cluster, "-o", "json")
    assert (text.returncode, document.returncode) == (0, 0), text.stdout + text.stderr
    assert text.stdout.splitlines()[-1].endswith("0 error")
    parsed = json.loads(document.stdout)
    assert (parsed["version"], parsed["counts"]["error"]) == (__version__, 0)
    assert {"operator", "leader", "permissions", "crd"} <= {
        one["id"] for one in parsed["findings"] if one["level"] == "ok"
    }


def test_helm_test_passes(cluster: Cluster) -> None:
    answer = helm(cluster, "test", RELEASE, "--timeout", f"{SECONDS}s")
    assert "Succeeded" in answer


@pytest.mark.usefixtures("missing_verb")
def test_check_in_the_image_fails_for_a_missing_verb(cluster: Cluster) -> None:
    found = run_in_image(cluster, "-o", "json")
    assert found.returncode == 1
    [missing] = [one for one in json.loads(found.stdout)["findings"] if one["level"] == "error"]
    assert (missing["id"], "create services" in missing["message"]) == ("permission-missing", True)


@pytest.mark.usefixtures("missing_verb")
def test_helm_test_fails_for_a_missing_verb(cluster: Cluster) -> None:
    with pytest.raises(ClusterError):
        helm(cluster, "test", RELEASE, "--timeout", f"{SECONDS}s")
    log = kubectl(cluster, "logs", f"{RELEASE}-check")
    assert "permission-missing" in log
    kubectl(cluster, "delete", "pod", f"{RELEASE}-check")


def test_check_outside_of_a_cluster_cannot_check(cluster: Cluster) -> None:
    found = run_in_image(cluster, "--kubeconfig", "/missing")
    assert found.returncode == 2
    assert found.stderr.startswith("Cannot check: ")


def serving() -> ModelServiceBuilder:
    return model_service().with_spec(image=IMAGE, imagePullPolicy="IfNotPresent")


def test_missing_operator_image_is_named_until_mended(cluster: Cluster, ns: NamespaceFixture) -> None:
    """The running replicas stay until the new one is ready, so that ModelServices are served in the meantime."""
    broken = broken_install("missing-operator-image")
    kubectl(cluster, "set", "image", DEPLOYMENT, "operator=modelservice.dev/operator:missing")
    try:
        ns.wait(lambda: names(cluster, broken), "finding", within=SECONDS)
        ns.apply(serving().named("served"))
        ns.wait_ready("served", within=SECONDS)
    finally:
        kubectl(cluster, "rollout", "undo", DEPLOYMENT)
        roll_out(cluster)
    assert broken.finding not in {one["id"] for one in findings(cluster)}


def loader_image(ns: NamespaceFixture, name: str) -> str:
    return str(ns.get("deployment", name)["spec"]["template"]["spec"]["initContainers"][0]["image"])


def test_missing_loader_image_is_named_until_mended(cluster: Cluster, ns: NamespaceFixture) -> None:
    """Once it is mended, the pods that could not start get the image that exists."""
    broken, name = broken_install("missing-loader-image"), "downloaded"
    kubectl(cluster, "set", "env", DEPLOYMENT, "LOADER_IMAGE=modelservice.dev/loader:missing")
    roll_out(cluster)
    try:
        ns.apply(serving().named(name).with_spec(model={"uri": MODEL_STORE}))
        said = "the image of container model-loader cannot be pulled"
        ns.wait(lambda: said in ns.condition(name).get("message", ""), "status", within=SECONDS, name=name)
        assert ns.condition(name)["reason"] == Reason.IMAGE_PULL
        ns.wait(lambda: names(cluster, broken), "finding", within=SECONDS, name=name)
    finally:
        kubectl(cluster, "set", "env", DEPLOYMENT, f"LOADER_IMAGE=modelservice.dev/loader:{__version__}")
        roll_out(cluster)
    ns.wait(lambda: "missing" not in loader_image(ns, name), "mended loader", within=SECONDS, name=name)
    ns.wait(lambda: ns.condition(name).get("reason") != Reason.IMAGE_PULL, "other status", within=SECONDS, name=name)
    # Its store does not exist, so that the pod of the first revision is not replaced: it ends with the ModelService.
    ns.kubectl("delete", "modelservice", name)
    ns.wait(
        lambda: broken.finding not in {one["id"] for one in findings(cluster)}, "no finding", within=SECONDS, name=name
    )


def test_uninstall_leaves_no_lease(cluster: Cluster, ns: NamespaceFixture) -> None:
    """The garbage collector deletes it, although the pods end later than their account."""
    ns.apply(serving().named("kept"))
    ns.wait_ready("kept", within=SECONDS)
    lease = ("get", "lease", ACCOUNT, "--namespace", NAMESPACE, "--ignore-not-found", "--output=name")
    assert cluster.run_kubectl(*lease) != ""
    helm(cluster, "uninstall", RELEASE, "--wait", "--timeout", f"{SECONDS}s")
    ns.wait(lambda: cluster.run_kubectl(*lease) == "", "deletion of the Lease", within=SECONDS, name="kept")
    assert ns.get("deployment", "kept")["status"]["readyReplicas"] == 1
