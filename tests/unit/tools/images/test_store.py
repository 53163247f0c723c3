import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from tests.environment.images.catalog import ImageName
from tests.environment.images.store import KEPT, Store, manifest_digest


def test_store_is_in_the_users_cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Store.of_this_user().folder == tmp_path / "modelservice" / "images"


def test_newest_archives_of_an_image_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    archives = [store.archive(ImageName.OPERATOR, f"{number}" * 64) for number in range(KEPT + 2)]
    other = store.archive(ImageName.DIABETES, "0" * 64)
    for age, archive in enumerate([*archives, other]):
        archive.touch()
        os.utime(archive, (1000 - age, 1000 - age))
    store.prune(ImageName.OPERATOR)
    assert set(tmp_path.iterdir()) == {*archives[:KEPT], other}


def test_digest_is_that_of_the_manifest(tmp_path: Path) -> None:
    index = json.dumps({"manifests": [{"digest": "sha256:abc"}]}).encode()
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        entry = tarfile.TarInfo("index.json")
        entry.size = len(index)
        archive.addfile(entry, io.BytesIO(index))
    assert manifest_digest(tmp_path / "image.tar") == "sha256:abc"
