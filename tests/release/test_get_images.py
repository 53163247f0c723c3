"""The commands of docs/get-images.md, as they are on the page, with a real registry and a real node."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from release.image import OciImage
from release.settings import project_version
from tests.environment.cluster import Cluster
from tests.environment.cluster.build import programs
from tests.environment.cluster.programs import Program
from tests.environment.cluster.registry import PASSWORD, USER
from tests.environment.cluster.servers import node_of
from tests.environment.images.clients import crane, skopeo, write_login
from tests.environment.stores import oci, serving
from tests.support.releases import IMAGES, PREFIX, Release

pytestmark = pytest.mark.timeout(900)
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "get-images.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
VERSION = project_version()
MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"
BUILT = f"make release IMAGE_PREFIX={PREFIX}\n"
"""The block that the fixture of all releases replaces: the Makefile gives its options to `python -m release`."""
CTR = '"$CTR" --namespace k8s.io images import'
IMPORTED_BY = {
    "ctr --namespace k8s.io images import": CTR,
    "k3s ctr images import": CTR,
    "kind load image-archive": CTR,
    "minikube image load": CTR,
}
"""Commands that load an archive into a node, and what they do there: containerd imports it."""


def block_with(start: str) -> str:
    block: str
    [block] = [block for block in BLOCKS if any(line.startswith(start) for line in block.splitlines())]
    return block


@dataclass(frozen=True)
class Desk:
    """A user's directory with a release, and a registry where the user is logged in."""

    directory: Path
    registry: oci.Registry
    environment: dict[str, str]

    def run(self, script: str, *, prefix: str, architecture: str) -> str:
        """Run commands of the page after those that set the variables, with other values."""
        variables = block_with("PREFIX=")
        values = f"PREFIX={prefix}\nARCH={architecture}\n"
        answer = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{variables}{values}{script}"],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def digest(self, name: str, tag: str) -> str:
        """Return the digest of an image in the registry."""
        answer = httpx.get(
            f"https://{self.registry.host}/v2/{name}/manifests/{tag}",
            headers={"Accept": MANIFESTS},
            auth=(USER, PASSWORD),
            verify=False,  # noqa: S501 - the clients check certificates
            trust_env=False,
        )
        answer.raise_for_status()
        return f"sha256:{hashlib.sha256(answer.content).hexdigest()}"


@pytest.fixture(scope="module")
def registry() -> Iterator[oci.Registry]:
    """A registry with TLS and a password."""
    with serving.here() as place:
        yield oci.start(place)


@pytest.fixture
def desk(release: Release, registry: oci.Registry, tmp_path: Path) -> Desk:
    shutil.copytree(release.directory, tmp_path / "dist")
    (tmp_path / "bin").mkdir()
    for program in (crane(), skopeo()):
        (tmp_path / "bin" / program.name).symlink_to(program)
    write_login(tmp_path, registry.login())
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "SSL_CERT_FILE": registry.trusted,
    }
    return Desk(tmp_path, registry, environment)


@pytest.mark.parametrize("program", ["skopeo", "crane"])
def test_pushed_images_have_the_digests_of_the_release(release: Release, desk: Desk, program: str) -> None:
    architecture = release.image("operator").architecture
    start = "skopeo copy" if program == "skopeo" else "crane push"
    desk.run(block_with(start), prefix=f"{desk.registry.host}/{program}", architecture=architecture)
    for image in IMAGES:
        assert desk.digest(f"{program}/{image}", VERSION) == release.image(image).digest


def test_publish_makes_an_index_of_two_architectures(release: Release, desk: Desk) -> None:
    prefix = f"{desk.registry.host}/published"
    for architecture in ("amd64", "arm64"):
        write_variant(release, desk.directory / architecture, prefix, architecture)
    answer = subprocess.run(
        [ROOT / "release" / "publish", "amd64", "arm64"],
        cwd=desk.directory,
        env=desk.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines() == [
        f"{prefix}/{image}@{desk.digest(f'published/{image}', VERSION)}" for image in sorted(IMAGES)
    ]
    for image in IMAGES:
        for architecture in ("amd64", "arm64"):
            command = f"crane digest --platform linux/{architecture} {prefix}/{image}:{VERSION}"
            found = desk.run(command, prefix=prefix, architecture=architecture).strip()
            assert found == variant(release, image, architecture).digest


def variant(release: Release, image: str, architecture: str) -> OciImage:
    """Return an image of the release that says that it is for another architecture."""
    found = release.image(image)
    return replace(found, config=found.config | {"architecture": architecture})


def write_variant(release: Release, directory: Path, prefix: str, architecture: str) -> None:
    directory.mkdir()
    lines = []
    for image in IMAGES:
        name, found = f"{image}.tar", variant(release, image, architecture)
        (directory / name).write_bytes(found.archive(f"{prefix}/{image}:{VERSION}", epoch=0))
        lines.append(f"{prefix}/{image}:{VERSION} {found.digest} {architecture} {name}\n")
    (directory / "images.txt").write_text("".join(lines))
    sums = (f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in directory.iterdir())
    (directory / "SHA256SUMS").write_text("".join(list(sums)))


@pytest.mark.node
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("command", IMPORTED_BY)
def test_node_imports_the_archives_under_their_names(
    release: Release, desk: Desk, node_cluster: Cluster, command: str
) -> None:
    ctr = programs([Program.CTR])[Program.CTR]
    node = node_of(node_cluster, what="containerd")
    for image in IMAGES:
        references = (f"{PREFIX}/{image}:{VERSION}",)
        node.run(ctr, "--namespace=k8s.io", "images", "rm", *references)
    script = block_with(command).replace(command, IMPORTED_BY[command])
    nsenter = " ".join((*node.enter, str(ctr)))
    architecture = release.image("operator").architecture
    desk_script = script.replace('"$CTR"', nsenter).replace("import ", 'import "$PWD"/')
    desk.run(desk_script, prefix=PREFIX, architecture=architecture)
    listed = node.run(ctr, "--namespace=k8s.io", "images", "ls", "--quiet").split()
    assert {f"{PREFIX}/{image}:{VERSION}" for image in IMAGES} <= set(listed)


def test_every_block_of_the_page_is_run() -> None:
    """The blocks with docker need an engine: tests/kind/test_docker_build.py runs them."""
    run = [BUILT, block_with("PREFIX="), block_with("skopeo copy"), block_with("crane push")]
    run += [block_with(command) for command in IMPORTED_BY]
    run += [block_with("docker load"), block_with("docker build")]
    assert sorted(BLOCKS) == sorted(run)


def test_page_has_the_version_of_the_project() -> None:
    assert f"\nVERSION={VERSION}\n" in block_with("PREFIX=")
