"""What a model consists of: as the store lists it, and as it lies on the disk."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

Json = Any
"""A value that was decoded from JSON: its type is checked where it is used."""
Chunk = Any
"""A buffer with bytes of a file: bytes, a memoryview or obstore's Bytes (collections.abc.Buffer from Python 3.12)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of a model, as a store lists it."""

    path: str
    """Where it goes, relative to the model's folder."""
    key: str
    """What the store calls it."""
    size: int | None
    """Bytes; None when the store does not tell."""
    version: str = ""
    """What changes with the content: an ETag, a version, a digest. Empty when the store has none."""
    sha256: str | None = None
    """Digest of the content that the store promises."""

    @property
    def identity(self) -> str:
        """Equal for equal contents, as far as the store tells."""
        return json.dumps([self.path, self.size, self.sha256 or self.version])


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a URI stands for at this moment."""

    entries: tuple[Entry, ...]
    resolved_uri: str
    """Where the files really are, as a person would write it; without credentials."""
    commit: str | None = None
    """A name of the content that never changes: a commit, a version, the digest of a manifest."""

    @property
    def resolution(self) -> str:
        """Short text that changes when the content does, as far as the store tells."""
        if self.commit is not None:
            return self.commit
        text = "\n".join(sorted(entry.identity for entry in self.entries))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def size(self) -> int:
        """Bytes of all files whose sizes are known."""
        return sum(entry.size or 0 for entry in self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file on the disk."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A published tree: the marker that lies beside it says the same."""

    uri: str
    resolved_uri: str
    resolution: str
    files: tuple[File, ...]

    @property
    def digest(self) -> str:
        r"""SHA-256 of the tree: of the one file, or of what `sha256sum` prints of all, sorted by path as bytes.

        `find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum` prints the same.
        """
        if len(self.files) == 1:
            return self.files[0].sha256
        lines = (f"{file.sha256}  {file.path}\n" for file in self.sort_files())
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def sort_files(self) -> list[File]:
        """The files in the order in which they are digested."""
        return sorted(self.files, key=lambda file: file.path.encode())

    def to_json(self) -> str:
        """The marker: equal trees of one origin have equal ones, so it carries no time."""
        body = {
            "uri": self.uri,
            "resolvedURI": self.resolved_uri,
            "resolution": self.resolution,
            "digest": self.digest,
            "files": [asdict(file) for file in self.sort_files()],
        }
        return json.dumps(body, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self | None:
        """Read a marker; None for anything that is none."""
        try:
            body = json.loads(text)
            return cls(
                uri=str(body["uri"]),
                resolved_uri=str(body["resolvedURI"]),
                resolution=str(body["resolution"]),
                files=tuple(_parse_files(body["files"])),
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            return None


def _parse_files(entries: Iterable[Json]) -> Iterable[File]:
    return (File(path=str(one["path"]), size=int(one["size"]), sha256=str(one["sha256"])) for one in entries)
