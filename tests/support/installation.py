"""Installation of the operator's manifests, with or without its Deployment."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.environment.cluster import Cluster, ClusterError
from tests.environment.images import Image, ImageName

ROOT = Path(__file__).parents[2]
NAMESPACE = "modelservice-system"
ACCOUNT = "modelservice-operator"
STORE_NETWORK = "198.18.0.0/15"
USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"


def install_without_operator(cluster: Cluster) -> None:
    """Apply the CRD, service account and roles. The operator runs outside of the cluster with exactly this role."""
    rendered = cluster.run_kubectl("kustomize", str(ROOT / "manifests"))
    bodies = [body for body in yaml.safe_load_all(rendered) if body["kind"] != "Deployment"]
    cluster.run_kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(bodies))
    _wait_for_crd(cluster)


def install_operator(cluster: Cluster, *, images: Mapping[ImageName, Image]) -> None:
    """Apply all of manifests/ and wait until the operator's Deployment is rolled out.

    The pod template has the image's digest as annotation, because the tag is the same after a change of the code.
    """
    bodies = list(yaml.safe_load_all(cluster.run_kubectl("kustomize", str(ROOT / "manifests"))))
    [deployment] = [body for body in bodies if body["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    [container] = template["spec"]["containers"]
    image = images[ImageName.OPERATOR]
    if container["image"] != image.reference:
        raise ClusterError(f"manifests/ use {container['image']}, but the image that was built is {image.reference}.")
    # The stores of the tests are in the node's network, whose addresses are private.
    container["args"] += ["--allow-cidr", STORE_NETWORK]
    template["metadata"]["annotations"] = {"modelservice.dev/image-digest": image.digest}
    cluster.run_kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(bodies))
    _wait_for_crd(cluster)
    arguments = ("rollout", "status", "deployment/modelservice-operator", "--timeout=120s")
    cluster.run_kubectl("--namespace", NAMESPACE, *arguments)


def operator_log(cluster: Cluster) -> str:
    """Return the log of the installed operator's pods; empty if there is none."""
    selector = "--selector=app.kubernetes.io/name=modelservice-operator"
    return cluster.run_kubectl("--namespace", NAMESPACE, "logs", selector, "--prefix", "--tail=-1", check=False)


def _wait_for_crd(cluster: Cluster) -> None:
    name = "crd/modelservices.modelservice.dev"
    cluster.run_kubectl("wait", "--for=condition=Established", name, "--timeout=30s")
