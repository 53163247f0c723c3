"""Images that share the file system of another one and differ in their configuration: no builder runs for them."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from tests.environment.cluster.oci import CONFIG, IMAGE_NAME, MANIFEST, Blob

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Variant:
    """Settings of an image: USER, WORKDIR and ENTRYPOINT of its Dockerfile."""

    reference: str
    entrypoint: tuple[str, ...]
    user: str = ""
    working_dir: str = "/"

    def configure(self, config: dict[str, Any]) -> dict[str, Any]:
        """Return the image's configuration with these settings (OCI image configuration, `config`)."""
        settings = {"User": self.user, "WorkingDir": self.working_dir, "Entrypoint": list(self.entrypoint), "Cmd": None}
        return config | {"config": config["config"] | settings}


def write_variants(archive: Path, destination: Path, variants: Iterable[Variant]) -> None:
    """Write an OCI archive with one image for each variant of the only image in `archive`."""
    with tarfile.open(archive) as source, tarfile.open(destination, "w") as target:
        manifest = _read(source, _read(source, "index.json")["manifests"][0]["digest"])
        config = _read(source, manifest["config"]["digest"])
        for layer in manifest["layers"]:
            entry = source.getmember(_path(layer["digest"]))
            target.addfile(entry, source.extractfile(entry))
        entries = [_add_variant(target, variant, manifest, config) for variant in variants]
        _add(target, "index.json", json.dumps({"schemaVersion": 2, "manifests": entries}).encode())
        _add(target, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')


def _add_variant(
    target: tarfile.TarFile, variant: Variant, manifest: dict[str, Any], config: dict[str, Any]
) -> dict[str, Any]:
    """Add the configuration and the manifest of a variant; return its entry of the index."""
    own_config = Blob(CONFIG, json.dumps(variant.configure(config)).encode())
    content = json.dumps(manifest | {"config": own_config.descriptor()}).encode()
    own_manifest = Blob(MANIFEST, content)
    for blob in (own_config, own_manifest):
        _add(target, blob.path, blob.content)
    return own_manifest.descriptor(annotations={IMAGE_NAME: variant.reference})


def _read(source: tarfile.TarFile, name: str) -> dict[str, Any]:
    member = source.extractfile(_path(name) if ":" in name else name)
    assert member is not None
    found: dict[str, Any] = json.load(member)
    return found


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _add(target: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    target.addfile(entry, BytesIO(content))
