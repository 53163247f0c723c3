"""A release: what it has, that it is reproducible, and that it is refused when it would not be."""

import hashlib
import json
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from cyclonedx.validation.json import JsonStrictValidator

from release.errors import ReleaseError
from release.licences import LicencePolicy
from release.notes import section
from release.packages import Ecosystem, Package, find_packages
from release.sbom import SCHEMA
from release.settings import project_version
from tests.environment.packaging.rendering import run_helm
from tests.support.releases import IMAGES, PREFIX, Release, copy_as_commit, run_release

# The fixtures build images, which takes a minute or two when nothing is cached.
pytestmark = pytest.mark.timeout(900)
VERSION = project_version()


def test_release_has_every_file(release: Release) -> None:
    kinds = {
        f"modelservice_operator-{VERSION}-py3-none-any.whl",
        f"modelservice_operator-{VERSION}.tar.gz",
        f"modelservice-operator-{VERSION}.tgz",
        "install.yaml",
        "images.txt",
        "release-notes.md",
        "SHA256SUMS",
    }
    for image in IMAGES:
        stem = f"{image}-{VERSION}-linux-{release.image(image).architecture}"
        kinds |= {f"{stem}.tar", f"{stem}.cdx.json", f"{stem}.licences.txt"}
    assert {path.name for path in release.directory.iterdir()} == kinds


def test_releases_of_a_commit_are_equal(release: Release, other_release: Release) -> None:
    digests = [
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in one.directory.iterdir()}
        for one in (release, other_release)
    ]
    assert digests[0] == digests[1]


def test_checksums_are_complete(release: Release) -> None:
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=release.directory, check=True)
    named = {line.partition("  ")[2] for line in release.text("SHA256SUMS").splitlines()}
    assert named == {path.name for path in release.directory.iterdir()} - {"SHA256SUMS"}


def test_install_names_the_images_of_the_release(release: Release) -> None:
    bodies = list(yaml.safe_load_all(release.text("install.yaml")))
    [deployment] = [body for body in bodies if body["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    variables = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert container["image"] == f"{PREFIX}/operator:{VERSION}"
    assert variables["LOADER_IMAGE"] == f"{PREFIX}/loader:{VERSION}"
    assert "modelservice.dev/operator:" not in release.text("install.yaml")


def test_chart_names_the_images_of_the_release(release: Release) -> None:
    archive = release.directory / f"modelservice-operator-{VERSION}.tgz"
    rendered = run_helm("template", "modelservice-operator", str(archive), "--namespace", "modelservice-system")
    [deployment] = [body for body in yaml.safe_load_all(rendered) if body and body["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    variables = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert container["image"] == f"{PREFIX}/operator:{VERSION}"
    assert variables["LOADER_IMAGE"] == f"{PREFIX}/loader:{VERSION}"


def test_list_names_the_digests_of_the_images(release: Release) -> None:
    lines = [line.split() for line in release.text("images.txt").splitlines()]
    assert [line[0] for line in lines] == [f"{PREFIX}/{image}:{VERSION}" for image in IMAGES]
    for image, (_, digest, architecture, archive) in zip(IMAGES, lines, strict=True):
        assert digest == release.image(image).digest
        assert architecture == release.image(image).architecture
        assert (release.directory / archive).is_file()


def test_distributions_have_every_program(release: Release) -> None:
    [wheel] = release.directory.glob("*.whl")
    [sdist] = release.directory.glob("*.tar.gz")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {
        "modelservice_operator",
        "modelservice_cli",
        "modelservice",
        "model_loader",
    }
    with tarfile.open(sdist) as archive:
        assert not [name for name in archive.getnames() if "__pycache__" in name or "/tests/" in name]


@pytest.mark.parametrize("image", IMAGES)
def test_sbom_is_valid_and_has_every_package(release: Release, image: str) -> None:
    text = release.text(f"{image}-*.cdx.json")
    assert JsonStrictValidator(SCHEMA).validate_str(text) is None
    document = json.loads(text)
    packages = find_packages(release.image(image).files())
    assert {(one["name"], one["version"]) for one in document["components"]} == {
        (package.name, package.version) for package in packages
    }
    assert all(one["licenses"] and one["purl"] for one in document["components"])
    assert release.image(image).digest in document["metadata"]["component"]["purl"]
    names = {package.name for package in packages}
    assert {"libc6", "libssl3", "python3.11"} <= names
    assert ({"kopf", "aiohttp"} if image == "operator" else {"cryptography", "blake3"}) <= names


@pytest.mark.parametrize("image", IMAGES)
def test_every_package_has_an_allowed_licence(release: Release, image: str) -> None:
    packages = find_packages(release.image(image).files())
    LicencePolicy.load().check(packages)
    document = release.text(f"{image}-*.licences.txt")
    assert [one.name for one in packages if f"{one.name} {one.version}: " not in document] == []


def test_listed_licences_are_of_packages_that_declare_none(release: Release) -> None:
    names = {
        (package.ecosystem, package.name)
        for image in IMAGES
        for package in find_packages(release.image(image).files())
        if package.declared is None
    }
    known = LicencePolicy.load().known
    assert {(ecosystem, name) for ecosystem in Ecosystem for name in known[ecosystem]} == names


@pytest.mark.parametrize(
    ("licence", "is_allowed"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-2.0-or-later", False),
        ("no licence", False),
        (None, False),
    ],
)
def test_licence_of_a_python_package_is_judged(licence: str | None, is_allowed: bool) -> None:  # noqa: FBT001
    package = Package(Ecosystem.PYPI, "unknown", "1", declared=licence, texts=(("LICENSE", ""),))
    policy = LicencePolicy.load()
    assert policy.is_allowed(package) is is_allowed
    if not is_allowed:
        with pytest.raises(ReleaseError, match="unknown 1"):
            policy.check([package])


def test_changed_files_are_refused(tmp_path: Path) -> None:
    copy = copy_as_commit(tmp_path / "copy")
    (copy / "README.md").write_text("changed")
    answer = run_release(copy)
    assert answer.returncode == 1
    assert "README.md" in answer.stderr
    assert not (copy / "dist").exists()


def test_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    copy = copy_as_commit(tmp_path / "copy")
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "thesis.tex").write_text("")
    answer = run_release(copy, "--output", str(tmp_path / "output"))
    assert answer.returncode == 1
    assert "choose an empty directory" in answer.stderr
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("options", [("--image-prefix", "Registry.example/Team"), ("--tag", "1.0+local")])
def test_invalid_names_are_refused(tmp_path: Path, options: tuple[str, str]) -> None:
    answer = run_release(copy_as_commit(tmp_path / "copy"), *options)
    assert answer.returncode == 1
    assert options[1] in answer.stderr


def test_notes_are_the_section_of_the_version() -> None:
    changelog = "# Changelog\n\n## Unreleased\n\nnew\n\n## 0.2.0 - 2026-01-01\n\nsecond\n\n## 0.1.0\n\nfirst\n"
    assert section(changelog, "0.1.0") == "## 0.1.0\n\nfirst\n"
    assert section(changelog, "0.2.0") == "## 0.2.0 - 2026-01-01\n\nsecond\n"
    assert section(changelog, "0.3.0") == "## Unreleased\n\nnew\n"
    with pytest.raises(ReleaseError, match="neither"):
        section("# Changelog\n", "0.1.0")
