"""What all stores share: parts of files, and files that change while they are being read."""

from collections.abc import Iterator

from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.manifest import Chunk


def slice_chunks(chunks: Iterator[Chunk], start: int, stop: int | None) -> Iterator[Chunk]:
    """What lies between two places of a stream of buffers, for stores that only send whole files."""
    offset = 0
    for chunk in chunks:
        selected = memoryview(chunk)[max(start - offset, 0) : None if stop is None else max(stop - offset, 0)]
        offset += len(chunk)
        if selected:
            yield selected
        if stop is not None and offset >= stop:
            return
    if offset < start:
        raise TransferError("The file ended before the place at which it broke off.")


def changed_file_error(subject: str) -> LoaderError:
    """A file is another one than was listed: parts of two versions are never joined."""
    message = f"{subject} was changed while it was being fetched. The next try fetches what it is then."
    return LoaderError(Reason.DIGEST_MISMATCH, message)
