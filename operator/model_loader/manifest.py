"""Files of a model, as a store lists them and as they are published on the disk."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from blake3 import blake3

Json = Any
"""Value that was decoded from JSON. Its type is checked where it is used."""
Chunk = Any
"""Buffer with bytes of a file: bytes or memoryview (collections.abc.Buffer from Python 3.12)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of a model, as a store lists it."""

    path: str
    """Target, relative to the directory of the model."""
    key: str
    """Name in the store."""
    size: int | None
    """Bytes; None if the store does not report them."""
    version: str = ""
    """ETag, version or digest that changes with the content; empty if the store has none."""
    sha256: str | None = None
    """Digest that the store announces."""
    checksums: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Other announced checksums, in hexadecimal digits or Base64, by the names of `digests.CHECKSUMS`."""
    is_packed_directory: bool = False
    """True for a directory that was packed into an archive: all its files are below `path`, or anywhere below "."."""
    has_weak_version: bool = False
    """True if different contents may have the same version (RFC 9110, 8.8.1)."""

    @property
    def is_resumable(self) -> bool:
        """True if parts of different transfers belong to the same content, or their digest shows that they do not."""
        return self.sha256 is not None or (self.version != "" and not self.has_weak_version)

    @property
    def identity(self) -> str:
        """Text that is equal for equal contents, as far as the store reports them."""
        return json.dumps([self.path, self.size, self.sha256 or self.version])


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Files that a URI currently resolves to."""

    entries: tuple[Entry, ...]
    resolved_uri: str
    """URI of the files themselves, without credentials."""
    commit: str | None = None
    """Immutable name of the content: a commit, a version, the digest of a manifest."""

    @property
    def resolution(self) -> str:
        """Short text that changes with the content, as far as the store reports it."""
        if self.commit is not None:
            return self.commit
        text = "\n".join(sorted(entry.identity for entry in self.entries))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def size(self) -> int:
        """Total bytes of the files whose sizes are known."""
        return sum(entry.size or 0 for entry in self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file on the disk."""

    path: str
    size: int
    blake3: str
    sha256: str | None = None
    """Only if it was promised or requested."""
    verified: tuple[str, ...] = ()
    """Names of the checksums that were compared with those that its store, or the request, promised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Contents of a published directory. The marker next to it is its JSON form."""

    uri: str
    resolved_uri: str
    resolution: str
    files: tuple[File, ...]

    @property
    def digest(self) -> str:
        r"""BLAKE3 of a single file, or of the output of `b3sum` for all files, sorted by path as bytes.

        `find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 b3sum | b3sum` prints the same.
        """
        if len(self.files) == 1:
            return self.files[0].blake3
        return blake3(self._list_digests((file.path, file.blake3) for file in self.sort_files())).hexdigest()

    @property
    def sha256(self) -> str | None:
        """The same with `sha256sum`; None if it was not computed for each file."""
        found = [(file.path, file.sha256) for file in self.sort_files() if file.sha256 is not None]
        if len(found) != len(self.files):
            return None
        return found[0][1] if len(found) == 1 else hashlib.sha256(self._list_digests(found)).hexdigest()

    @staticmethod
    def _list_digests(digests: Iterable[tuple[str, str]]) -> bytes:
        return "".join(f"{digest}  {path}\n" for path, digest in digests).encode()

    @property
    def verified(self) -> tuple[str, ...]:
        """Checksums that were compared, as `crc64nvme`, or `md5 (3 of 4 files)` if others have none."""
        names = sorted({name for file in self.files for name in file.verified})
        counts = {name: sum(name in file.verified for file in self.files) for name in names}
        total = len(self.files)
        return tuple(name if count == total else f"{name} ({count} of {total} files)" for name, count in counts.items())

    @property
    def size(self) -> int:
        """Total bytes of all files."""
        return sum(file.size for file in self.files)

    def sort_files(self) -> list[File]:
        """Return the files in the order of the digest."""
        return sorted(self.files, key=lambda file: file.path.encode())

    def to_json(self) -> str:
        """Return the content of the marker. It has no time, so that equal trees of one origin have equal markers."""
        body = {
            "uri": self.uri,
            "resolvedURI": self.resolved_uri,
            "resolution": self.resolution,
            "digest": f"blake3:{self.digest}",
        }
        # One line for each file: `indent` would take ten times as long, as json then does not use its code in C.
        head = json.dumps(body, indent=1).removesuffix("\n}")
        files = ",\n  ".join([json.dumps(_describe_file(file)) for file in self.sort_files()])
        return f'{head},\n "files": [\n  {files}\n ]\n}}\n'

    @classmethod
    def from_json(cls, text: str) -> Self | None:
        """Parse a marker; return None if it is not valid, such as one of an earlier version, without BLAKE3."""
        try:
            body = json.loads(text)
            return cls(
                uri=str(body["uri"]),
                resolved_uri=str(body["resolvedURI"]),
                resolution=str(body["resolution"]),
                files=tuple(_parse_file(one) for one in body["files"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
            return None


def _describe_file(file: File) -> Json:
    body: dict[str, Json] = {"path": file.path, "size": file.size, "blake3": file.blake3}
    if file.sha256 is not None:
        body["sha256"] = file.sha256
    return body | {"verified": list(file.verified)}


def _parse_file(one: Json) -> File:
    return File(
        path=str(one["path"]),
        size=int(one["size"]),
        blake3=str(one["blake3"]),
        sha256=str(one["sha256"]) if "sha256" in one else None,
        verified=tuple(str(name) for name in one["verified"]),
    )
