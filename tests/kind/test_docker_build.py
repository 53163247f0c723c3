"""The commands with docker of docs/get-images.md: build without a network, load, and push to a real registry.

The build's files are compared with those of the images that are built without Docker.
"""

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from release.archives import read_tar
from release.image import OciImage
from release.settings import project_version
from tests.environment import engine, images
from tests.environment.cluster.network import is_listening
from tests.environment.cluster.registry import command
from tests.environment.images import ImageName
from tests.environment.images.context import Context
from tests.environment.images.uv import ensure_wheel, write_cache
from tests.environment.stores import serving

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "get-images.md").read_text()
[BUILD] = re.findall(r"^```sh\n(docker build .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
[PUSH] = re.findall(r"^```sh\n(docker load .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
BASE = "modelservice.test/base:1"
PREFIX = "modelservice.test"
VERSION = project_version()
TARGETS = [ImageName.OPERATOR, ImageName.LOADER]
SETTINGS = ("User", "Entrypoint", "Cmd")
LABELS_OF_BUILD = {
    "io.buildah.version",
    "org.opencontainers.image.version",
    "org.opencontainers.image.revision",
}
PORT = 5000
REGISTRY = {"version": "0.1", "log": {"level": "warn"}, "http": {"addr": f"127.0.0.1:{PORT}"}}

File = tuple[str, int, int, int, str, bytes]


@dataclass(frozen=True)
class Builds:
    """An engine that has built both images from the page's commands."""

    running: engine.Engine
    directory: Path

    def run(self, commands: str, *, prefix: str, architecture: str = "") -> None:
        """Run commands of the page in the directory of the build context."""
        variables = f"PREFIX={prefix}\nVERSION={VERSION}\nARCH={architecture}\n"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
        answer = subprocess.run(
            [*self.running.spaces.enter, "sh", "-euc", f"cd '{self.directory}'\n{variables}{commands}"],
            env=environment | {"DOCKER_BUILDKIT": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr

    def image(self, name: ImageName) -> OciImage:
        """Read an image from the engine, in the format of `docker save`."""
        saved = self.running.docker.start("save", f"{PREFIX}/{name}:{VERSION}")
        assert saved.returncode == 0, saved.stderr.decode()
        members = read_tar(saved.stdout)
        [entry] = json.loads(members["manifest.json"])
        layers = {path: members[path] for path in entry["Layers"]}
        manifest = {"layers": [{"digest": path} for path in entry["Layers"]]}
        return OciImage(manifest, json.loads(members[entry["Config"]]), layers)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build context of the work tree, with uv and its cache. The base image is in its parent directory."""
    folder = tmp_path_factory.mktemp("docker") / "context"
    folder.mkdir()
    Context.read(ROOT).write(folder)
    shutil.copy2(ensure_wheel(images.Store.of_this_user().folder / "wheels"), folder)
    write_cache(folder / "uv-cache.tar")
    images.write_base(folder.parent / "base.oci", reference=BASE)
    (folder.parent / "base.tar").write_bytes(OciImage.read(folder.parent / "base.oci").archive(BASE, epoch=0))
    return folder


@pytest.fixture(scope="module")
def builds(context: Path) -> Iterator[Builds]:
    if reason := engine.missing_support():
        pytest.skip(reason)
    with engine.start(visible=[context.parent]) as running:
        running.docker.run("load", "--input", context.parent / "base.tar")
        found = Builds(running, context)
        found.run(BUILD.replace("docker build ", f"docker build --build-arg BASE_IMAGE={BASE} "), prefix=PREFIX)
        yield found


@pytest.fixture
def registry(builds: Builds, tmp_path: Path) -> Iterator[str]:
    """A registry on the engine's loopback, where docker accepts one without TLS."""
    (tmp_path / "config.json").write_text(
        json.dumps(REGISTRY | {"storage": {"filesystem": {"rootdirectory": str(tmp_path / "data")}}})
    )
    network = builds.running.spaces.network
    with serving.here() as place:
        inside = place.processes.entering(network.enter)
        inside.start("registry", command(tmp_path))
        inside.wait(lambda: is_listening(network.run("cat", "/proc/net/tcp"), PORT), name="registry", seconds=60)
        yield f"127.0.0.1:{PORT}/team"


@pytest.fixture(scope="module")
def without_docker() -> dict[ImageName, OciImage]:
    return {name: OciImage.read(image.archive) for name, image in images.build(TARGETS).items()}


def files_of(image: OciImage) -> dict[str, File]:
    """Return everything about each file that a container can see, but times."""
    found = {}
    for path, file in image.files().items():
        entry = file.entry
        # A hard link is the same file under another name.
        kind = "file" if entry.isreg() or entry.islnk() else entry.type.decode()
        target = entry.linkname if entry.issym() else ""
        found[path] = (kind, stat.S_IMODE(entry.mode), entry.uid, entry.gid, target, file.content)
    return found


def settings_of(image: OciImage) -> dict[str, Any]:
    """Return what a container is started with, and the labels that do not depend on the build."""
    config = image.config["config"]
    labels = {name: text for name, text in image.labels.items() if name not in LABELS_OF_BUILD}
    # The builders order the variables differently.
    return {name: config.get(name) for name in SETTINGS} | {"Env": sorted(config["Env"]), "Labels": labels}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", TARGETS)
def test_docker_builds_the_same_files(
    builds: Builds, without_docker: dict[ImageName, OciImage], name: ImageName
) -> None:
    found, expected = files_of(builds.image(name)), files_of(without_docker[name])
    assert expected.keys() - found.keys() == set()
    assert found.keys() - expected.keys() == set()
    assert [path for path in sorted(expected) if found[path] != expected[path]] == []
    assert any(path.startswith("app/site/") for path in found)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", TARGETS)
def test_docker_builds_the_same_settings(
    builds: Builds, without_docker: dict[ImageName, OciImage], name: ImageName
) -> None:
    found, expected = builds.image(name), without_docker[name]
    assert settings_of(found) == settings_of(expected)
    assert found.labels["org.opencontainers.image.version"] == VERSION
    assert found.architecture == expected.architecture


@pytest.mark.timeout(900)
def test_image_of_docker_runs(builds: Builds) -> None:
    options = ("run", "--rm", "--read-only", "--network=none")
    assert "usage:" in builds.running.docker.run(*options, f"{PREFIX}/operator:{VERSION}", "--help")
    assert "usage:" in builds.running.docker.run(*options, f"{PREFIX}/loader:{VERSION}", "--help")


@pytest.mark.timeout(900)
def test_docker_pushes_archives_of_a_release(
    builds: Builds, without_docker: dict[ImageName, OciImage], registry: str
) -> None:
    for name, image in without_docker.items():
        archive = builds.directory / f"{name}-{VERSION}-linux-{image.architecture}.tar"
        archive.write_bytes(image.archive(f"{registry}/{name}:{VERSION}", epoch=0))
    builds.run(PUSH, prefix=registry, architecture=without_docker[ImageName.OPERATOR].architecture)
    docker = builds.running.docker
    for name, image in without_docker.items():
        reference = f"{registry}/{name}:{VERSION}"
        loaded = docker.run("image", "inspect", "--format={{.Id}}", reference)
        docker.run("image", "rm", reference)
        docker.run("pull", reference)
        # The identifier is the digest of the configuration, which has the digests of the layers.
        assert docker.run("image", "inspect", "--format={{.Id}}", reference) == loaded
        content = json.dumps(image.config, separators=(",", ":"), sort_keys=True).encode()
        assert loaded.strip() == f"sha256:{hashlib.sha256(content).hexdigest()}"
