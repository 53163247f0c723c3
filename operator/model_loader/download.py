"""Concurrent, resumable download of the files of a listing. Large files are read in parts, each hashed as it arrives.

Memory is bounded: each worker holds one chunk. A file that a killed loader downloaded in part is resumed if the part
still has the digest that the loader recorded. An interrupted file that has no version in its store is read from its
beginning again: its parts could belong to different versions.
"""

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Protocol, Self

from model_loader.backoff import MAX_ATTEMPTS, RETRY_BACKOFF
from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.manifest import Chunk, Entry, File, Listing
from model_loader.paths import Directory, open_beneath
from model_loader.progress import Progress
from model_loader.request import Limits
from model_loader.volume import no_space_error

WORKER_COUNT = 8
PART_BYTES = 8 << 20
"""Large enough to make the cost of a request small, small enough to keep eight of them in memory."""
_CHECKPOINT_BYTES = 256 << 20
"""Bytes of a large file after which its progress is recorded."""
_READ_BYTES = 256 << 10
_JOURNAL_NAME = "journal"
Digest = Any
"""A hash object of hashlib, whose type is not public."""
_Outcome = Any
"""A File, or the set of futures of the parts that a worker submitted."""


class Source(Protocol):
    """One model in a store."""

    supports_parallel_reads: bool
    """True if parts of one file can be read concurrently."""

    def list_files(self) -> Listing:
        """List the files that the URI resolves to. Raises LoaderError if there are none or access is denied."""

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        """Yield the bytes of a file from `start` up to `stop`, or to the end if it is None.

        Raises TransferError if the transfer is interrupted.
        """

    def close(self) -> None:
        """Close the connections."""


class ResumeJournal:
    """Record of the bytes of each file that are on the disk, and their digest: one line of JSON for each step."""

    def __init__(self, directory: Directory) -> None:
        """Open the journal in a directory. Anything else of its name is removed."""
        self._directory = directory
        self._lock = threading.Lock()
        self._records: dict[str, tuple[int, str]] = {}
        for line in self._read().splitlines():
            try:
                identity, size, digest = json.loads(line)
                self._records[str(identity)] = int(size), str(digest)
            except (ValueError, TypeError, RecursionError):
                continue  # an incomplete line, written while the loader was killed

    def _read(self) -> str:
        with os.fdopen(self._open(os.O_RDONLY | os.O_CREAT), errors="replace") as file:
            return file.read()

    def _open(self, flags: int) -> int:
        return self._directory.replace_with_file(_JOURNAL_NAME, flags)

    def lookup(self, entry: Entry) -> tuple[int, str] | None:
        """Return size and digest of the recorded part of a file, or None if it cannot be resumed."""
        return self._records.get(entry.identity) if entry.is_resumable else None

    def record(self, entry: Entry, size: int, digest: str) -> None:
        """Record that the first `size` bytes of a file are on the disk."""
        with self._lock, os.fdopen(self._open(os.O_WRONLY | os.O_CREAT | os.O_APPEND), "a") as file:
            file.write(json.dumps([entry.identity, size, digest]) + "\n")


@dataclass(frozen=True, slots=True)
class _HashedPrefix:
    """The first bytes of a file, written by an earlier loader, and their digest."""

    size: int
    digest: Digest

    @classmethod
    def verify(cls, descriptor: int, recorded: tuple[int, str] | None) -> Self:
        """Return the recorded prefix if the file still has that content, and an empty prefix otherwise."""
        if recorded is not None:
            size, expected = recorded
            digest = _hash_file(descriptor, size)
            if digest.hexdigest() == expected:
                return cls(size, digest)
        return cls(0, hashlib.sha256())


