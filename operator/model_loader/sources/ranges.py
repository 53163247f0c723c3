"""What all stores share: parts of files, and files that change while they are being read."""

from collections.abc import Iterator
from typing import Any

from model_loader.errors import LoaderError, Reason, TransferError


def between(chunks: Iterator[Any], start: int, stop: int | None) -> Iterator[Any]:
    """What lies between two places of a stream of buffers, for stores that only send whole files."""
    place = 0
    for chunk in chunks:
        picked = memoryview(chunk)[max(start - place, 0) : None if stop is None else max(stop - place, 0)]
        place += len(chunk)
        if picked:
            yield picked
        if stop is not None and place >= stop:
            return
    if place < start:
        raise TransferError("The file ended before the place at which it broke off.")


def changed(what: str) -> LoaderError:
    """A file is another one than was listed: parts of two versions are never joined."""
    message = f"{what} was changed while it was being fetched. The next try fetches what it is then."
    return LoaderError(Reason.DIGEST_MISMATCH, message)
