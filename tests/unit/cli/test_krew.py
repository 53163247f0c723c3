"""The plugin for krew: its manifest follows krew's rules, and its archives have what it names."""

import hashlib
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from release.distributions import build_distributions
from release.errors import ReleaseError
from release.krew import MANIFEST, main, write_plugin

URL = "https://example.com/releases/0.1.0"
PLATFORMS = {"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64"}


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a release with wheel, archives and manifest."""
    directory = tmp_path_factory.mktemp("dist")
    build_distributions(directory, epoch=1_700_000_000)
    assert main(["--directory", str(directory), "--download-url", URL]) == 0
    return directory


@pytest.fixture(scope="module")
def manifest(plugin: Path) -> Any:
    return yaml.safe_load((plugin / MANIFEST).read_text())


def test_manifest_follows_the_rules_of_krew(plugin: Path, manifest: Any) -> None:
    """Krew v0.4, internal/index/validation/validate.go."""
    assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}
    assert (manifest["apiVersion"], manifest["kind"]) == ("krew.googlecontainertools.github.com/v1alpha2", "Plugin")
    assert manifest["metadata"] == {"name": MANIFEST.removesuffix(".yaml")}
    assert re.fullmatch(r"[a-z0-9-]+", manifest["metadata"]["name"])
    spec = manifest["spec"]
    known = {"version", "homepage", "shortDescription", "description", "caveats", "platforms"}
    assert set(spec) == known
    assert re.fullmatch(r"v\d+\.\d+\.\d+.*", spec["version"])
    assert "\n" not in spec["shortDescription"]
    assert len(spec["shortDescription"]) <= 50
    assert not spec["shortDescription"].endswith(".")
    assert all(len(line) <= 80 for part in ("description", "caveats") for line in spec[part].splitlines())
    selected = {"{os}/{arch}".format(**platform["selector"]["matchLabels"]) for platform in spec["platforms"]}
    assert selected == PLATFORMS
    assert len(spec["platforms"]) == len(PLATFORMS)
    for platform in spec["platforms"]:
        assert set(platform) == {"selector", "uri", "sha256", "files", "bin"}
        archive = plugin / platform["uri"].removeprefix(f"{URL}/")
        assert hashlib.sha256(archive.read_bytes()).hexdigest() == platform["sha256"]
        assert platform["files"] == [{"from": "*", "to": "."}]
        assert not Path(platform["bin"]).is_absolute()
        assert ".." not in platform["bin"]
        assert {platform["bin"], "LICENSE"} <= names_of(archive)


def names_of(archive: Path) -> set[str]:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as zipped:
            return set(zipped.namelist())
    with tarfile.open(archive) as packed:
        return set(packed.getnames())


def test_archives_have_equal_bytes_each_time(plugin: Path, tmp_path: Path) -> None:
    wheel = next(plugin.glob("*.whl"))
    (tmp_path / wheel.name).write_bytes(wheel.read_bytes())
    for path in write_plugin(tmp_path, URL):
        assert path.read_bytes() == (plugin / path.name).read_bytes()


@pytest.mark.parametrize(
    ("url", "sentence"), [("http://example.com", "must begin with https://"), (URL, "run make release first")]
)
def test_plugin_is_refused_without_wheel_or_https(tmp_path: Path, url: str, sentence: str) -> None:
    with pytest.raises(ReleaseError, match=sentence):
        write_plugin(tmp_path, url)
