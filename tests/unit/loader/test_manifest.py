"""Digests and markers of published models."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from model_loader.manifest import Entry, File, Listing, Manifest

COMMAND = "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
FILES = {"b.txt": b"two", "a/c.txt": b"one", "B.txt": b"three", "é.txt": b"four", "a b.txt": b"five"}


def build_manifest(files: dict[str, bytes]) -> Manifest:
    found = (File(path=path, size=len(text), sha256=hashlib.sha256(text).hexdigest()) for path, text in files.items())
    return Manifest(uri="s3://a/b", resolved_uri="s3://a/b", resolution="r", files=tuple(found))


def test_digest_matches_the_documented_command(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    printed = subprocess.run(["bash", "-c", COMMAND], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert printed.split()[0] == build_manifest(FILES).digest
    assert COMMAND.replace("\\0", "\\0") in " ".join((Manifest.digest.__doc__ or "").split())


def test_single_file_digest_is_its_sha256() -> None:
    assert build_manifest({"a": b"one"}).digest == hashlib.sha256(b"one").hexdigest()


def test_marker_round_trip() -> None:
    manifest = build_manifest(FILES)
    again = Manifest.from_json(manifest.to_json())
    assert again is not None
    assert (again.digest, again.size, again.uri) == (manifest.digest, manifest.size, manifest.uri)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '{"uri": 1, "files": 7}', '{"files": [{}]}', "[" * 100_000])
def test_invalid_marker_is_none(text: str) -> None:
    assert Manifest.from_json(text) is None


def build_listing(**changes: object) -> Listing:
    given: dict[str, object] = {"path": "a", "key": "k/a", "size": 3, "version": '"1"'} | changes
    return Listing(entries=(Entry(**given),), resolved_uri="s3://k")  # type: ignore[arg-type]


def test_resolution_changes_only_with_the_content() -> None:
    assert build_listing().resolution == build_listing(key="elsewhere/a").resolution
    assert (
        len({build_listing(**change).resolution for change in ({}, {"path": "b"}, {"size": 4}, {"version": '"2"'})})
        == 4
    )
