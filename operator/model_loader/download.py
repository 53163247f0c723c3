"""Fetching the files of a listing: several at a time, large ones in parts, each hashed as it arrives, and resumable.

Memory stays bounded: a worker holds one chunk. What a killed loader has fetched is taken up again when its digest says
that it is what it was.
"""

import hashlib
import json
import os
import random
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Protocol

from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.manifest import Entry, File, Listing
from model_loader.paths import open_beneath
from model_loader.progress import Progress
from model_loader.request import Limits
from model_loader.volume import Workspace, full

WORKERS = 8
PART = 8 << 20
"""Bytes of a part: large enough that a request costs little, small enough that eight fit into memory."""
_JOURNALLED = 256 << 20
"""Bytes after which a large file's progress is written down."""
_TRIES = 5
_FIRST_PAUSE = 0.2
_READ = 256 << 10


class Source(Protocol):
    """A store, for one model."""

    parts: bool
    """Whether several parts of a file can be read at the same time."""

    def listing(self) -> Listing:
        """What the URI stands for; LoaderError when there is nothing, or it may not be read."""

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Any]:
        """Buffers with the bytes from `start` to `stop` (None: to the end); TransferError when it breaks off."""

    def close(self) -> None:
        """Give connections back."""


class Journal:
    """What is on the disk already, with the digest that it had: one line of JSON for each step."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._known: dict[str, tuple[int, str]] = {}
        for line in file.read_text(errors="replace").splitlines() if file.exists() else ():
            try:
                identity, size, digest = json.loads(line)
                self._known[str(identity)] = int(size), str(digest)
            except (ValueError, TypeError):
                continue  # the line that was being written when the loader was killed

    def known(self, entry: Entry) -> tuple[int, str] | None:
        """Bytes of a file that were written, and their digest; only where a change in the store would show."""
        return self._known.get(entry.identity) if entry.version or entry.sha256 else None

    def note(self, entry: Entry, size: int, digest: str) -> None:
        """Write down how far a file is."""
        with self._lock, self._file.open("a") as file:
            file.write(json.dumps([entry.identity, size, digest]) + "\n")


class _Download:
    """One file under way: parts arrive in any order, and are hashed in theirs."""

    def __init__(self, entry: Entry, descriptor: int, start: int, digest: Any, journal: Journal) -> None:  # noqa: ANN401 - hashlib's objects have no public type
        self.entry = entry
        self.descriptor = descriptor
        self.start = start
        self._digest = digest
        self._journal = journal
        self._lock = threading.Lock()
        self._hashing = False
        self._complete: dict[int, int] = {}
        """Ends of the parts that are on the disk, by their beginnings."""
        self.hashed = start
        self._journalled = start

    def take_turn(self, start: int) -> bool:
        """Whether the part that begins here is hashed as it arrives, since all before it is hashed."""
        with self._lock:
            if self._hashing or start != self.hashed:
                return False
            self._hashing = True
            return True

    def hash(self, chunk: Any) -> None:  # noqa: ANN401 - a buffer
        """Hash what comes next; only for who has the turn."""
        self._digest.update(chunk)
        self.hashed += len(chunk)

    def complete(self, start: int, stop: int, *, hashed: bool) -> None:
        """A part is on the disk. Whoever finds the next one waiting hashes it."""
        with self._lock:
            if hashed:
                self._hashing = False
            else:
                self._complete[start] = stop
        while True:
            with self._lock:
                end = self._complete.get(self.hashed)
                if self._hashing or end is None:
                    break
                del self._complete[self.hashed]
                self._hashing = True
            self._hash_from_disk(end)
            with self._lock:
                self._hashing = False
        self._note()

    def _hash_from_disk(self, stop: int) -> None:
        # Into one buffer that stays in the processor's cache: a new one for each read would cost more than the hash.
        view = memoryview(bytearray(_READ))
        while self.hashed < stop:
            count = os.preadv(self.descriptor, [view[: stop - self.hashed]], self.hashed)
            self.hash(view[:count])

    def _note(self) -> None:
        with self._lock:
            if self._hashing or self.hashed - self._journalled < _JOURNALLED:
                return
            self._journalled = self.hashed
            size, digest = self.hashed, self._digest.hexdigest()
        os.fdatasync(self.descriptor)
        self._journal.note(self.entry, size, digest)

    def finish(self) -> File:
        """Close a complete file; DigestMismatch when it is not what the store promised."""
        os.fsync(self.descriptor)
        os.close(self.descriptor)
        digest = self._digest.hexdigest()
        if self.entry.sha256 is not None and digest != self.entry.sha256:
            raise mismatch(f"The file {self.entry.path!r}", expected=self.entry.sha256, found=digest)
        self._journal.note(self.entry, self.hashed, digest)
        return File(path=self.entry.path, size=self.hashed, sha256=digest)


class Fetching:
    """Fetches every file of a listing into a workspace's tree."""

    def __init__(self, source: Source, workspace: Workspace, limits: Limits, progress: Progress) -> None:
        self._source = source
        self._root = workspace.tree
        self._limits = limits
        self._progress = progress
        self._stop = threading.Event()
        self._root.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(workspace.partial / "journal")

    def run(self, entries: Iterable[Entry]) -> tuple[File, ...]:
        """Fetch them; the first error ends all."""
        chosen = list(entries)
        self._remove_others({entry.path for entry in chosen})
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="fetch") as pool:
            # Large files first: then none of them is still on its way when all the others have arrived.
            ordered = sorted(chosen, key=lambda entry: -(entry.size or 0))
            pending = {pool.submit(self._fetch_file, entry, pool) for entry in ordered}
            files: list[File] = []
            try:
                while pending:
                    done, pending = wait(pending, return_when=FIRST_EXCEPTION)
                    for future in done:
                        outcome = future.result()
                        if isinstance(outcome, File):
                            files.append(outcome)
                        else:
                            pending |= outcome
            except BaseException:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise
        return tuple(files)

    def _fetch_file(self, entry: Entry, pool: ThreadPoolExecutor) -> Any:  # noqa: ANN401 - a File, or futures
        """Fetch a small file at once; of a large one, hand its parts to the pool."""
        download = self._open(entry)
        size, start = entry.size, download.start
        if not self._source.parts or size is None or size - start <= PART:
            self._fetch_part(download, start, size)
            return self._finish(download)
        beginnings = range(start, size, PART)
        left = _Countdown(len(beginnings))
        return {pool.submit(self._fetch_one_of, download, one, min(one + PART, size), left) for one in beginnings}

    def _fetch_one_of(self, download: _Download, start: int, stop: int, left: "_Countdown") -> Any:  # noqa: ANN401
        self._fetch_part(download, start, stop)
        return self._finish(download) if left.down() else set()

    def _finish(self, download: _Download) -> File:
        try:
            file = download.finish()
        except OSError as error:
            raise full(error) or error from None
        self._progress.finish_file()
        return file

    def _open(self, entry: Entry) -> _Download:
        descriptor = open_beneath(self._root, entry.path, flags=os.O_RDWR | os.O_CREAT)
        digest, start = hashlib.sha256(), 0
        if (known := self._journal.known(entry)) is not None:
            size, expected = known
            digest = _digest_of(descriptor, size)
            start = size
            if digest.hexdigest() != expected:
                digest, start = hashlib.sha256(), 0
        os.ftruncate(descriptor, start)
        self._progress.add(start)
        return _Download(entry, descriptor, start, digest, self._journal)

    def _fetch_part(self, download: _Download, start: int, stop: int | None) -> None:
        """Fetch one part, going on from where it broke off; give up when it does not get further."""
        if start == stop:
            return  # an empty file, or one that was complete already
        hashed = download.take_turn(start)
        place, failures = start, 0
        while True:
            before = place
            try:
                for reached in self._copy(download, place, stop, hashed=hashed):
                    place = reached
                break
            except TransferError as error:
                failures = 1 if place > before else failures + 1
                if failures >= _TRIES:
                    raise
                self._pause(failures, error)
        if stop is not None and place != stop:
            raise ended_early(download.entry, place)
        download.complete(start, place, hashed=hashed)

    def _pause(self, failures: int, error: LoaderError) -> None:
        seconds = _FIRST_PAUSE * 2**failures * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
        if self._stop.wait(seconds) or time.monotonic() > self._progress.deadline:
            raise error

    def _copy(self, download: _Download, start: int, stop: int | None, *, hashed: bool) -> Iterator[int]:
        """Write what arrives; yield the place that was reached after each chunk."""
        place = start
        self._progress.transferring(1)
        try:
            for chunk in self._source.read(download.entry, start, stop):
                if self._stop.is_set():
                    raise LoaderError(Reason.LOADER_FAILED, "Another file could not be fetched.")
                if stop is not None and place + len(chunk) > stop:
                    raise too_long(download.entry, stop)
                _write(download.descriptor, chunk, place)
                if hashed:
                    download.hash(chunk)
                place += len(chunk)
                self._progress.add(len(chunk))
                self._check_total()
                yield place
        finally:
            self._progress.transferring(-1)
        if stop is not None and place < stop:
            raise TransferError(f"The store ended {download.entry.key!r} after {place} of {stop} bytes.")

    def _check_total(self) -> None:
        if self._progress.bytes > self._limits.bytes:
            raise too_large(f"More than {self._limits.bytes} bytes have arrived.")

    def _remove_others(self, wanted: set[str]) -> None:
        """Remove what an earlier, killed loader fetched of another listing."""
        for folder, _, names in os.walk(self._root):
            for name in names:
                path = Path(folder, name)
                if path.relative_to(self._root).as_posix() not in wanted:
                    path.unlink()


