"""Concurrent, resumable download of the files of a listing. Large files are transferred in parts.

Each worker reads into one buffer, writes it to its place in the file, and hashes it if all bytes before it are hashed;
parts that come early are hashed from the page cache. So memory is bounded, and digests are those of the file's order.

A file that a killed loader downloaded in part is resumed if the part still has the digest that the loader recorded. An
interrupted file that has no version in its store is read from its beginning again: its parts could belong to different
versions.
"""

import json
import mmap
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, Self

from model_loader.backoff import MAX_ATTEMPTS, RETRY_BACKOFF
from model_loader.concurrency import ConcurrencyTuner
from model_loader.digests import FileHasher, parse_checksums
from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.manifest import Chunk, Entry, File, Listing
from model_loader.paths import Directory, open_beneath
from model_loader.progress import Progress
from model_loader.request import Limits
from model_loader.syscalls import MIN_WRITE_BEHIND_BYTES, WriteBehind, preallocate
from model_loader.volume import no_space_error

PART_BYTES = 16 << 20
"""Large enough to make the cost of a request small, small enough to share a file between workers."""
BUFFER_BYTES = 512 << 10
"""Small enough to stay in the CPU cache between the transfer, the write and the hash."""
START_BYTES = 1024
"""Bytes of each file that are given to `inspect`."""
_CHECKPOINT_BYTES = 64 << 20
"""Bytes of a large file after which its progress is recorded."""
_JOURNAL_NAME = "journal"
_TUNING_SECONDS = 0.2
_FILE_COST_BYTES = 64 << 10
"""Weight of a file in the measured throughput: small files cost requests, not bytes."""
Inspector = Callable[[str, bytes], None]
"""Function that is given the path and the first bytes of each file, and may raise LoaderError."""


class Readable(Protocol):
    """The bytes of a transfer that has begun.

    It may have `checksums`, those of the entire file that the store sends with its first bytes: see Entry.checksums.
    """

    def readinto(self, view: memoryview, /) -> int:
        """Read some bytes into a buffer and return their number, 0 at the end. Raises TransferError if it is cut."""


class Source(Protocol):
    """One model in a store.

    A source may also have `open(entry, start, stop)`, which returns a context manager of a Readable: its bytes reach
    the disk without a copy. `read` is then not used.
    """

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


