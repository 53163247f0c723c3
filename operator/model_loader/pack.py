"""Packs a directory into an OCI archive: an image with one layer, whose files are below /models.

An image volume (`oci://` URIs) mounts this directory. The archive is an image layout in a tar (OCI image specification
1.1, image-layout.md), which skopeo, oras, podman and containerd read. The layer is not compressed: weights hardly
become smaller, and a node would decompress them on one core before the first pod starts.

The same files yield the same digest: owner, times, modes and the order of the entries are fixed.
"""

import hashlib
import json
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from model_loader.errors import LoaderError, Reason
from model_loader.paths import Directory, PathSet, validate_path

MODEL_DIRECTORY = "models"
"""Directory in the image (modelcar convention; `resources.model_volume.IMAGE_MODEL_PATH`)."""
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
_IMAGE_NAME = "io.containerd.image.name"
_REFERENCE_NAME = "org.opencontainers.image.ref.name"
_CHUNK_BYTES = 1 << 20
_END = bytes(2 * tarfile.BLOCKSIZE)
_UNKNOWN_DIGEST = "0" * 64


@dataclass(frozen=True, slots=True)
class PackedImage:
    """An image in an archive."""

    digest: str
    """Digest of its manifest, as registries name it: `sha256:` and 64 hexadecimal digits."""
    bytes: int
    files: int


@dataclass(frozen=True, slots=True)
class _SourceFile:
    path: str
    size: int