class _Countdown:
    """Tells the last of several that it is the last."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()

    def down(self) -> bool:
        with self._lock:
            self._count -= 1
            return self._count == 0


def mismatch(what: str, *, expected: str, found: str) -> LoaderError:
    """Something has another digest than it should have."""
    message = (
        f"{what} has the SHA-256 digest {found}, not {expected} as expected: it was changed, or damaged."
        " If it was meant to change, correct model.sha256."
    )
    return LoaderError(Reason.DIGEST_MISMATCH, message)


def too_large(what: str) -> LoaderError:
    """The model exceeds the limit on bytes."""
    message = f"{what} Raise model.cache.emptyDir.sizeLimit, or leave files out with model.loader.ignorePatterns."
    return LoaderError(Reason.TOO_LARGE, message)


def too_long(entry: Entry, size: int) -> LoaderError:
    """A store sends more than it announced."""
    message = f"The store sends more of {entry.key!r} than the {size} bytes that it announced."
    return LoaderError(Reason.DIGEST_MISMATCH, message)


def ended_early(entry: Entry, place: int) -> LoaderError:
    """A store sends less than it announced."""
    message = f"The store sent {place} bytes of {entry.key!r}, and announced {entry.size}."
    return LoaderError(Reason.DIGEST_MISMATCH, message)


def _write(descriptor: int, chunk: Any, place: int) -> None:  # noqa: ANN401 - a buffer
    view = memoryview(chunk)
    try:
        while view:
            written = os.pwrite(descriptor, view, place)
            view, place = view[written:], place + written
    except OSError as error:
        raise full(error) or error from None


def _digest_of(descriptor: int, size: int) -> Any:  # noqa: ANN401 - hashlib's objects have no public type
    digest, place = hashlib.sha256(), 0
    while place < size and (chunk := os.pread(descriptor, min(_READ, size - place), place)):
        digest.update(chunk)
        place += len(chunk)
    return digest
