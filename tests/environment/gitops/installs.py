"""Renders the examples of manifests/gitops/install as Argo CD and Flux do: with Helm, or with kustomize.

Both tools write the fields of their object into the kustomization of the directory, or give the values to Helm:
Argo CD, util/kustomize and util/helm; Flux, pkg/kustomize.Generator and the Helm SDK.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from tests.environment.packaging.rendering import (
    CHART,
    MANIFESTS,
    ROOT,
    Object,
    build,
    objects,
    overlay,
    run_helm,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

EXAMPLES = MANIFESTS / "gitops" / "install"


NAMES = tuple(sorted(path.stem for path in EXAMPLES.glob("*.yaml")))
"""Names of the examples."""


@dataclass(frozen=True)
class Rendered:
    """Objects that the tool of an example applies."""

    field_manager: str
    """With which the tool applies."""
    bodies: tuple[Object, ...]


def documents(name: str) -> dict[str, Object]:
    """Return the objects of an example by kind."""
    return {body["kind"]: body for body in objects((EXAMPLES / f"{name}.yaml").read_text())}


def render(name: str) -> Rendered:
    """Render an example."""
    found = documents(name)
    if "Application" in found:
        return Rendered("argocd-controller", tuple(_render_application(found["Application"]["spec"])))
    if "HelmRelease" in found:
        return Rendered("helm", tuple(_render_release(found)))
    return Rendered("kustomize-controller", tuple(_render_kustomization(found["Kustomization"]["spec"])))


def _render_application(spec: Object) -> list[Object]:
    source, namespace = spec["source"], spec["destination"]["namespace"]
    folder = (ROOT / source["path"]).resolve()
    if "helm" in source:
        return _template(source["helm"]["releaseName"], folder, source["helm"]["valuesObject"], namespace)
    options = source["kustomize"]
    images = [_parse_image(text) for text in options["images"]]
    return _kustomize(folder, images, options["patches"])


def _parse_image(text: str) -> dict[str, str]:
    """Parse `NAME=NEW_NAME`, the form of `kustomize edit set image`."""
    name, _, new_name = text.partition("=")
    return {"name": name, "newName": new_name}


def _render_release(found: dict[str, Object]) -> list[Object]:
    spec = found["HelmRelease"]["spec"]
    # The chart in a registry is the archive of this one (tests/release/test_get_images.py pushes archives).
    folder = CHART if "chartRef" in spec else (ROOT / spec["chart"]["spec"]["chart"]).resolve()
    return _template(spec["releaseName"], folder, spec["values"], spec["targetNamespace"])


def _template(release: str, chart: Path, values: Object, namespace: str) -> list[Object]:
    command = ("template", release, str(chart), "--namespace", namespace, "--skip-tests", "--values", "-")
    return objects(run_helm(*command, stdin=yaml.safe_dump(values)))


def _render_kustomization(spec: Object) -> list[Object]:
    return _kustomize((ROOT / spec["path"]).resolve(), spec["images"], spec["patches"])


def _kustomize(folder: Path, images: Iterable[dict[str, str]], patches: Iterable[Any]) -> list[Object]:
    with overlay(resources=[folder], images=list(images), patches=list(patches)) as written:
        return objects(build(written))
