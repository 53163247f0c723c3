"""The examples for Argo CD and Flux render what kustomize renders for the same registry."""

from typing import Any

import pytest

from modelservice_operator import __version__
from tests.environment.gitops.installs import NAMES, documents, render
from tests.environment.packaging.rendering import by_identity, install_yaml, objects

KEPT = {
    "argocd-chart": {"helm.sh/resource-policy": "keep"},
    "flux-chart": {"helm.sh/resource-policy": "keep"},
    "flux-oci": {"helm.sh/resource-policy": "keep"},
    "argocd-kustomize": {"argocd.argoproj.io/sync-options": "Prune=false"},
    "flux-kustomize": {"kustomize.toolkit.fluxcd.io/prune": "disabled"},
}
"""Annotation by which each tool spares the CRD, and with it every ModelService."""


def expected(name: str) -> dict[str, Any]:
    """Return the objects of manifests/ with the images of the registry. With Helm, the namespace is not among them."""
    found = by_identity(objects(install_yaml(image_prefix="registry.example.com/modelservice")))
    is_chart = "kustomize" not in name
    for body in found.values():
        if body["kind"] == "CustomResourceDefinition":
            body["metadata"]["annotations"] |= KEPT[name]
    return {identity: body for identity, body in found.items() if not (is_chart and body["kind"] == "Namespace")}


@pytest.mark.parametrize("name", NAMES)
def test_example_installs_what_kustomize_does(name: str) -> None:
    assert by_identity(render(name).bodies) == expected(name)


def test_every_example_spares_the_crd() -> None:
    assert set(NAMES) == set(KEPT)


@pytest.mark.parametrize("name", NAMES)
def test_example_names_the_version(name: str) -> None:
    found = documents(name)
    if "Application" in found:
        assert found["Application"]["spec"]["source"]["targetRevision"] == f"v{__version__}"
        assert "ServerSideApply=true" in found["Application"]["spec"]["syncPolicy"]["syncOptions"]
    elif "GitRepository" in found:
        assert found["GitRepository"]["spec"]["ref"] == {"tag": f"v{__version__}"}
    else:
        assert found["OCIRepository"]["spec"]["ref"] == {"tag": __version__}


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("flux")])
def test_source_of_a_flux_example_is_part_of_it(name: str) -> None:
    found = documents(name)
    spec = next(body["spec"] for kind, body in found.items() if kind in {"HelmRelease", "Kustomization"})
    chart = spec.get("chart", {}).get("spec", spec)
    reference = chart.get("sourceRef") or chart["chartRef"]
    source = found[reference["kind"]]
    assert reference["name"] == source["metadata"]["name"]
    assert {body["metadata"]["namespace"] for body in found.values()} == {"flux-system"}
