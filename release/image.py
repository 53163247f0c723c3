"""One image as an OCI archive: its configuration, its files, and an archive with stable bytes."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from release.archives import build_tar, read_tar
from release.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"

Json = dict[str, Any]


@dataclass(frozen=True)
class File:
    """An entry of an image's file system."""

    entry: tarfile.TarInfo
    content: bytes = b""


@dataclass(frozen=True)
class OciImage:
    """An image: manifest and configuration as objects, layers as in the registry."""

    manifest: Json
    config: Json
    layers: Mapping[str, bytes]
    """Compressed layers by digest."""

    @classmethod
    def read(cls, archive: Path) -> OciImage:
        """Read the only image of an archive (OCI image layout). Raises ReleaseError."""
        members = read_tar(archive.read_bytes())
        entries = json.loads(members["index.json"])["manifests"]
        if len(entries) != 1:
            raise ReleaseError(f"{archive} has {len(entries)} images instead of one.")
        manifest = json.loads(members[_path(entries[0]["digest"])])
        layers = {layer["digest"]: members[_path(layer["digest"])] for layer in manifest["layers"]}
        return cls(manifest, json.loads(members[_path(manifest["config"]["digest"])]), layers)

    @property
    def architecture(self) -> str:
        """Return the architecture by its name in Go and OCI."""
        architecture: str = self.config["architecture"]
        return architecture

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels of the configuration."""
        labels: dict[str, str] = self.config["config"].get("Labels") or {}
        return labels

    @property
    def digest(self) -> str:
        """Digest of the manifest: the name of the image in a registry."""
        return _digest(_json(self._manifest()))

    @property
    def size(self) -> int:
        """Bytes that a node downloads: the compressed layers with those of the base."""
        return sum(len(layer) for layer in self.layers.values())

    def stamped(self, epoch: int, labels: Mapping[str, str]) -> OciImage:
        """Return the image with another time of creation and more labels; the layers stay as they are."""
        time = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        history = [entry | {"created": time} for entry in self.config.get("history", ())]
        settings = self.config["config"] | {"Labels": {**self.labels, **labels}}
        return replace(self, config=self.config | {"created": time, "history": history, "config": settings})

    def archive(self, reference: str, *, epoch: int) -> bytes:
        """Return an archive that is both an OCI layout and, for older tools, an archive of `docker save`."""
        manifest, config = _json(self._manifest()), _json(self.config)
        descriptor = {
            "mediaType": MANIFEST,
            "digest": _digest(manifest),
            "size": len(manifest),
            "platform": {"architecture": self.architecture, "os": "linux"},
            "annotations": {
                "io.containerd.image.name": reference,
                "org.opencontainers.image.ref.name": reference.rpartition(":")[2],
            },
        }
        docker = {
            "Config": _path(_digest(config)),
            "RepoTags": [reference],
            "Layers": [_path(layer["digest"]) for layer in self.manifest["layers"]],
        }
        members = {
            "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
            "index.json": _json({"schemaVersion": 2, "manifests": [descriptor]}),
            "manifest.json": _json([docker]),
            _path(_digest(manifest)): manifest,
            _path(_digest(config)): config,
        }
        members |= {_path(digest): layer for digest, layer in self.layers.items()}
        return build_tar(members, epoch=epoch)

    def files(self) -> dict[str, File]:
        """Return the files that a container sees, by path without a leading slash."""
        found: dict[str, File] = {}
        for layer in self.manifest["layers"]:
            _apply(found, self.layers[layer["digest"]])
        return found

    def _manifest(self) -> Json:
        config = _json(self.config)
        descriptor = self.manifest["config"] | {"digest": _digest(config), "size": len(config)}
        return self.manifest | {"mediaType": MANIFEST, "config": descriptor}


def _apply(found: dict[str, File], layer: bytes) -> None:
    """Apply a layer to the files below it (OCI image layer specification)."""
    for entry, content in _entries(layer):
        path = PurePosixPath(entry.name)
        if path.name == _OPAQUE:
            _remove_below(found, str(path.parent))
        elif path.name.startswith(_WHITEOUT):
            removed = str(path.with_name(path.name.removeprefix(_WHITEOUT)))
            found.pop(removed, None)
            _remove_below(found, removed)
        else:
            found[str(path)] = File(entry, content)


def _remove_below(found: dict[str, File], directory: str) -> None:
    for name in [name for name in found if name.startswith(f"{directory}/")]:
        del found[name]


def _entries(layer: bytes) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        for entry in archive:
            # A hard link has the content of its target, which is in the same layer.
            member = archive.extractfile(entry) if entry.isreg() or entry.islnk() else None
            yield entry, member.read() if member else b""


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
