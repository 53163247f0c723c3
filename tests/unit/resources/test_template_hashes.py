"""An operator builds the pod templates of every earlier release: tests/golden/template_hashes.yaml has their hashes."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from tests.support.builders import GOLDEN
from tests.support.template_hashes import UNRELEASED, TemplateHashes

HASHES = TemplateHashes(GOLDEN)


def test_hashes_of_the_next_release() -> None:
    if os.environ.get("GOLDEN") == "write":
        HASHES.rewrite_unreleased()
    assert HASHES.built(UNRELEASED) == HASHES.recorded()[UNRELEASED], "run make golden, and read the diff"


def test_templates_of_releases_never_change() -> None:
    """If this fails, an upgrade from that release would restart all pods: do not change its hashes."""
    releases = [path.name for path in (GOLDEN / "releases").glob("*")]
    recorded = {release: hashes for release, hashes in HASHES.recorded().items() if release != UNRELEASED}
    assert {release: HASHES.built(release) for release in releases} == recorded


@pytest.fixture
def copy(tmp_path: Path) -> TemplateHashes:
    """A repository with a release."""
    release = tmp_path / "releases" / "v0.1.0"
    release.mkdir(parents=True)
    for folder in (tmp_path, release):
        shutil.copy(GOLDEN / "smallest.yaml", folder)
    copy = TemplateHashes(tmp_path)
    copy.file.write_text(yaml.safe_dump({"v0.1.0": copy.built("v0.1.0")}))
    return copy


def test_rewrite_changes_only_the_unreleased_section(copy: TemplateHashes) -> None:
    released = copy.recorded()["v0.1.0"]
    shutil.copy(GOLDEN / "fetched.yaml", copy.golden)
    copy.rewrite_unreleased()
    assert copy.recorded() == {UNRELEASED: copy.built(UNRELEASED), "v0.1.0": released}
    assert copy.recorded()[UNRELEASED].keys() == {"fetched", "smallest"}


def test_changed_template_of_a_release_is_found(copy: TemplateHashes) -> None:
    path = copy.golden / "releases" / "v0.1.0" / "smallest.yaml"
    body = next(yaml.safe_load_all(path.read_text()))
    path.write_text(yaml.safe_dump(body | {"spec": body["spec"] | {"containerPort": 9000}}))
    assert copy.built("v0.1.0") != copy.recorded()["v0.1.0"]