class _FileDownload:
    """Download of one file. Its parts arrive in any order and are hashed in the order of the file."""

    def __init__(self, entry: Entry, descriptor: int, resumed: _HashedPrefix, journal: ResumeJournal) -> None:
        self.entry = entry
        self.descriptor = descriptor
        self.start = resumed.size
        self._digest = resumed.digest
        self._journal = journal
        self._lock = threading.Lock()
        self._hashing = False
        self._complete: dict[int, int] = {}
        """End offsets of the parts that are on the disk but not hashed yet, by start offset."""
        self.hashed = resumed.size
        self._recorded = resumed.size

    def try_claim_hashing(self, start: int) -> bool:
        """Return True if the caller may hash the part at `start` as it arrives: all bytes before it are hashed."""
        with self._lock:
            if self._hashing or start != self.hashed:
                return False
            self._hashing = True
            return True

    def update_hash(self, chunk: Chunk) -> None:
        """Add the next bytes to the digest. Only the worker with the claim may call it."""
        self._digest.update(chunk)
        self.hashed += len(chunk)

    def restart(self) -> None:
        """Forget all bytes of the file. Only the worker with the claim may call it, if no other one has a part."""
        os.ftruncate(self.descriptor, 0)
        self._digest = hashlib.sha256()
        self.hashed = self._recorded = 0

    def complete_part(self, start: int, stop: int, *, hashed: bool) -> None:
        """Mark a part as written, then hash the parts that follow it and are on the disk already."""
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
        self._record_progress()

    def _hash_from_disk(self, stop: int) -> None:
        # One buffer, which stays in the CPU cache: allocating one for each read would cost more than the hash.
        view = memoryview(bytearray(_READ_BYTES))
        while self.hashed < stop:
            count = os.preadv(self.descriptor, [view[: stop - self.hashed]], self.hashed)
            self.update_hash(view[:count])

    def _record_progress(self) -> None:
        with self._lock:
            if self._hashing or self.hashed - self._recorded < _CHECKPOINT_BYTES:
                return
            self._recorded = self.hashed
            size, digest = self.hashed, self._digest.hexdigest()
        os.fdatasync(self.descriptor)
        self._journal.record(self.entry, size, digest)

    def finish(self) -> File:
        """Close a complete file. Raises LoaderError (DigestMismatch) if its digest differs from the announced one."""
        os.fsync(self.descriptor)
        os.close(self.descriptor)
        digest = self._digest.hexdigest()
        if self.entry.sha256 is not None and digest != self.entry.sha256:
            raise digest_mismatch_error(f"The file {self.entry.path!r}", expected=self.entry.sha256, found=digest)
        self._journal.record(self.entry, self.hashed, digest)
        return File(path=self.entry.path, size=self.hashed, sha256=digest)


class Downloader:
    """Downloads every file of a listing into a directory."""

    def __init__(
        self, source: Source, root: Directory, journal: ResumeJournal, limits: Limits, progress: Progress
    ) -> None:
        self._source = source
        self._root = root
        self._limits = limits
        self._progress = progress
        self._stop = threading.Event()
        self._journal = journal

    def download(self, entries: Iterable[Entry]) -> tuple[File, ...]:
        """Download all files, and remove all others. The first error cancels the other downloads and is raised."""
        selected = list(entries)
        self._root.remove_all_but(entry.path for entry in selected)
        with ThreadPoolExecutor(WORKER_COUNT, thread_name_prefix="download") as pool:
            # Large files first, so that the last download to finish is a small one.
            ordered = sorted(selected, key=lambda entry: -(entry.size or 0))
            pending = {pool.submit(self._download_file, entry, pool) for entry in ordered}
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

    def _download_file(self, entry: Entry, pool: ThreadPoolExecutor) -> _Outcome:
        """Download a small file, or submit the parts of a large one to the pool and return their futures."""
        download = self._open_download(entry)
        size, start = entry.size, download.start
        is_divisible = self._source.supports_parallel_reads and entry.is_resumable
        if not is_divisible or size is None or size - start <= PART_BYTES:
            self._download_part(download, start, size)
            return self._finish_file(download)
        starts = range(start, size, PART_BYTES)
        countdown = _Countdown(len(starts))
        return {
            pool.submit(self._download_counted_part, download, one, min(one + PART_BYTES, size), countdown)
            for one in starts
        }

    def _download_counted_part(
        self, download: _FileDownload, start: int, stop: int, countdown: "_Countdown"
    ) -> _Outcome:
        self._download_part(download, start, stop)
        return self._finish_file(download) if countdown.count_down() else set()

    def _finish_file(self, download: _FileDownload) -> File:
        try:
            file = download.finish()
        except OSError as error:
            raise no_space_error(error) or error from None
        self._progress.add_file()
        return file

    def _open_download(self, entry: Entry) -> _FileDownload:
        descriptor = open_beneath(self._root, entry.path, flags=os.O_RDWR | os.O_CREAT)
        resumed = _HashedPrefix.verify(descriptor, self._journal.lookup(entry))
        os.ftruncate(descriptor, resumed.size)
        self._progress.resume_bytes(resumed.size)
        return _FileDownload(entry, descriptor, resumed, self._journal)

    def _download_part(self, download: _FileDownload, start: int, stop: int | None) -> None:
        """Download one part. Resume after interruptions, until too many attempts in a row bring no new byte."""
        if start == stop:
            return  # an empty file, or a file that is complete
        hashed = download.try_claim_hashing(start)
        offset, failures = start, 0
        while True:
            before = offset
            try:
                for offset_reached in self._copy_chunks(download, offset, stop, hashed=hashed):
                    offset = offset_reached
                break
            except TransferError as error:
                is_resumable = download.entry.is_resumable
                failures = 1 if offset > before and is_resumable else failures + 1
                if failures >= MAX_ATTEMPTS:
                    raise
                if not is_resumable:
                    self._progress.remove_bytes(offset - start)
                    download.restart()
                    offset = start
                self._wait_before_retry(failures, error)
        if stop is not None and offset != stop:
            raise missing_bytes_error(download.entry, offset)
        download.complete_part(start, offset, hashed=hashed)

    def _wait_before_retry(self, failures: int, error: LoaderError) -> None:
        if self._stop.wait(RETRY_BACKOFF.delay(failures)) or time.monotonic() > self._progress.deadline:
            raise error

    def _copy_chunks(self, download: _FileDownload, start: int, stop: int | None, *, hashed: bool) -> Iterator[int]:
        """Write the chunks of a part to the disk and yield the offset after each of them."""
        offset = start
        self._progress.begin_transfer()
        try:
            for chunk in self._source.read(download.entry, start, stop):
                if self._stop.is_set():
                    raise LoaderError(Reason.LOADER_FAILED, "The download of another file failed.")
                if stop is not None and offset + len(chunk) > stop:
                    raise excess_bytes_error(download.entry, stop)
                _write_chunk(download.descriptor, chunk, offset)
                if hashed:
                    download.update_hash(chunk)
                offset += len(chunk)
                self._progress.add_bytes(len(chunk))
                self._check_total_bytes()
                yield offset
        finally:
            self._progress.end_transfer()
        if stop is not None and offset < stop:
            raise TransferError(
                f"The store ended the transfer of {download.entry.key!r} after {offset} of {stop} bytes."
            )

    def _check_total_bytes(self) -> None:
        if self._progress.bytes > self._limits.max_bytes:
            raise too_large_error(f"More than {self._limits.max_bytes} bytes were received.")


