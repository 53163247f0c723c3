import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.environment.cluster.oci import image_names, write_archive
from tests.environment.images.variants import Variant, write_variants

NAMES = ("modelservice.test/one:1", "modelservice.test/other:1")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive with two variants of one image."""
    write_archive(tmp_path / "base.tar", "base:1", {"hello": b"x"}, entrypoint=("/hello",), architecture="amd64")
    variants = (Variant(NAMES[0], ("/one",), user="app"), Variant(NAMES[1], ("/other",), working_dir="/srv"))
    write_variants(tmp_path / "base.tar", tmp_path / "variants.tar", variants)
    return tmp_path / "variants.tar"


def read_json(archive: Path, name: str) -> Any:
    with tarfile.open(archive) as tar:
        member = tar.extractfile(name)
        assert member is not None
        return json.load(member)


def read_blob(archive: Path, descriptor: dict[str, Any]) -> Any:
    return read_json(archive, f"blobs/{descriptor['digest'].replace(':', '/')}")


def test_archive_has_an_image_for_each_variant(archive: Path) -> None:
    assert image_names(archive) == NAMES


def test_variants_share_layers_and_differ_in_configuration(archive: Path) -> None:
    entries = read_json(archive, "index.json")["manifests"]
    manifests = [read_blob(archive, entry) for entry in entries]
    assert manifests[0]["layers"] == manifests[1]["layers"]
    configs = [read_blob(archive, manifest["config"]) for manifest in manifests]
    assert configs[0]["rootfs"] == configs[1]["rootfs"]
    settings = [(it["config"]["Entrypoint"], it["config"]["User"], it["config"]["WorkingDir"]) for it in configs]
    assert settings == [(["/one"], "app", "/"), (["/other"], "", "/srv")]


def test_archive_contains_each_layer_once(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        assert len(tar.getnames()) == len(set(tar.getnames()))