class _ChunkReader:
    """Readable of a source that only yields chunks."""

    def __init__(self, chunks: Iterator[Chunk]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readinto(self, view: memoryview, /) -> int:
        while not self._rest:
            try:
                self._rest = memoryview(next(self._chunks))
            except StopIteration:
                return 0
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


@contextmanager
def _read_chunks(source: Source, entry: Entry, start: int, stop: int | None) -> Iterator[Readable]:
    chunks = source.read(entry, start, stop)
    try:
        yield _ChunkReader(chunks)
    finally:
        if (close := getattr(chunks, "close", None)) is not None:
            close()


def open_range(source: Source, entry: Entry, start: int, stop: int | None) -> AbstractContextManager[Readable]:
    """Begin the transfer of the bytes of a file from `start` up to `stop`, or to the end if it is None."""
    opened: Callable[..., AbstractContextManager[Readable]] | None = getattr(source, "open", None)
    return _read_chunks(source, entry, start, stop) if opened is None else opened(entry, start, stop)


class ResumeJournal:
    """Record of the bytes of each file that were written, and their digest: one line of JSON for each step.

    It may survive a power failure that its bytes do not: what it records is compared before it is used.
    """

    def __init__(self, directory: Directory) -> None:
        """Open the journal in a directory. Anything else of its name is removed. Close it."""
        self._descriptor = directory.replace_with_file(_JOURNAL_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self._records: dict[str, tuple[int, str]] = {}
        with open(self._descriptor, errors="replace", closefd=False) as file:
            for line in file:
                try:
                    identity, size, digest = json.loads(line)
                    self._records[str(identity)] = int(size), str(digest)
                except (ValueError, TypeError, RecursionError, OverflowError):
                    continue  # an incomplete line, written while the loader was killed

    def lookup(self, entry: Entry) -> tuple[int, str] | None:
        """Return size and digest of the recorded part of a file, or None if it cannot be resumed."""
        return self._records.get(entry.identity) if entry.is_resumable else None

    def record(self, entry: Entry, size: int, digest: str) -> None:
        """Record that the first `size` bytes of a file are written."""
        if entry.is_resumable:
            os.write(self._descriptor, f"{json.dumps([entry.identity, size, digest])}\n".encode())

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class HashedPrefix:
    """The first bytes of a file, written by an earlier loader, and their digests."""

    size: int
    hasher: FileHasher

    @classmethod
    def verify(
        cls, descriptor: int, recorded: tuple[int, str] | None, buffer: memoryview, build: Callable[[], FileHasher]
    ) -> Self:
        """Return the recorded prefix if the file still has that content, and an empty prefix otherwise."""
        if recorded is not None:
            size, expected = recorded
            hasher = build()
            if _hash_range(descriptor, 0, size, hasher, buffer) == size and hasher.blake3 == expected:
                return cls(size, hasher)
        return cls(0, build())


def _hash_range(descriptor: int, start: int, stop: int, hasher: FileHasher, buffer: memoryview) -> int:
    """Hash a range of a file and return the offset that was reached."""
    # Not mmap, which would end the loader with a signal if another program truncated the file.
    while start < stop and (count := os.preadv(descriptor, [buffer[: stop - start]], start)):
        hasher.update(buffer[:count])
        start += count
    return start


class _FileDownload:
    """Download of one file. Its parts arrive in any order and are hashed in the order of the file."""

    def __init__(
        self, entry: Entry, descriptor: int, resumed: HashedPrefix, journal: ResumeJournal, *, part_bytes: int | None
    ) -> None:
        """Begin after the resumed prefix. `part_bytes`: size of its parts, None for a single one."""
        self.entry = entry
        self.descriptor = descriptor
        self.hasher = resumed.hasher
        self.hashed = resumed.size
        self.promised = parse_promises(entry, {})
        self.start: bytes | None = None
        """First bytes, if they are in memory."""
        self._journal = journal
        self._part_bytes = part_bytes
        self._next: int | None = resumed.size if entry.size is None or resumed.size < entry.size else None
        """Start of the next part; None if all parts are taken."""
        self._lock = threading.Lock()
        self._hashing = False
        self._complete: dict[int, int] = {}
        """End offsets of the parts that are written but not hashed yet, by start offset."""
        self._recorded = resumed.size

    @property
    def has_parts(self) -> bool:
        """True unless all bytes were there already."""
        return self._next is not None

    @property
    def remaining(self) -> int:
        """Bytes of the parts that no worker has taken; 0 if there are none, or if the size is not known."""
        return (self.entry.size or 0) - self._next if self._next is not None else 0

    def take_part(self) -> tuple[int, int | None] | None:
        """Return the range of the next part, or None if all parts are taken."""
        with self._lock:
            start, size = self._next, self.entry.size
            if start is None:
                return None
            if size is None or self._part_bytes is None or start + self._part_bytes >= size:
                self._next = None
                return start, size
            self._next = start + self._part_bytes
            return start, self._next

    def try_claim_hashing(self, start: int) -> bool:
        """Return True if the caller may hash the part at `start` as it arrives: all bytes before it are hashed."""
        with self._lock:
            if self._hashing or start != self.hashed:
                return False
            self._hashing = True
            return True

    def update_hash(self, data: memoryview) -> None:
        """Add the next bytes to the digests. Only the worker with the claim may call it."""
        self.hasher.update(data)
        self.hashed += len(data)

    def promise(self, checksums: Mapping[str, str]) -> None:
        """Compare also the checksums that came with the first byte. Only the worker with the claim may call it."""
        if checksums and not self.hashed:
            self.promised = parse_promises(self.entry, checksums)
            self.hasher.add(self.promised)

    def restart(self, hasher: FileHasher) -> None:
        """Forget all bytes of the file. Only the worker with the claim may call it, if no other one has a part."""
        os.ftruncate(self.descriptor, 0)
        self.hasher = hasher
        self.promised = parse_promises(self.entry, {})
        self.start = None
        self.hashed = self._recorded = 0

    def complete_part(self, start: int, stop: int, buffer: memoryview, *, hashed: bool) -> bool:
        """Mark a part as written, then hash the parts that follow it and are written already.

        Return True to one caller, the last one: the file is complete.
        """
        with self._lock:
            if hashed:
                self._hashing = False
            else:
                self._complete[start] = stop
        while True:
            with self._lock:
                end = self._complete.pop(self.hashed, None) if not self._hashing else None
                if end is None:
                    break
                self._hashing = True
            reached = _hash_range(self.descriptor, self.hashed, end, self.hasher, buffer)
            if reached != end:
                raise OSError(f"{self.entry.path!r} was truncated by another program")
            with self._lock:
                self.hashed, self._hashing = end, False
        return self._record_progress()

    def _record_progress(self) -> bool:
        with self._lock:
            if self._hashing:
                return False
            if self._next is None and self.hashed >= (self.entry.size or 0):
                self._hashing = True  # for good: no other worker completes the file
                return True
            if self.hashed - self._recorded < _CHECKPOINT_BYTES:
                return False
            self._recorded = self.hashed
            size, digest = self.hashed, self.hasher.blake3
        self._journal.record(self.entry, size, digest)
        return False

    def finish(self, inspect: Inspector | None) -> File:
        """Check and close a complete file. Raises LoaderError if a checksum differs, or if `inspect` does."""
        try:
            for algorithm, expected in self.promised.items():
                found = self.hasher.checksum(algorithm)
                if found is not None and found != expected:
                    subject = f"The file {self.entry.path!r}"
                    raise digest_mismatch_error(
                        subject, expected=expected.hex(), found=found.hex(), algorithm=algorithm
                    )
            if inspect is not None:
                start = os.pread(self.descriptor, START_BYTES, 0) if self.start is None else self.start
                inspect(self.entry.path, start)
        finally:
            os.close(self.descriptor)
        digest, sha256 = self.hasher.blake3, self.hasher.checksum("sha256")
        self._journal.record(self.entry, self.hashed, digest)
        return File(
            path=self.entry.path,
            size=self.hashed,
            blake3=digest,
            sha256=None if sha256 is None else sha256.hex(),
            verified=tuple(sorted(self.promised)),
        )


class _Schedule:
    """Hands out files and parts to workers: each keeps to its file, and helps with another one if no file is left."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        # Large files first, so that the last download to finish is a small one.
        self._waiting = deque(sorted(entries, key=lambda entry: -(entry.size or 0)))
        self._active: set[_FileDownload] = set()
        self._opening = 0
        self._changed = threading.Condition()
        self.stopped = threading.Event()

    def next_entry(self) -> Entry | None:
        """Return the next file to open; report it with `add`."""
        with self._changed:
            if not self._waiting or self.stopped.is_set():
                return None
            self._opening += 1
            return self._waiting.popleft()

    def add(self, download: _FileDownload | None) -> None:
        """Offer the parts of a file that was opened to other workers; None if it could not be opened or is complete."""
        with self._changed:
            self._opening -= 1
            if download is not None:
                self._active.add(download)
            self._changed.notify_all()

    def remove(self, download: _FileDownload) -> None:
        """Forget a file that is complete."""
        with self._changed:
            self._active.discard(download)

    def find_help_wanted(self) -> _FileDownload | None:
        """Return the file with the most bytes that no worker has taken; None if there is none, and no other comes."""
        with self._changed:
            while not self.stopped.is_set():
                found = max(self._active, key=lambda download: download.remaining, default=None)
                if found is not None and found.remaining:
                    return found
                if not self._opening:
                    break
                self._changed.wait()
            return None

    def has_work(self) -> bool:
        """Return True if another worker would find a file or a part."""
        with self._changed:
            return bool(self._waiting) or any(download.remaining for download in self._active)

    def stop(self) -> None:
        """Let all workers end."""
        with self._changed:
            self.stopped.set()
            self._waiting.clear()
            self._changed.notify_all()

    def close_files(self) -> None:
        """Close the files that are not complete. No worker may be left."""
        for download in self._active:
            with suppress(OSError):
                os.close(download.descriptor)
        self._active.clear()


class Downloader:
    """Downloads every file of a listing into a directory."""

    def __init__(
        self,
        source: Source,
        root: Directory,
        journal: ResumeJournal,
        limits: Limits,
        progress: Progress,
        *,
        needs_sha256: bool = False,
        inspect: Inspector | None = None,
    ) -> None:
        """Download from a source. `needs_sha256`: compute it for all files; `inspect` is given the begin of each."""
        self._source = source
        self._root = root
        self._limits = limits
        self._progress = progress
        self._journal = journal
        self._requested = {"sha256"} if needs_sha256 else set()
        self._inspect = inspect
        self._schedule = _Schedule(())
        self._files: list[File] = []
        self._failures: list[BaseException] = []
        self._workers: list[threading.Thread] = []
        self._target = 0
        self._lock = threading.Lock()

    def download(self, entries: Iterable[Entry]) -> tuple[File, ...]:
        """Download all files, and remove all others. The first error cancels the other downloads and is raised.

        The files are not synced to the disk.
        """
        selected = list(entries)
        self._root.remove_all_but(entry.path for entry in selected)
        self._schedule = _Schedule(selected)
        self._files, self._failures = [], []
        try:
            self._run_workers(ConcurrencyTuner())
        except BaseException:
            self._schedule.stop()
            raise
        finally:
            for worker in self._workers:
                worker.join()
            self._workers.clear()
            self._schedule.close_files()
        if self._failures:
            raise self._failures[0]
        return tuple(self._files)

    def _run_workers(self, tuner: ConcurrencyTuner) -> None:
        """Run workers until all files are complete or one has failed; add some while the throughput grows."""
        self._target = tuner.target
        before, checked = self._measure_work(), time.monotonic()
        while True:
            self._start_workers()
            self._workers[0].join(_TUNING_SECONDS)
            self._workers = [worker for worker in self._workers if worker.is_alive()]
            if not self._workers:
                return
            work, now = self._measure_work(), time.monotonic()
            if now - checked >= _TUNING_SECONDS:
                self._target = tuner.update((work - before) / (now - checked))
                before, checked = work, now

    def _measure_work(self) -> int:
        return self._progress.bytes + len(self._files) * _FILE_COST_BYTES

    def _start_workers(self) -> None:
        while not self._workers or (len(self._workers) < self._target and self._schedule.has_work()):
            worker = threading.Thread(target=self._work, name=f"download-{len(self._workers)}", daemon=True)
            self._workers.append(worker)
            worker.start()

    def _work(self) -> None:
        # Its pages take memory when they are used: a small file needs one.
        buffer = memoryview(mmap.mmap(-1, BUFFER_BYTES))
        download: _FileDownload | None = None
        try:
            while not self._schedule.stopped.is_set() and not self._is_surplus():
                part = download.take_part() if download is not None else None
                if download is not None and part is not None:
                    self._download_part(download, *part, buffer)
                elif (download := self._find_download(buffer)) is None:
                    return
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
            self._failures.append(error)
            self._schedule.stop()

    def _is_surplus(self) -> bool:
        """Return True if there are more workers than wanted, and the calling one is the last of them."""
        workers = self._workers
        return len(workers) > self._target and workers[-1] is threading.current_thread()

    def _find_download(self, buffer: memoryview) -> _FileDownload | None:
        """Open the next file that has bytes to transfer, or help with an open one; None if there is nothing to do."""
        while (entry := self._schedule.next_entry()) is not None:
            download = None
            try:
                opened = self._open_download(entry, buffer)
                if opened.has_parts:
                    download = opened
                else:
                    self._finish_file(opened)
            finally:
                self._schedule.add(download)
            if download is not None:
                return download
        return self._schedule.find_help_wanted()

    def _open_download(self, entry: Entry, buffer: memoryview) -> _FileDownload:
        """Open a file, at the bytes that an earlier loader has written, and reserve its space."""
        is_divisible = self._source.supports_parallel_reads and entry.is_resumable
        with _REPORT_FULL_VOLUME:
            try:
                descriptor = open_beneath(self._root, entry.path, flags=os.O_RDWR | os.O_CREAT | os.O_EXCL)
                is_new = True
            except FileExistsError:
                descriptor = open_beneath(self._root, entry.path, flags=os.O_RDWR)
                is_new = False
            try:
                resumed = (
                    HashedPrefix(0, self._build_hasher(entry)) if is_new else self._resume(entry, descriptor, buffer)
                )
                if entry.size is not None and entry.size > PART_BYTES:
                    preallocate(descriptor, entry.size)
            except BaseException:
                os.close(descriptor)
                raise
        return _FileDownload(entry, descriptor, resumed, self._journal, part_bytes=PART_BYTES if is_divisible else None)

    def _resume(self, entry: Entry, descriptor: int, buffer: memoryview) -> HashedPrefix:
        recorded = self._journal.lookup(entry)
        resumed = HashedPrefix.verify(descriptor, recorded, buffer, lambda: self._build_hasher(entry))
        os.ftruncate(descriptor, resumed.size)
        self._progress.resume_bytes(resumed.size)
        return resumed

    def _build_hasher(self, entry: Entry) -> FileHasher:
        return FileHasher(parse_promises(entry, {}).keys() | self._requested, size=entry.size)

    def _finish_file(self, download: _FileDownload) -> None:
        with _REPORT_FULL_VOLUME:
            file = download.finish(self._inspect)
        with self._lock:
            self._files.append(file)
        self._progress.add_file()

    def _download_part(self, download: _FileDownload, start: int, stop: int | None, buffer: memoryview) -> None:
        """Download one part. Resume after interruptions, until too many attempts in a row bring no new byte."""
        is_resumable = download.entry.is_resumable
        part = _Part(download, start, stop, hashed=download.try_claim_hashing(start))
        failures = 0
        while True:
            before = part.offset
            try:
                self._transfer(part, buffer)
                break
            except TransferError as error:
                failures = 1 if part.offset > before and is_resumable else failures + 1
                if failures >= MAX_ATTEMPTS:
                    raise
                if not is_resumable:
                    self._progress.remove_bytes(part.offset - start)
                    download.restart(self._build_hasher(download.entry))
                    part.restart(start)
                self._wait_before_retry(failures, error)
        part.complete()
        with _REPORT_FULL_VOLUME:
            is_complete = download.complete_part(start, part.offset, buffer, hashed=part.hashed)
        if is_complete:
            self._schedule.remove(download)
            self._finish_file(download)

    def _wait_before_retry(self, failures: int, error: LoaderError) -> None:
        if self._schedule.stopped.wait(RETRY_BACKOFF.delay(failures)) or time.monotonic() > self._progress.deadline:
            raise error

    def _transfer(self, part: "_Part", buffer: memoryview) -> None:
        """Transfer the rest of a part. Raises TransferError if it is interrupted; all bytes before it are written."""
        entry, stop = part.download.entry, part.stop
        if part.offset == stop:
            return
        self._progress.begin_transfer()
        try:
            with open_range(self._source, entry, part.offset, stop) as body:
                if part.hashed and not part.offset:
                    part.download.promise(getattr(body, "checksums", {}))
                while self._fill_buffer(part, body, buffer):
                    if part.offset == stop:
                        _check_end(body, buffer, part)
                        return
        finally:
            self._progress.end_transfer()
        if stop is not None:
            message = f"The store ended the transfer of {entry.key!r} after {part.offset} of {stop} bytes."
            raise TransferError(message)

    def _fill_buffer(self, part: "_Part", body: Readable, buffer: memoryview) -> bool:
        """Read until the buffer is full, then write and hash its bytes. Return False at the end of the transfer."""
        wanted = len(buffer) if part.stop is None else min(len(buffer), part.stop - part.offset)
        filled, more = 0, True
        try:
            while filled < wanted and more:
                count = body.readinto(buffer[filled:wanted])
                filled, more = filled + count, count > 0
                self._count_bytes(count)
        finally:  # also after an interruption
            if filled:
                part.write(buffer[:filled])
        return more

    def _count_bytes(self, count: int) -> None:
        if self._schedule.stopped.is_set():
            raise LoaderError(Reason.LOADER_FAILED, "The download of another file failed.")
        self._progress.add_bytes(count)
        if self._progress.bytes > self._limits.max_bytes:
            raise too_large_error(f"More than {self._limits.max_bytes} bytes were received.")


class _Part:
    """The part of a file that one worker transfers."""

    def __init__(self, download: _FileDownload, start: int, stop: int | None, *, hashed: bool) -> None:
        self.download = download
        self.offset = start
        self.stop = stop
        self.hashed = hashed
        """True if its bytes are hashed as they arrive."""
        self._write_behind = WriteBehind(download.descriptor, start)

    def write(self, data: memoryview) -> None:
        """Write the next bytes to their place, and hash them if it is their turn. Raises LoaderError (TooLarge)."""
        descriptor, offset = self.download.descriptor, self.offset
        with _REPORT_FULL_VOLUME:
            rest = data
            while rest:
                written = os.pwrite(descriptor, rest, offset)
                rest, offset = rest[written:], offset + written
        if self.hashed:
            if offset == len(data):
                self.download.start = bytes(data[:START_BYTES]) if offset >= START_BYTES else None
            self.download.update_hash(data)
        self.offset = offset
        self._write_behind.reach(offset)

    def restart(self, start: int) -> None:
        """Begin again at the start of the part."""
        self.offset = start
        self._write_behind = WriteBehind(self.download.descriptor, start)

    def complete(self) -> None:
        """Let the kernel write the rest, unless it is small: it is written with many others then."""
        self._write_behind.reach(self.offset, MIN_WRITE_BEHIND_BYTES)


def _check_end(body: Readable, buffer: memoryview, part: _Part) -> None:
    """Raise LoaderError if more bytes follow the last one of a part, or TransferError if its end is not marked."""
    if body.readinto(buffer[:1]):
        raise excess_bytes_error(part.download.entry, part.offset)


def parse_promises(entry: Entry, more: Mapping[str, str]) -> dict[str, bytes]:
    """Return the checksums of a file that can be compared: those of its listing, and those that came with its bytes."""
    promised = {**more, **entry.checksums}
    if entry.sha256 is not None:
        promised["sha256"] = entry.sha256
    if entry.size is None:
        promised.pop("git-sha1", None)  # it includes the size
    return parse_checksums(promised)


class _FullVolumeReporter:
    """Context manager that raises LoaderError instead of OSError for a volume without space.

    Used several times for each file, where a generator would take a percent of the time of a small one.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError) and (full := no_space_error(error)) is not None:
            raise full from None


_REPORT_FULL_VOLUME = _FullVolumeReporter()


def digest_mismatch_error(subject: str, *, expected: str, found: str, algorithm: str = "sha256") -> LoaderError:
    """Return the error for content whose digest is not the expected one."""
    name = {"sha256": "SHA-256 digest"}.get(algorithm, f"{algorithm} checksum")
    message = f"{subject} has the {name} {found} instead of {expected}: it was modified or damaged."
    if algorithm == "sha256":
        message += " If the change is intended, update model.sha256."
    return LoaderError(Reason.DIGEST_MISMATCH, message)


def too_large_error(cause: str) -> LoaderError:
    """Return the error for a model that exceeds a limit; `cause` is a sentence."""
    message = f"{cause} Raise model.cache.emptyDir.sizeLimit, or exclude files with model.loader.ignorePatterns."
    return LoaderError(Reason.TOO_LARGE, message)


def excess_bytes_error(entry: Entry, size: int) -> LoaderError:
    """Return the error for a store that sent more than it announced."""
    message = f"The store sent more than the announced {size} bytes of {entry.key!r}."
    return LoaderError(Reason.DIGEST_MISMATCH, message)
