"""kind with two nodes: the operator is installed in three ways, and serves what a cluster with one node has not."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.environment import images
from tests.environment.cluster import Cluster, Tier, kind, start
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.cluster.state import State
from tests.environment.images import ImageName
from tests.environment.packaging.rendering import CHART, MANIFESTS, RELEASE, install_yaml, run_helm
from tests.environment.stores.serving import in_node, write
from tests.support.builders import IMAGE, ModelServiceBuilder, restricted_deployment
from tests.support.image_files import read_image_file
from tests.support.installation import NAMESPACE, ROOT, install_operator, operator_log
from tests.support.namespace import NamespaceFixture

pytestmark = [pytest.mark.node, pytest.mark.timeout(1800)]
EXAMPLE = ROOT / "examples" / "diabetes" / "modelservice.yaml"
NAME = "diabetes"
CLIENT = "client"
ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=30).read().decode())"
PYTHON = "/app/venv/bin/python3"
SERVE = ("-m", "http.server", "--directory")
WAIT = 240


@pytest.fixture(scope="module")
def built() -> dict[ImageName, images.Image]:
    """The images of the project."""
    if reason := kind.missing_support():
        pytest.skip(reason)
    return images.build()


@pytest.fixture(scope="module")
def cluster(built: dict[ImageName, images.Image]) -> Iterator[Cluster]:
    """Two nodes with the images, without the operator."""
    with start(Tier.KIND) as running:
        for image in built.values():
            running.load_image(image.archive)
        yield running


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> str:
    """A namespace with a pod that asks models."""
    name = create_namespace(cluster, "kind")
    body = restricted_deployment(
        CLIENT,
        IMAGE,
        pod={"terminationGracePeriodSeconds": 1},
        imagePullPolicy="IfNotPresent",
        command=[PYTHON, "-c", "import time; time.sleep(86400)"],
    )
    cluster.run_kubectl("--namespace", name, "create", "-f", "-", stdin=json.dumps(body))
    return name


@pytest.fixture(scope="module")
def ns(cluster: Cluster, namespace: str) -> NamespaceFixture:
    return NamespaceFixture(cluster, namespace, lambda: operator_log(cluster))


@pytest.fixture(scope="module")
def operator(cluster: Cluster, built: dict[ImageName, images.Image]) -> Cluster:
    """The operator, for the tests after those of the installations."""
    install_operator(cluster, images=built)
    return cluster


def by_kustomize(cluster: Cluster, _: Path) -> Callable[[], str]:
    cluster.run_kubectl("apply", "--server-side", "-k", str(MANIFESTS))
    return lambda: cluster.run_kubectl("delete", "-k", str(MANIFESTS), f"--timeout={WAIT}s")


def by_one_file(cluster: Cluster, folder: Path) -> Callable[[], str]:
    file = folder / "install.yaml"
    file.write_text(install_yaml())
    cluster.run_kubectl("apply", "--server-side", "-f", str(file))
    return lambda: cluster.run_kubectl("delete", "-f", str(file), f"--timeout={WAIT}s")


def by_helm(cluster: Cluster, _: Path) -> Callable[[], str]:
    options = ("--namespace", NAMESPACE, "--wait", "--timeout", f"{WAIT}s")
    run_helm("install", RELEASE, str(CHART), "--create-namespace", *options, kubeconfig=cluster.kubeconfig)

    def remove() -> str:
        answer = run_helm("uninstall", RELEASE, *options, kubeconfig=cluster.kubeconfig)
        cluster.run_kubectl("delete", "crd", "modelservices.modelservice.dev", f"--timeout={WAIT}s")
        cluster.run_kubectl("delete", "namespace", NAMESPACE, f"--timeout={WAIT}s")
        return answer

    return remove


def prediction(ns: NamespaceFixture, name: str = NAME) -> float:
    """Ask a model by the DNS name of its Service, from another pod."""
    url = f"http://{name}.{ns.namespace}.svc.cluster.local/prediction/?f=0.05"
    answer: dict[str, Any] = json.loads(ns.kubectl("exec", f"deployment/{CLIENT}", "--", PYTHON, "-c", ASK, url))
    return float(answer["prediction"])


def pods(ns: NamespaceFixture, name: str = NAME) -> list[dict[str, Any]]:
    """Return the pods of a model that stay."""
    listed = json.loads(ns.kubectl("get", "pods", f"--selector=app.kubernetes.io/instance={name}", "-o", "json"))
    return [pod for pod in listed["items"] if not pod["metadata"].get("deletionTimestamp")]


def predict_and_delete(ns: NamespaceFixture) -> None:
    ns.kubectl("rollout", "status", f"deployment/{CLIENT}", f"--timeout={WAIT}s")
    ns.kubectl("apply", "-f", str(EXAMPLE))
    ns.wait_ready(NAME, within=WAIT)
    assert prediction(ns) == pytest.approx(199.6, abs=0.1)
    ns.kubectl("delete", "modelservice", NAME)
    ns.wait_deleted("deployment", NAME, within=WAIT)


@pytest.mark.parametrize("install", [by_kustomize, by_one_file, by_helm])
def test_model_predicts_by_dns_name_after_each_install(
    ns: NamespaceFixture, tmp_path: Path, install: Callable[[Cluster, Path], Callable[[], str]]
) -> None:
    remove = install(ns.cluster, tmp_path)
    words = ("rollout", "status", "deployment/modelservice-operator", f"--timeout={WAIT}s")
    ns.cluster.run_kubectl("--namespace", NAMESPACE, *words)
    predict_and_delete(ns)
    remove()
    assert ns.cluster.run_kubectl("get", "namespace", NAMESPACE, "--ignore-not-found") == ""


@pytest.mark.usefixtures("operator")
def test_dynamic_claim_keeps_the_model(ns: NamespaceFixture, built: dict[ImageName, images.Image]) -> None:
    place = in_node(ns.cluster)
    port, folder = place.port(), State(ns.cluster.state or Path()).node / "models"
    write(folder, {"model.joblib": read_image_file(built[ImageName.DIABETES], "app/model.joblib")})
    command: list[str | Path] = [sys.executable, *SERVE, folder, "--bind", place.host, str(port)]
    place.start("model-store", command, ready=lambda: place.listens(port))
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "cache"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    ns.kubectl("create", "-f", "-", stdin=yaml.safe_dump(claim))
    model = {
        "uri": f"http://{place.host}:{port}/model.joblib",
        "cache": {"persistentVolumeClaim": {"claimName": "cache"}},
    }
    ns.apply(ModelServiceBuilder().named("cached").with_spec(image=IMAGE, imagePullPolicy="IfNotPresent", model=model))
    ns.wait_ready("cached", within=WAIT)
    assert ns.get("persistentvolumeclaims", "cache")["status"]["phase"] == "Bound"
    assert reasons(ns, "cached") == ["Loaded"]
    ns.kubectl("delete", "pods", "--selector=app.kubernetes.io/instance=cached", "--wait=true")
    ns.wait_ready("cached", within=WAIT)
    assert reasons(ns, "cached") == ["Cached"]
    assert prediction(ns, "cached") == pytest.approx(199.6, abs=0.1)
    ns.kubectl("delete", "modelservice", "cached")


def reasons(ns: NamespaceFixture, name: str) -> list[str]:
    """Return what the loaders of a model's pods report."""
    ends = [pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["message"] for pod in pods(ns, name)]
    return [json.loads(text)["reason"] for text in ends]


