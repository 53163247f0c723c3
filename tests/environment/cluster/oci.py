"""Writes OCI archives (OCI image layout specification 1.1) of a few static files, without any container tool."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
IMAGE_NAME = "io.containerd.image.name"
REFERENCE_NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True)
class Blob:
    """Content and how other parts of the archive refer to it."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    @property
    def path(self) -> str:
        return f"blobs/{self.digest.replace(':', '/')}"

    def descriptor(self, **more: Any) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content), **more}


def write_archive(
    path: Path,
    name: str,
    files: Mapping[str, bytes],
    *,
    entrypoint: Sequence[str],
    architecture: str,
    user: str = "65534:65534",
) -> None:
    """Write an image of one layer that holds `files` as executables; the same input gives the same bytes."""
    layer = Blob(LAYER, _tar(files, mode=0o755))
    platform = {"architecture": architecture, "os": "linux"}
    config = _json_blob(
        CONFIG,
        {
            **platform,
            "config": {"Entrypoint": list(entrypoint), "User": user},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
        },
    )
    manifest = _json_blob(
        MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": [layer.descriptor()],
        },
    )
    annotations = {IMAGE_NAME: name, REFERENCE_NAME: name.rpartition(":")[2]}
    index = {"schemaVersion": 2, "manifests": [manifest.descriptor(platform=platform, annotations=annotations)]}
    members = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()}
    members |= {blob.path: blob.content for blob in (layer, config, manifest)}
    path.write_bytes(_tar(members, mode=0o644))


def image_names(archive: Path) -> tuple[str, ...]:
    """Return the names under which containerd knows the images of an archive after an import."""
    with tarfile.open(archive) as tar:
        member = tar.extractfile("index.json")
        index = json.load(member) if member else {}
    found = (entry.get("annotations", {}) for entry in index.get("manifests", ()))
    names = (notes.get(IMAGE_NAME) or notes.get(REFERENCE_NAME, "") for notes in found)
    return tuple(name for name in names if "/" in name)


def _json_blob(media_type: str, value: dict[str, Any]) -> Blob:
    return Blob(media_type, json.dumps(value).encode())


def _tar(files: Mapping[str, bytes], *, mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            entry.mode = mode
            tar.addfile(entry, io.BytesIO(files[name]))
    return buffer.getvalue()
