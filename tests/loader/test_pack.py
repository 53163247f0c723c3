"""A packed directory in a real registry: pushed blob by blob, and pulled as a node pulls it."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import httpx

from tests.environment.cluster.registry import PASSWORD, USER
from tests.environment.stores import oci
from tests.environment.stores.serving import write
from tests.loader.conftest import OPERATOR

FILES = {"model.bin": os.urandom(5 << 20), "sub/config.json": b"{}"}
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def pack(directory: Path, archive: Path) -> str:
    """Pack a directory with the command; return the digest that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "model_loader", "pack", str(directory), str(archive)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(OPERATOR)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    return str(json.loads(done.stdout)["digest"])


def client(registry: oci.Registry) -> httpx.Client:
    return httpx.Client(
        base_url=f"https://{registry.host}",
        auth=(USER, PASSWORD),
        verify=False,  # noqa: S501 - only the loader has to check certificates
        trust_env=False,
        timeout=30,
    )


def push(http: httpx.Client, archive: Path, name: str, tag: str) -> str:
    """Push the image of an archive as it is, like `oras cp --from-oci-layout`; return the digest in the registry."""
    with tarfile.open(archive) as tar:
        members = {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]
    [entry] = json.loads(members["index.json"])["manifests"]
    manifest = members[f"blobs/{entry['digest'].replace(':', '/')}"]
    body = json.loads(manifest)
    for blob in (body["config"], *body["layers"]):
        begun = http.post(f"/v2/{name}/blobs/uploads/").raise_for_status()
        target = httpx.URL(begun.headers["location"]).copy_merge_params({"digest": blob["digest"]})
        http.put(target, content=members[f"blobs/{blob['digest'].replace(':', '/')}"]).raise_for_status()
    pushed = http.put(f"/v2/{name}/manifests/{tag}", content=manifest, headers={"Content-Type": entry["mediaType"]})
    return str(pushed.raise_for_status().headers["docker-content-digest"])


def pull(http: httpx.Client, name: str, tag: str) -> dict[str, bytes]:
    """Return the files in the layers of an image."""
    files: dict[str, bytes] = {}
    manifest = http.get(f"/v2/{name}/manifests/{tag}", headers={"Accept": MANIFEST}).raise_for_status().json()
    for layer in manifest["layers"]:
        content = http.get(f"/v2/{name}/blobs/{layer['digest']}").raise_for_status().content
        assert layer["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            files |= {one.name: tar.extractfile(one).read() for one in tar if one.isreg()}  # type: ignore[union-attr]
    return files


def test_packed_model_is_pushed_and_pulled(registry: oci.Registry, tmp_path: Path) -> None:
    write(tmp_path / "model", FILES)
    digest = pack(tmp_path / "model", tmp_path / "iris.tar")
    with client(registry) as http:
        assert push(http, tmp_path / "iris.tar", "team/packed", "v1") == digest
        assert pull(http, "team/packed", "v1") == {f"models/{name}": content for name, content in FILES.items()}
    assert pack(tmp_path / "model", tmp_path / "again.tar") == digest
