"""Renders each form of the installation as text or as objects."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from tests.environment.cluster.errors import ClusterError
from tests.environment.packaging.tools import helm, kubectl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[3]
MANIFESTS = ROOT / "manifests"
COMPONENTS = MANIFESTS / "components"
CHART = ROOT / "charts" / "modelservice-operator"
RELEASE = "modelservice-operator"
NAMESPACE = "modelservice-system"
IMAGE_NAMES = ("operator", "loader")
IMAGE_PREFIX = "modelservice.dev"
"""Of the images in manifests/ and of the chart."""

Object = dict[str, Any]


def build(folder: Path) -> str:
    """Return the output of kustomize for a directory."""
    return _run(kubectl(), "kustomize", str(folder))


@contextmanager
def overlay(**fields: Any) -> Iterator[Path]:
    """Yield a directory with a kustomization of these fields; `resources` and `components` may be absolute paths."""
    with TemporaryDirectory() as temporary:
        # kustomize refuses absolute paths, and compares real ones.
        folder = Path(temporary).resolve()
        for name in ("resources", "components"):
            fields[name] = [os.path.relpath(path, folder) for path in fields.get(name, ())]
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(fields))
        yield folder


def install_yaml(*, image_prefix: str = IMAGE_PREFIX, tag: str = "") -> str:
    """Return dist/install.yaml: manifests/ with the images of a registry. An empty tag means the version."""
    images = [
        {"name": f"{IMAGE_PREFIX}/{name}", "newName": f"{image_prefix}/{name}"} | ({"newTag": tag} if tag else {})
        for name in IMAGE_NAMES
    ]
    with overlay(resources=[MANIFESTS], images=images) as folder:
        return f"{_HEADER}{build(folder)}"


_HEADER = """\
# ModelService, for the whole cluster: kubectl apply --server-side -f install.yaml
# Rendered from manifests/ of the same version.
"""


def template(*arguments: str, values: Mapping[str, Any] | None = None, namespace: str = NAMESPACE) -> str:
    """Return the output of `helm template` without tests of the release."""
    command = ["template", RELEASE, str(CHART), "--namespace", namespace, "--skip-tests", *arguments]
    return run_helm(*command, "--values", "-", stdin=yaml.safe_dump(dict(values or {})))


def run_helm(*arguments: str, stdin: str | None = None, kubeconfig: Path | None = None) -> str:
    """Return the output of helm, which reads no configuration of the user; ClusterError with its message."""
    with TemporaryDirectory() as temporary:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HELM_")}
        environment |= {f"HELM_{name}_HOME": f"{temporary}/{name}" for name in ("CACHE", "CONFIG", "DATA")}
        environment |= {"KUBECONFIG": str(kubeconfig or "/dev/null"), "NO_PROXY": "*", "no_proxy": "*"}
        return _run(helm(), *arguments, stdin=stdin, environment=environment)


def objects(text: str) -> list[Object]:
    """Parse a stream of objects."""
    return [body for body in yaml.load_all(text, Loader=yaml.CSafeLoader) if body]


def by_identity(bodies: Iterable[Object]) -> dict[str, Object]:
    """Return the objects by kind, namespace and name; no two may be the same."""
    found: dict[str, Object] = {}
    for body in bodies:
        metadata = body["metadata"]
        identity = f"{body['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
        if identity in found:
            raise ClusterError(f"{identity} is rendered twice.")
        found[identity] = body
    return found


def _run(program: Path, *arguments: str, stdin: str | None = None, environment: Mapping[str, str] | None = None) -> str:
    command: Sequence[str | Path] = (program, *arguments)
    result = subprocess.run(
        command,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise ClusterError(f"{program.name} {' '.join(arguments[:2])} failed: {result.stderr.strip()}")
    return result.stdout
