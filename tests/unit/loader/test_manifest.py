"""Digests and markers of published models."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3

from model_loader.manifest import Entry, File, Listing, Manifest

COMMAND = "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 b3sum | b3sum"
FILES = {"b.txt": b"two", "a/c.txt": b"one", "B.txt": b"three", "é.txt": b"four", "a b.txt": b"five"}
B3SUM = """#!{python}
import pathlib, sys
from blake3 import blake3
for name in sys.argv[1:] or ["-"]:
    content = sys.stdin.buffer.read() if name == "-" else pathlib.Path(name).read_bytes()
    sys.stdout.buffer.write(f"{{blake3(content).hexdigest()}}  {{name}}\\n".encode())
"""
"""Prints what b3sum 1.2 prints: it is not a package of every distribution."""


def build_manifest(files: dict[str, bytes]) -> Manifest:
    found = (
        File(
            path=path,
            size=len(text),
            blake3=blake3(text).hexdigest(),
            sha256=hashlib.sha256(text).hexdigest(),
            verified=("md5",),
        )
        for path, text in files.items()
    )
    return Manifest(uri="s3://a/b", resolved_uri="s3://a/b", resolution="r", files=tuple(found))


@pytest.mark.parametrize("program", ["b3sum", "sha256sum"])
def test_digest_matches_the_documented_command(tmp_path: Path, program: str) -> None:
    tree = tmp_path / "tree"
    for name, content in FILES.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    (tmp_path / "b3sum").write_text(B3SUM.format(python=sys.executable))
    (tmp_path / "b3sum").chmod(0o755)
    command = ["bash", "-c", COMMAND.replace("b3sum", program)]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    printed = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=True).stdout
    manifest = build_manifest(FILES)
    assert printed.split()[0] == {"b3sum": manifest.digest, "sha256sum": manifest.sha256}[program]
    assert COMMAND in " ".join((Manifest.digest.__doc__ or "").split())


def test_digest_of_a_single_file_is_its_own() -> None:
    manifest = build_manifest({"a": b"one"})
    assert (manifest.digest, manifest.sha256) == (blake3(b"one").hexdigest(), hashlib.sha256(b"one").hexdigest())


def test_sha256_of_a_tree_needs_that_of_each_file() -> None:
    files = (*build_manifest(FILES).files, File(path="z", size=1, blake3="0" * 64))
    manifest = Manifest(uri="s3://a/b", resolved_uri="s3://a/b", resolution="r", files=files)
    assert manifest.sha256 is None
    assert manifest.verified == ("md5 (5 of 6 files)",)


def test_marker_of_an_earlier_version_is_none() -> None:
    """It has the SHA-256 of each file only: the model is loaded again."""
    body = json.loads(build_manifest(FILES).to_json())
    for file in body["files"]:
        del file["blake3"], file["verified"]
    assert Manifest.from_json(json.dumps(body)) is None


def test_marker_round_trip() -> None:
    manifest = build_manifest(FILES)
    again = Manifest.from_json(manifest.to_json())
    assert again is not None
    assert again == replace(manifest, files=tuple(manifest.sort_files()))


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
