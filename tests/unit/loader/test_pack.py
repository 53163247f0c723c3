"""Directories as OCI archives: what is in the image, that it is the same each time, and what is refused."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_loader import pack
from model_loader.cli import main
from model_loader.errors import LoaderError, Reason
from model_loader.pack import PackedImage, pack_directory
from tests.environment.stores.serving import write

LONG = "n" * 200
FILES = {
    "model.bin": os.urandom(3_000_000),
    "sub/config.json": b"{}",
    "sub/empty": b"",
    f"sub/{LONG}/{LONG}/\u00fcber.txt": b"long",
    ".hidden": b"h",
}


def read_blobs(archive: Path) -> dict[str, bytes]:
    """Return the members of an archive, after a check of their digests."""
    with tarfile.open(archive) as tar:
        members = {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]
    for name, content in members.items():
        if name.startswith("blobs/"):
            assert hashlib.sha256(content).hexdigest() == name.rpartition("/")[2]
    return members


def read_image(archive: Path) -> tuple[dict[str, Any], tarfile.TarFile]:
    """Return the manifest and the layer of an image."""
    members = read_blobs(archive)
    [entry] = json.loads(members["index.json"])["manifests"]
    manifest = json.loads(members[blob_path(entry["digest"])])
    [layer] = manifest["layers"]
    content = members[blob_path(layer["digest"])]
    assert layer["size"] == len(content)
    config = json.loads(members[blob_path(manifest["config"]["digest"])])
    assert config["rootfs"] == {"type": "layers", "diff_ids": [layer["digest"]]}
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    return entry, tarfile.open(fileobj=io.BytesIO(content))


def blob_path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write(tmp_path / "model", FILES)
    return tmp_path / "model"


def test_image_has_the_files_below_models(model: Path, tmp_path: Path) -> None:
    image = pack_directory(model, tmp_path / "iris.tar", name="registry.example.com/team/iris:v1")
    entry, layer = read_image(tmp_path / "iris.tar")
    with layer:
        found = {one.name: layer.extractfile(one).read() for one in layer if one.isreg()}  # type: ignore[union-attr]
        directories = [one.name for one in layer if one.isdir()]
        assert {(one.uid, one.gid, one.mtime) for one in layer} == {(0, 0, 0)}
        assert {(one.isdir(), one.mode) for one in layer} == {(True, 0o755), (False, 0o644)}
    assert found == {f"models/{name}": content for name, content in FILES.items()}
    assert directories == ["models", "models/sub", f"models/sub/{LONG}", f"models/sub/{LONG}/{LONG}"]
    assert image == PackedImage(entry["digest"], sum(map(len, FILES.values())), len(FILES))
    assert entry["annotations"] == {
        "org.opencontainers.image.ref.name": "v1",
        "io.containerd.image.name": "registry.example.com/team/iris:v1",
    }


def test_same_files_yield_the_same_archive(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write(other, dict(reversed(FILES.items())))
    for number, path in enumerate(other.rglob("*")):
        path.chmod(0o700)
        os.utime(path, (number, number))
    (other / "an empty directory").mkdir()
    images = [pack_directory(directory, tmp_path / f"{directory.name}.tar") for directory in (model, other)]
    assert images[0] == images[1]
    assert (tmp_path / "model.tar").read_bytes() == (tmp_path / "other.tar").read_bytes()


def test_digest_is_that_of_earlier_versions(tmp_path: Path) -> None:
    """A new version of the loader or of Python must not give a packed model another digest."""
    write(tmp_path / "model", {"a": b"1", "b/c": b"2", f"b/{LONG}": b"3"})
    assert pack_directory(tmp_path / "model", tmp_path / "x.tar").digest == GOLDEN


GOLDEN = "sha256:87be071a01729dd62a47dcfd5ed38cc999ee24f88798de36e912d14798b91531"


@given(contents=st.dictionaries(st.text("abc/", min_size=1, max_size=6), st.binary(max_size=2000), max_size=8))
def test_sizes_are_known_before_the_contents_are_read(
    contents: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("packed")
    for name, content in contents.items():
        path = directory / "model" / name.strip("/").replace("//", "/")
        if not path.exists() and not any(parent.is_file() for parent in path.parents):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    stored = sum(path.is_file() for path in (directory / "model").rglob("*"))
    if stored:
        pack_directory(directory / "model", directory / "x.tar")
        _, layer = read_image(directory / "x.tar")
        with layer:
            assert sum(entry.isreg() for entry in layer) == stored


@pytest.mark.parametrize("size", [0, 1, 8 << 30, 10 << 40])
def test_header_of_any_size_is_read(size: int) -> None:
    header = pack._header("blobs/sha256/x", size)  # noqa: SLF001
    with tarfile.open(fileobj=io.BytesIO(header), mode="r|") as tar:
        entry = tar.next()
    assert entry is not None
    assert entry.size == size


def test_links_and_special_files_are_refused(model: Path, tmp_path: Path) -> None:
    (model / "link").symlink_to("/etc/passwd")
    with pytest.raises(
        LoaderError, match=r"'link' is not a regular file. Pack a copy with the contents of links: cp -rL"
    ):
        pack_directory(model, tmp_path / "iris.tar")
    (model / "link").unlink()
    os.mkfifo(model / "pipe")
    with pytest.raises(LoaderError, match="'pipe' is not a regular file"):
        pack_directory(model, tmp_path / "iris.tar")


def test_names_that_collide_on_some_volumes_are_refused(model: Path, tmp_path: Path) -> None:
    write(model, {"MODEL.bin": b""})
    with pytest.raises(LoaderError) as error:
        pack_directory(model, tmp_path / "iris.tar")
    assert error.value.reason is Reason.UNSUPPORTED_KEY


def test_directory_without_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model" / "sub").mkdir(parents=True)
    with pytest.raises(LoaderError, match="contains no file"):
        pack_directory(tmp_path / "model", tmp_path / "iris.tar")


def test_archive_inside_the_directory_is_refused(model: Path) -> None:
    with pytest.raises(LoaderError, match="write it to another directory"):
        pack_directory(model, model / "iris.tar")


@pytest.mark.parametrize("size", [5, 5_000_000])
def test_changed_file_leaves_the_earlier_archive(model: Path, tmp_path: Path, size: int) -> None:
    (tmp_path / "iris.tar").write_bytes(b"earlier")

    def change(_total: int) -> None:
        (model / "model.bin").write_bytes(bytes(size))

    with pytest.raises(LoaderError, match=r"'model.bin' changed while it was packed"):
        pack_directory(model, tmp_path / "iris.tar", on_total=change)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["iris.tar", "model"]
    assert (tmp_path / "iris.tar").read_bytes() == b"earlier"


def test_command_prints_digest_and_progress(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pack", str(model), str(tmp_path / "iris.tar")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {
        "digest": read_image(tmp_path / "iris.tar")[0]["digest"],
        "bytes": sum(map(len, FILES.values())),
        "files": len(FILES),
    }


def test_command_explains_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pack", str(tmp_path / "none"), str(tmp_path / "iris.tar")]) == 1
    assert "No such file or directory" in capsys.readouterr().err
