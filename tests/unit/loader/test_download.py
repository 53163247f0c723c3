"""The download of files in parts: any order and any interruption gives the same bytes and digests."""

import errno
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from model_loader import download
from model_loader.backoff import Backoff
from model_loader.concurrency import MAX_WORKERS, MIN_WORKERS
from model_loader.digests import CHECKSUMS, FileHasher
from model_loader.download import Downloader, Readable, ResumeJournal
from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.manifest import Chunk, Entry, File, Listing
from model_loader.paths import Directory
from model_loader.progress import Progress
from model_loader.request import Limits
from model_loader.syscalls import preallocate
from tests.unit.loader.test_pipeline import volume_directory

Files = dict[str, bytes]


@dataclass
class Transfer:
    """A transfer that has begun. Each read returns the next number of bytes of `pieces`, or raises at the limit."""

    store: "PieceStore"
    content: bytes
    checksums: dict[str, str]

    def readinto(self, view: memoryview) -> int:
        count = min(len(view), len(self.content), self.store.next_piece())
        view[:count] = self.content[:count]
        self.content = self.content[count:]
        return count


@dataclass
class PieceStore:
    """A store whose transfers come in pieces, some of them late, and fail after a number of pieces."""

    files: Files
    pieces: list[int] = field(default_factory=lambda: [1 << 20])
    left: int = 1 << 30
    """Pieces until `failure` is raised."""
    failure: Exception = field(default_factory=lambda: TransferError("cut"))
    delay: float = 0.0
    extra: bytes = b""
    checksums: dict[str, str] = field(default_factory=dict)
    """Sent with the first bytes of each file."""
    supports_parallel_reads: bool = True
    ranges: list[tuple[str, int, int | None]] = field(default_factory=list)
    gate: threading.Barrier | None = None
    """Holds the first transfers until there are enough of them."""
    now: int = 0
    most: int = 0
    """Transfers now and at most."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_piece(self) -> int:
        with self.lock:
            self.left -= 1
            piece = self.pieces[self.left % len(self.pieces)]
        if self.left < 0:
            raise self.failure
        if piece % 3 == 0:
            time.sleep(0.0002)
        return piece

    def entries(self, **more: object) -> list[Entry]:
        return [
            Entry(path=path, key=path, size=len(content), version=f"{hash(content)}", **more)  # type: ignore[arg-type]
            for path, content in self.files.items()
        ]

    def list_files(self) -> Listing:
        return Listing(entries=tuple(self.entries()), resolved_uri="s3://models/m")

    @contextmanager
    def open(self, entry: Entry, start: int, stop: int | None) -> Iterator[Readable]:
        with self.lock:
            self.ranges.append((entry.key, start, stop))
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.delay)
        with suppress(threading.BrokenBarrierError):
            if self.gate is not None:
                self.gate.wait()
        try:
            yield Transfer(self, self.files[entry.key][start:stop] + self.extra, {} if start else self.checksums)
        finally:
            with self.lock:
                self.now -= 1

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        raise AssertionError(entry, start, stop)

    def close(self) -> None:
        pass


class ChunkStore(PieceStore):
    """The same without `open`."""

    open = None  # type: ignore[assignment]

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        content = self.files[entry.key][start:stop] + self.extra
        while content:
            count = self.next_piece()
            yield content[:count]
            content = content[count:]


def run(volume: Path, store: PieceStore, entries: list[Entry] | None = None, **more: object) -> dict[str, File]:
    with (
        Directory.open(volume) as directory,
        closing(ResumeJournal(directory)) as journal,
        directory.replace_with_directory("tree") as root,
    ):
        progress = Progress(lambda *_: None, lambda _: None, timeout=60)
        downloader = Downloader(store, root, journal, Limits(), progress, **more)  # type: ignore[arg-type]
        files = downloader.download(store.entries() if entries is None else entries)
    return {file.path: file for file in files}


@contextmanager
def small_parts(part: int, buffer: int) -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    with (
        mock.patch.object(download, "PART_BYTES", part),
        mock.patch.object(download, "BUFFER_BYTES", buffer),
        mock.patch.object(download, "_CHECKPOINT_BYTES", 7),
        mock.patch.object(Backoff, "delay", return_value=0.0),
    ):
        yield
    sys.setswitchinterval(interval)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from([PieceStore, ChunkStore]),
    contents=st.lists(st.binary(max_size=200), min_size=1, max_size=3),
    pieces=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    part=st.integers(1, 64),
    buffer=st.integers(1, 64),
    kills=st.lists(st.integers(0, 60), max_size=3),
    cuts=st.lists(st.integers(2, 30), max_size=3),
)
def test_digests_do_not_depend_on_the_order_of_parts(
    *,
    kind: Callable[..., PieceStore],
    contents: list[bytes],
    pieces: list[int],
    part: int,
    buffer: int,
    kills: list[int],
    cuts: list[int],
) -> None:
    """Parts of any size, in any order, after loaders that ended anywhere and transfers that were cut anywhere."""
    files = {f"f{number}": content for number, content in enumerate(contents)}
    with volume_directory() as volume, small_parts(part, buffer):
        for left in kills:
            with suppress(LoaderError):
                run(volume, kind(files, pieces, left, failure=LoaderError(Reason.LOADER_FAILED, "killed")))
        for left in cuts:
            with suppress(TransferError):
                run(volume, kind(files, pieces, left))
        store = kind(files, pieces)
        checksums = {path: FileHasher(CHECKSUMS, size=len(content)) for path, content in files.items()}
        for path, content in files.items():
            checksums[path].update(content)
        entries = [
            Entry(
                path=entry.path,
                key=entry.key,
                size=entry.size,
                version=entry.version,
                checksums={name: (checksums[entry.path].checksum(name) or b"").hex() for name in CHECKSUMS},
            )
            for entry in store.entries()
        ]
        found = run(volume, store, entries)
        assert {path: file.blake3 for path, file in found.items()} == {
            path: blake3(content).hexdigest() for path, content in files.items()
        }
        assert all(file.verified == ("crc64nvme", "git-sha1", "sha256") for file in found.values())
        assert {path: (volume / "tree" / path).read_bytes() for path in files} == files


@pytest.mark.parametrize("algorithm", sorted(CHECKSUMS))
def test_content_of_another_checksum_is_refused(tmp_path: Path, algorithm: str) -> None:
    store = PieceStore({"f": b"content"})
    hasher = FileHasher([algorithm], size=7)
    hasher.update(b"Content")
    promised = (hasher.checksum(algorithm) or b"").hex()
    with pytest.raises(LoaderError, match=f"instead of {promised}: it was modified or damaged") as raised:
        run(tmp_path, store, store.entries(checksums={algorithm: promised}))
    assert raised.value.reason is Reason.DIGEST_MISMATCH


@pytest.mark.parametrize("is_listed", [False, True])
def test_checksum_sent_with_the_content_is_compared(tmp_path: Path, *, is_listed: bool) -> None:
    """S3 sends it with an object, not in a listing. Parts that come later are hashed with the first one."""
    content = os.urandom(1000)
    hasher = FileHasher(["crc64nvme", "md5"])
    hasher.update(content)
    sent = {name: (hasher.checksum(name) or b"").hex() for name in ("crc64nvme", "md5")}
    listed = {"md5": "0" * 32} if is_listed else {}
    store = PieceStore({"f": content}, checksums=sent)
    with small_parts(100, 50):
        found = run(tmp_path, store, store.entries(checksums=listed))
    assert found["f"].verified == ("crc64nvme",)
    store.checksums = {"crc64nvme": "0" * 16}
    with small_parts(100, 50), pytest.raises(LoaderError, match="crc64nvme checksum"):
        run(tmp_path, store, [Entry(path="f", key="f", size=1000, version="other")])


@pytest.mark.parametrize("kind", [PieceStore, ChunkStore])
@pytest.mark.parametrize("size", [0, 10, 300])
def test_bytes_after_the_end_are_refused(tmp_path: Path, kind: Callable[..., PieceStore], size: int) -> None:
    store = kind({"f": bytes(size)}, extra=b"x")
    if size == 0:
        assert run(tmp_path, store)["f"].size == 0  # nothing is transferred
        return
    with small_parts(100, 7), pytest.raises(LoaderError, match="sent more than the announced"):
        run(tmp_path, store)


@pytest.mark.parametrize("kind", [PieceStore, ChunkStore])
def test_missing_bytes_are_refused(tmp_path: Path, kind: Callable[..., PieceStore]) -> None:
    store = kind({"f": bytes(50)})
    entries = [Entry(path="f", key="f", size=51, version="1")]
    with small_parts(100, 7), pytest.raises(TransferError, match="after 50 of 51 bytes"):
        run(tmp_path, store, entries)


def test_idle_workers_share_a_large_file(tmp_path: Path) -> None:
    store = PieceStore({"f": os.urandom(1000)}, gate=threading.Barrier(MIN_WORKERS, timeout=5))
    with small_parts(100, 50):
        run(tmp_path, store)
    assert sorted(store.ranges) == [("f", start, start + 100) for start in range(0, 1000, 100)]
    assert store.most >= MIN_WORKERS


def test_workers_keep_to_their_file_while_there_are_others(tmp_path: Path) -> None:
    """So all bytes are hashed as they arrive, and none is read again."""
    store = PieceStore({f"{number}": os.urandom(400) for number in range(MIN_WORKERS * 4)})
    with (
        small_parts(100, 100),
        mock.patch.object(os, "preadv", side_effect=AssertionError),
        mock.patch.object(download._Schedule, "find_help_wanted", return_value=None),  # noqa: SLF001
    ):
        run(tmp_path, store)


def test_concurrency_grows_for_a_distant_store(tmp_path: Path) -> None:
    store = PieceStore({f"{number}": b"small" for number in range(600)}, delay=0.02)
    run(tmp_path, store)
    assert MIN_WORKERS < store.most <= MAX_WORKERS


def test_first_error_cancels_the_other_files(tmp_path: Path) -> None:
    store = PieceStore({f"{number}": b"small" for number in range(1000)}, delay=0.005)
    store.left, store.failure = 20, LoaderError(Reason.ACCESS_DENIED, "first")
    with pytest.raises(LoaderError, match="first"):
        run(tmp_path, store)
    assert len(store.ranges) < 20 + MAX_WORKERS


def test_open_files_are_closed_after_an_error(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - names only
    store = PieceStore({"f": bytes(1000), "g": bytes(1000)}, pieces=[3], left=90)
    store.failure = LoaderError(Reason.ACCESS_DENIED, "denied")
    with small_parts(100, 50), pytest.raises(LoaderError, match="denied"):
        run(tmp_path, store)
    assert len(os.listdir("/proc/self/fd")) == len(before)  # noqa: PTH208


def test_start_of_each_file_is_inspected(tmp_path: Path) -> None:
    seen: Files = {}
    store = PieceStore({"long": os.urandom(5000), "short": b"1", "none": b""}, pieces=[7])
    run(tmp_path, store, inspect=seen.__setitem__)
    assert seen == {path: content[: download.START_BYTES] for path, content in store.files.items()}


def test_space_of_a_large_file_is_reserved_first(tmp_path: Path) -> None:
    """The limit of the process on the size of files acts as a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        with (tmp_path / "f").open("wb") as file, pytest.raises(OSError) as raised:  # noqa: PT011
            preallocate(file.fileno(), 1 << 20)
        assert raised.value.errno == errno.EFBIG
        store = PieceStore({"f": bytes(1 << 17)})
        with mock.patch.object(download, "PART_BYTES", 1 << 10), pytest.raises(LoaderError) as refused:
            run(tmp_path, store)
        assert (refused.value.reason, store.ranges) == (Reason.TOO_LARGE, [])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("supports_parallel_reads", [False, True])
def test_large_files_are_written_to_the_disk_early(tmp_path: Path, *, supports_parallel_reads: bool) -> None:
    """So the sync at the end waits for little. Many small files are written together."""
    large = (2 * download.PART_BYTES) + (3 << 20)
    store = PieceStore({"f": bytes(large), "small": bytes(1000)}, supports_parallel_reads=supports_parallel_reads)
    started: list[tuple[int, int]] = []
    with mock.patch("model_loader.syscalls.start_writing", side_effect=lambda _, *range_: started.append(range_)):
        run(tmp_path, store)
    ends = [start + count for start, count in sorted(started)]
    assert [0, *ends] == [*(start for start, _ in sorted(started)), large]


def test_volume_without_reservations_gets_a_file_with_a_hole(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file, mock.patch("model_loader.syscalls._find_function", return_value=None):
        preallocate(file.fileno(), 1 << 20)
    assert (tmp_path / "f").stat().st_size == 1 << 20
