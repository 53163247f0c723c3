"""Parts of files, and files that are modified while they are read, for all stores."""

from collections.abc import Iterator

from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.manifest import Chunk


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
