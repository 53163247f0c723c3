"""Digests and markers."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from model_loader.manifest import Entry, File, Listing, Manifest

COMMAND = "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
FILES = {"b.txt": b"two", "a/c.txt": b"one", "B.txt": b"three", "é.txt": b"four", "a b.txt": b"five"}


def a_manifest(files: dict[str, bytes]) -> Manifest:
    found = (File(path=path, size=len(text), sha256=hashlib.sha256(text).hexdigest()) for path, text in files.items())
    return Manifest(uri="s3://a/b", resolved_uri="s3://a/b", resolution="r", files=tuple(found))


def test_the_digest_is_what_anybody_can_compute(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    printed = subprocess.run(["bash", "-c", COMMAND], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert printed.split()[0] == a_manifest(FILES).digest
    assert COMMAND.replace("\\0", "\\0") in " ".join((Manifest.digest.__doc__ or "").split())


def test_one_file_has_its_own_digest() -> None:
    assert a_manifest({"a": b"one"}).digest == hashlib.sha256(b"one").hexdigest()


def test_a_marker_is_read_as_it_was_written() -> None:
    manifest = a_manifest(FILES)
    again = Manifest.from_json(manifest.to_json())
    assert again is not None
    assert (again.digest, again.size, again.uri) == (manifest.digest, manifest.size, manifest.uri)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '{"uri": 1, "files": 7}', '{"files": [{}]}', "[" * 100_000])
def test_what_is_no_marker_is_none(text: str) -> None:
    assert Manifest.from_json(text) is None


def listing(**changes: object) -> Listing:
    given: dict[str, object] = {"path": "a", "key": "k/a", "size": 3, "version": '"1"'} | changes
    return Listing(entries=(Entry(**given),), resolved_uri="s3://k")  # type: ignore[arg-type]


def test_a_resolution_changes_with_the_content_alone() -> None:
    assert listing().resolution == listing(key="elsewhere/a").resolution
    assert len({listing(**change).resolution for change in ({}, {"path": "b"}, {"size": 4}, {"version": '"2"'})}) == 4