@pytest.fixture(scope="module")
def model(operator: Cluster, ns: NamespaceFixture) -> str:
    """The example, ready."""
    operator.run_kubectl("--namespace", ns.namespace, "apply", "-f", str(EXAMPLE))
    ns.wait_ready(NAME, within=WAIT)
    return NAME


def test_restarted_kubelet_leaves_the_pods(ns: NamespaceFixture, model: str) -> None:
    def containers() -> set[tuple[str, int]]:
        return {
            (status["containerID"], status["restartCount"])
            for pod in pods(ns, model)
            for status in pod["status"]["containerStatuses"]
        }

    before, lease = containers(), renewals(ns.cluster)
    for node in kind.nodes(State(ns.cluster.state or Path())):
        node.run("systemctl", "restart", "kubelet")
    ns.wait(lambda: all(renewals(ns.cluster)[name] != lease[name] for name in lease), "kubelets", within=WAIT)
    ns.wait(lambda: answers(ns), "the kubelet to know its pods", within=WAIT)
    # A kubelet that starts has no results of probes: its pods may be unready until the next ones.
    ns.wait_ready(model, within=WAIT)
    assert prediction(ns) == pytest.approx(199.6, abs=0.1)
    assert containers() == before


def answers(ns: NamespaceFixture) -> bool:
    """Return True if a command runs in the pod that asks models: a kubelet refuses it until it has listed its pods."""
    words = ("exec", f"deployment/{CLIENT}", "--", PYTHON, "-c", "print(1)")
    return ns.cluster.run_kubectl("--namespace", ns.namespace, *words, check=False) == "1\n"


def renewals(cluster: Cluster) -> dict[str, str]:
    """Return when each kubelet renewed its Lease."""
    leases = cluster.get("leases", "--namespace", "kube-node-lease")["items"]
    return {lease["metadata"]["name"]: lease["spec"]["renewTime"] for lease in leases}


def test_drained_node_gives_its_pods_to_the_other(ns: NamespaceFixture, model: str) -> None:
    _, worker = kind.nodes(State(ns.cluster.state or Path()))
    ns.cluster.run_kubectl("drain", worker.name, "--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={WAIT}s")
    ns.kubectl("rollout", "status", f"deployment/{CLIENT}", f"--timeout={WAIT}s")
    ns.kubectl("rollout", "status", f"deployment/{model}", f"--timeout={WAIT}s")
    ns.wait_ready(model, within=WAIT)
    found = pods(ns, model)
    assert len(found) >= 2
    assert worker.name not in {pod["spec"]["nodeName"] for pod in found}
    assert prediction(ns) == pytest.approx(199.6, abs=0.1)
    ns.cluster.run_kubectl("uncordon", worker.name)
