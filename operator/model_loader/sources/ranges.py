"""Parts of files, and files that are modified while they are read, for all stores."""

from collections.abc import Iterator

from model_loader.download import Readable
from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.manifest import Chunk

__all__ = ["Readable", "Slice", "changed_file_error", "read_chunks", "slice_chunks"]

_CHUNK_BYTES = 64 << 10


class Slice:
    """The bytes between two offsets of an entire file, for stores that do not send parts of files."""

    def __init__(self, entire: Readable, start: int, stop: int | None) -> None:
        self._entire = entire
        self._skip = start
        self._left = None if stop is None else max(stop - start, 0)

    def readinto(self, view: memoryview) -> int:
        """Read at most `len(view)` bytes; 0 at the end of the slice. Raises TransferError."""
        if self._skip:
            self._discard()
        count = self._entire.readinto(view if self._left is None else view[: self._left]) if self._left != 0 else 0
        if self._left is not None:
            self._left -= count
        return count

    def _discard(self) -> None:
        unused = memoryview(bytearray(min(_CHUNK_BYTES, self._skip)))
        while self._skip:
            count = self._entire.readinto(unused[: self._skip])
            if not count:
                raise TransferError("The file ended before the offset at which the transfer was interrupted.")
            self._skip -= count


def read_chunks(readable: Readable) -> Iterator[bytes]:
    """Yield the bytes of a file in chunks."""
    view = memoryview(bytearray(_CHUNK_BYTES))
    while count := readable.readinto(view):
        yield bytes(view[:count])


def slice_chunks(chunks: Iterator[Chunk], start: int, stop: int | None) -> Iterator[Chunk]:
    """Yield the bytes between two offsets of a stream of buffers, for stores that only send entire files."""
    offset = 0
    for chunk in chunks:
        selected = memoryview(chunk)[max(start - offset, 0) : None if stop is None else max(stop - offset, 0)]
        offset += len(chunk)
        if selected:
            yield selected
        if stop is not None and offset >= stop:
            return
    if offset < start:
        raise TransferError("The file ended before the offset at which the transfer was interrupted.")


def changed_file_error(subject: str) -> LoaderError:
    """Return the error for a file that is not the listed one: parts of two versions are never joined."""
    message = f"{subject} was modified during the download. The next attempt downloads its new version."
    return LoaderError(Reason.DIGEST_MISMATCH, message)