def pack_directory(
    directory: Path,
    output: Path,
    *,
    name: str = "",
    architecture: str = "amd64",
    on_total: Callable[[int], None] = lambda _: None,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> PackedImage:
    """Write the archive `output`, which is replaced only when it is complete. Memory does not depend on the size.

    `name` is the image that tools import it as, such as REGISTRY/NAME:TAG. `on_total` is called with the bytes of all
    files, then `on_bytes` with those that were written. Raises LoaderError, and OSError if a disk fails.
    """
    partial = output.with_name(f".{output.name}.partial")
    with Directory.open(directory) as root:
        files = _list_files(root, directory, output)
        on_total(sum(file.size for file in files))
        try:
            with partial.open("wb") as archive:
                digest = _write_archive(archive, root, files, name=name, architecture=architecture, on_bytes=on_bytes)
                archive.flush()
                os.fsync(archive.fileno())
            partial.replace(output)
        finally:
            partial.unlink(missing_ok=True)
    return PackedImage(digest, sum(file.size for file in files), len(files))


def _list_files(root: Directory, directory: Path, output: Path) -> list[_SourceFile]:
    if output.resolve().is_relative_to(directory.resolve()):
        raise LoaderError(Reason.LOADER_FAILED, f"{output} is inside {directory}: write it to another directory.")
    paths, files = PathSet("The directory has"), []
    for path, status in root.walk():
        if stat.S_ISDIR(status.st_mode):
            continue
        if not stat.S_ISREG(status.st_mode):
            remedy = f"Pack a copy with the contents of links: cp -rL {directory} COPY."
            raise LoaderError(Reason.UNSUPPORTED_KEY, f"{path!r} is not a regular file. {remedy}")
        paths.add(validate_path(path))
        files.append(_SourceFile(path, status.st_size))
    if not files:
        raise LoaderError(Reason.MODEL_NOT_FOUND, f"{directory} contains no file.")
    return sorted(files, key=lambda file: file.path)


def _write_archive(
    archive: BinaryIO,
    root: Directory,
    files: list[_SourceFile],
    *,
    name: str,
    architecture: str,
    on_bytes: Callable[[int], None],
) -> str:
    """Write the image layout, layer first; return the digest of the manifest."""
    layer_size = sum(len(chunk) for chunk in _layer_headers(files)) + sum(_padded(file.size) for file in files)
    layer_size += len(_END)
    header_offset = archive.tell()
    archive.write(_header(f"blobs/sha256/{_UNKNOWN_DIGEST}", layer_size))
    digest = hashlib.sha256()
    for chunk in _layer_chunks(root, files, on_bytes):
        digest.update(chunk)
        archive.write(chunk)
    archive.write(_padding(layer_size))
    end = archive.tell()
    # Its name is its digest, which is known only now. The header has the same length with any digest.
    archive.seek(header_offset)
    archive.write(_header(f"blobs/sha256/{digest.hexdigest()}", layer_size))
    archive.seek(end)
    layer = _descriptor(LAYER_TYPE, digest.hexdigest(), layer_size)
    config = _write_blob(archive, CONFIG_TYPE, _image_config(layer["digest"], architecture))
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": [layer]}
    written = _write_blob(archive, MANIFEST_TYPE, manifest)
    tag = PurePosixPath(name).name.partition("@")[0].partition(":")[2] or "latest"
    annotations = {_REFERENCE_NAME: tag} | ({_IMAGE_NAME: name} if name else {})
    index = {"schemaVersion": 2, "manifests": [written | {"annotations": annotations}]}
    _write_member(archive, "index.json", _encode(index))
    _write_member(archive, "oci-layout", _encode({"imageLayoutVersion": "1.0.0"}))
    archive.write(_END)
    return str(written["digest"])


def _image_config(layer_digest: str, architecture: str) -> dict[str, Any]:
    rootfs = {"type": "layers", "diff_ids": [layer_digest]}
    return {"architecture": architecture, "os": "linux", "config": {}, "rootfs": rootfs}


def _layer_chunks(root: Directory, files: list[_SourceFile], on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    """Yield the layer: a header for each directory, and header and content of each file."""
    directories: set[str] = set()
    for file in files:
        yield from _file_headers(file, directories)
        yield from _read_file(root, file, on_bytes)
        yield _padding(file.size)
    yield _END


def _layer_headers(files: list[_SourceFile]) -> Iterator[bytes]:
    directories: set[str] = set()
    for file in files:
        yield from _file_headers(file, directories)


def _file_headers(file: _SourceFile, directories: set[str]) -> Iterator[bytes]:
    """Yield the headers of a file and of its directories that have none yet, which are added to `directories`."""
    path = PurePosixPath(MODEL_DIRECTORY, file.path)
    for parent in reversed(path.parents[:-1]):
        if str(parent) not in directories:
            directories.add(str(parent))
            yield _header(f"{parent}/", 0, is_directory=True)
    yield _header(str(path), file.size)


def _read_file(root: Directory, file: _SourceFile, on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    """Yield the content of a file. Raises LoaderError if its size is another one than when it was listed."""
    left = file.size
    descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root.descriptor)
    with os.fdopen(descriptor, "rb", buffering=0) as content:
        while chunk := content.read(_CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                break
            on_bytes(len(chunk))
            yield chunk
    if left != 0:
        raise LoaderError(Reason.LOADER_FAILED, f"{file.path!r} changed while it was packed. Pack it again.")


def _header(name: str, size: int, *, is_directory: bool = False) -> bytes:
    """Return the header of a tar entry, with all that could differ between two machines fixed (POSIX.1-2001, pax)."""
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.type = tarfile.DIRTYPE if is_directory else tarfile.REGTYPE
    entry.mode = 0o755 if is_directory else 0o644
    return entry.tobuf(format=tarfile.PAX_FORMAT, encoding="utf-8", errors="strict")


def _padded(size: int) -> int:
    return size + len(_padding(size))


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def _write_blob(archive: BinaryIO, media_type: str, value: dict[str, Any]) -> dict[str, Any]:
    content = _encode(value)
    digest = hashlib.sha256(content).hexdigest()
    _write_member(archive, f"blobs/sha256/{digest}", content)
    return _descriptor(media_type, digest, len(content))


def _write_member(archive: BinaryIO, name: str, content: bytes) -> None:
    archive.write(_header(name, len(content)) + content + _padding(len(content)))


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}


def _encode(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