class _Countdown:
    """Thread-safe counter that reports when it reaches zero."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()

    def count_down(self) -> bool:
        with self._lock:
            self._count -= 1
            return self._count == 0


def digest_mismatch_error(subject: str, *, expected: str, found: str) -> LoaderError:
    """Return the error for content whose digest is not the expected one."""
    message = (
        f"{subject} has the SHA-256 digest {found} instead of {expected}: it was modified or damaged."
        " If the change is intended, update model.sha256."
    )
    return LoaderError(Reason.DIGEST_MISMATCH, message)


def too_large_error(cause: str) -> LoaderError:
    """Return the error for a model that exceeds a limit; `cause` is a sentence."""
    message = f"{cause} Raise model.cache.emptyDir.sizeLimit, or exclude files with model.loader.ignorePatterns."
    return LoaderError(Reason.TOO_LARGE, message)


def excess_bytes_error(entry: Entry, size: int) -> LoaderError:
    """Return the error for a store that sent more than it announced."""
    message = f"The store sent more than the announced {size} bytes of {entry.key!r}."
    return LoaderError(Reason.DIGEST_MISMATCH, message)


def missing_bytes_error(entry: Entry, offset: int) -> LoaderError:
    """Return the error for a store that sent less than it announced."""
    message = f"The store sent {offset} bytes of {entry.key!r} instead of the announced {entry.size}."
    return LoaderError(Reason.DIGEST_MISMATCH, message)


def _write_chunk(descriptor: int, chunk: Chunk, offset: int) -> None:
    view = memoryview(chunk)
    try:
        while view:
            written = os.pwrite(descriptor, view, offset)
            view, offset = view[written:], offset + written
    except OSError as error:
        raise no_space_error(error) or error from None


def _hash_file(descriptor: int, size: int) -> Digest:
    digest, offset = hashlib.sha256(), 0
    while offset < size and (chunk := os.pread(descriptor, min(_READ_BYTES, size - offset), offset)):
        digest.update(chunk)
        offset += len(chunk)
    return digest
