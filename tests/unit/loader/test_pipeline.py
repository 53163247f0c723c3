"""A whole, verified tree or nothing, whatever an earlier loader or another program left on the volume (I7, I8)."""

import errno
import gzip
import hashlib
import io
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_loader import paths, pipeline
from model_loader import volume as volume_module
from model_loader.backoff import Backoff
from model_loader.errors import LoaderError, Reason, TransferError
from model_loader.manifest import Chunk, Entry, Listing
from model_loader.pipeline import load_model
from model_loader.progress import JsonLogger, Progress
from model_loader.report import Report
from model_loader.request import Limits, Request
from model_loader.volume import Workspace
from tests.unit.loader.test_archives import build_tar

Files = dict[str, bytes]
MEMORY = Path("/dev/shm")  # noqa: S108 - the directory of POSIX shared memory


@dataclass
class MemoryStore:
    """A store in memory. Its versions change with the contents."""

    files: Files
    version: str = "1"
    size_known: bool = True
    supports_parallel_reads: bool = False

    def list_files(self) -> Listing:
        entries = tuple(
            Entry(
                path=path,
                key=path,
                size=len(content) if self.size_known else None,
                version=self.version and f"{self.version}-{hash(content)}",
            )
            for path, content in self.files.items()
        )
        return Listing(entries=entries, resolved_uri="s3://models/m", commit=f"{self.version}-{hash(str(self.files))}")

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        yield self.files[entry.key][start:stop]

    def close(self) -> None:
        pass


def load(volume: Path, store: MemoryStore, **options: object) -> Report:
    """Run the loader in this process. The resolution of the store is the expected one, as with updatePolicy Auto."""
    given_limits = options.pop("limits", None) or Limits()
    request = Request(
        uri="s3://models/m",
        target=volume / "model",
        resolution=store.list_files().resolution,
        limits=given_limits,  # type: ignore[arg-type]
        **options,  # type: ignore[arg-type]
    )
    log = JsonLogger(io.StringIO(), str)
    with mock.patch.object(pipeline, "open_source", return_value=store):
        return load_model(request, Progress(lambda *_: None, lambda _: None, timeout=60), log)


def read_tree(directory: Path) -> Files:
    """Regular files by their paths; a link or an empty directory is a difference too."""
    found: Files = {}
    for path in directory.rglob("*"):
        name = path.relative_to(directory).as_posix()
        if path.is_symlink():
            found[name] = b"-> " + os.fsencode(path.readlink())
        elif path.is_file():
            found[name] = path.read_bytes()
        elif not any(path.iterdir()):
            found[f"{name}/"] = b""
    return found


@contextmanager
def volume_directory() -> Iterator[Path]:
    # In memory where that is possible: each load syncs all its files.
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as directory:
        (Path(directory) / "volume").mkdir()
        yield Path(directory) / "volume"


SYSTEM_CALLS = ("open", "mkdir", "rename", "unlink", "rmdir", "write", "pwrite", "ftruncate", "fsync")


def run_killed(volume: Path, store: MemoryStore, *, calls: int, **options: object) -> bool:
    """Run the loader in another process and kill it before one of its system calls. Return False if it ended."""
    child = os.fork()
    if child == 0:
        left = [calls]

        def count(real: Callable[..., object]) -> Callable[..., object]:
            def call(*args: object, **keywords: object) -> object:
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
                return real(*args, **keywords)

            return call

        for name in SYSTEM_CALLS:
            setattr(os, name, count(getattr(os, name)))
        with suppress(BaseException):
            load(volume, store, **options)
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def pack(files: Files) -> Files:
    return {"m.tar.gz": gzip.compress(build_tar(files), mtime=0)}


FIRST = {"a/b": b"1" * 300, "archive/x": b"2", "c": b"3" * 200, "tree/y": b"4", "journal": b"5"}
THEN = {"a": b"6", "archive": b"7" * 99, "c/d": b"8", "tree": b"9", "e": b"10"}


@dataclass(frozen=True)
class Change:
    """Contents of a store at first and then, and what is published of them."""

    first: Files
    then: Files
    extract: bool = False
    step: int = 1
    """Distance of the system calls before which the loader is killed."""

    def list_first(self) -> Files:
        return pack(self.first) if self.extract else self.first

    def list_then(self) -> Files:
        return pack(self.then) if self.extract else self.then


CHANGES = {
    "files": Change(FIRST, THEN),
    "files, reversed": Change(THEN, FIRST, step=4),
    "files of equal names and sizes": Change(FIRST, {path: b"x" * len(text) for path, text in FIRST.items()}, step=2),
    "archive": Change(FIRST, THEN, extract=True, step=3),
    "archive, unchanged": Change(FIRST, FIRST, extract=True, step=4),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_load_after_any_kill_has_the_listed_tree(change: Change) -> None:
    """SIGKILL before each system call that changes the volume, then a store that lists something else."""
    calls, killed = 0, True
    while killed:
        with volume_directory() as volume:
            killed = run_killed(volume, MemoryStore(change.list_first()), calls=calls, extract=change.extract)
            assert read_tree(volume / "model") in ({}, change.first)
            load(volume, MemoryStore(change.list_then(), version="2"), extract=change.extract)
            assert read_tree(volume / "model") == change.then
            assert not [path for path in volume.iterdir() if "partial" in path.name]
        calls += change.step
    assert calls > 60


PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)


def is_tree(files: Files) -> bool:
    return not any(other.startswith(f"{path}/") for path in files for other in files)


TREES = st.dictionaries(PATHS, st.binary(min_size=1, max_size=4), min_size=1, max_size=4).filter(is_tree)


MANY = {f"{number}": b"%d" % number for number in range(100)}


@pytest.mark.parametrize("has_syncfs", [True, False])
@pytest.mark.parametrize("files", [FIRST, MANY], ids=["few", "many"])
def test_tree_is_synced_before_it_is_published(tmp_path: Path, files: Files, *, has_syncfs: bool) -> None:
    """Few files are synced one by one; for many there is one call, if the system has it."""
    steps: list[str] = []

    def record(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            steps.append(name)
            return real(*arguments)

        return call

    with (
        mock.patch.object(volume_module, "sync_file_system", record("all", lambda _: has_syncfs)),
        mock.patch.object(os, "fsync", record("one", os.fsync)),
        mock.patch.object(Workspace, "_rename_tree", record("rename", Workspace._rename_tree)),  # noqa: SLF001
    ):
        load(tmp_path, MemoryStore(files))
    before = steps[: steps.index("rename")]
    if files is MANY and has_syncfs:
        assert before == ["all", "one"]  # the marker
    else:
        assert before.count("one") > len(files)
    assert read_tree(tmp_path / "model") == files


def test_tree_without_the_requested_digest_is_loaded_again(tmp_path: Path) -> None:
    """SHA-256 is computed only if it is requested: the marker of an earlier load may not have it."""
    store = MemoryStore({"f": b"content"})
    load(tmp_path, store)
    digest = hashlib.sha256(b"content").hexdigest()
    assert load(tmp_path, store, sha256=digest).reason == "Loaded"
    assert load(tmp_path, store, sha256=digest).reason == "Cached"
    with pytest.raises(LoaderError, match=f"{digest} instead of {'0' * 64}"):
        load(tmp_path, store, sha256="0" * 64)


def test_tree_of_an_earlier_version_is_loaded_again(tmp_path: Path) -> None:
    store = MemoryStore(FIRST)
    load(tmp_path, store)
    marker = tmp_path / ".model.json"
    marker.write_text(marker.read_text().replace('"blake3": ', '"sha256": '))
    assert load(tmp_path, store).reason == "Loaded"
    assert read_tree(tmp_path / "model") == FIRST


@settings(max_examples=15, deadline=None)
@given(TREES, TREES, TREES, st.integers(0, 60), st.integers(0, 60))
@example({"a/b": b"1"}, {"a": b"2"}, {"a/b": b"3"}, 12, 12)
def test_load_after_two_kills_has_the_listed_tree(
    first: Files, second: Files, then: Files, calls: int, more_calls: int
) -> None:
    with volume_directory() as volume:
        run_killed(volume, MemoryStore(first), calls=calls)
        run_killed(volume, MemoryStore(second, version="2"), calls=more_calls)
        load(volume, MemoryStore(then, version="3"))
        assert read_tree(volume / "model") == then


OUTSIDE = {"keep": b"keep", "a/keep": b"keep", "journal": b"", "download/archive": b"keep"}


def write(directory: Path, files: Files) -> None:
    for path, content in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)


PLANTED = {
    ".model.partial": "",
    ".model.partial/tree": "",
    ".model.partial/tree/a": "a",
    ".model.partial/tree/a/b": "keep",
    ".model.partial/tree/c": "keep",
    ".model.partial/tree/more": "",
    ".model.partial/journal": "keep",
    ".model.partial/marker": "keep",
    ".model.partial/replaced": "",
    ".model.partial/download": "download",
    ".model.json": "keep",
}
"""Names on the volume and what a link in their place points to, below another directory."""


@pytest.mark.parametrize("hard", [False, True], ids=["link", "hard link"])
@pytest.mark.parametrize("extract", [False, True], ids=["files", "archive"])
@pytest.mark.parametrize(("name", "target"), PLANTED.items(), ids=PLANTED)
def test_planted_link_is_replaced(tmp_path: Path, name: str, target: str, *, extract: bool, hard: bool) -> None:
    """No link in the volume is followed for reading, writing or deleting."""
    outside, volume = tmp_path / "outside", tmp_path / "volume"
    write(outside, OUTSIDE)
    (volume / name).parent.mkdir(parents=True)
    if hard:
        if not (outside / target).is_file():
            return  # there are no hard links to directories
        (volume / name).hardlink_to(outside / target)
    else:
        (volume / name).symlink_to(outside / target)
    load(volume, MemoryStore(pack(FIRST) if extract else FIRST), extract=extract)
    assert read_tree(outside) == OUTSIDE
    assert read_tree(volume / "model") == FIRST
    assert all(path.stat().st_nlink == 1 for path in (volume / "model").rglob("*") if path.is_file())


@pytest.mark.parametrize("make", [Path.symlink_to, Path.hardlink_to])
def test_planted_lock_is_refused(tmp_path: Path, make: Callable[[Path, Path], None]) -> None:
    volume, other = tmp_path / "volume", tmp_path / "other"
    volume.mkdir()
    other.write_bytes(b"keep")
    make(volume / ".model.lock", other)
    with pytest.raises(LoaderError, match=r"\.model\.lock is a link, or not a regular file\. Delete it"):
        load(volume, MemoryStore(FIRST))
    assert other.read_bytes() == b"keep"


def test_link_in_place_of_the_published_tree_is_replaced(tmp_path: Path) -> None:
    """A link to an equal tree is not the published directory: what it points to may change."""
    volume = tmp_path / "volume"
    volume.mkdir()
    load(volume, MemoryStore(FIRST))
    (volume / "model").rename(tmp_path / "moved")
    (volume / "model").symlink_to(tmp_path / "moved")
    assert load(volume, MemoryStore(FIRST)).reason == "Loaded"
    assert not (volume / "model").is_symlink()
    assert read_tree(volume / "model") == read_tree(tmp_path / "moved") == FIRST


LEFT_OVERS = {
    "file in place of the partial directory": {".model.partial": b"x"},
    "file in place of the tree": {".model.partial/tree": b"x"},
    "directory in place of the journal": {".model.partial/journal/x": b"x"},
    "directory in place of a file": {".model.partial/tree/c/d/e": b"x"},
    "file in place of a directory": {".model.partial/tree/a": b"x"},
    "directory in place of the archive": {".model.partial/download/archive/x": b"x"},
    "file in place of its directory": {".model.partial/download": b"x"},
    "directory in place of the new marker": {".model.partial/marker/x": b"x"},
    "directory in place of the marker": {".model.json/x": b"x"},
    "file in place of the replaced tree": {".model.partial/replaced": b"x"},
    "journal of other lines": {".model.partial/journal": b'[["a"], 1]\n[1, "x", []]\n{}\n\xff\n' + b"[" * 9999},
}


@pytest.mark.parametrize("extract", [False, True], ids=["files", "archive"])
@pytest.mark.parametrize("left", LEFT_OVERS.values(), ids=LEFT_OVERS)
def test_left_over_that_does_not_fit_is_removed(tmp_path: Path, left: Files, *, extract: bool) -> None:
    write(tmp_path, left)
    load(tmp_path, MemoryStore(pack(FIRST) if extract else FIRST), extract=extract)
    assert read_tree(tmp_path / "model") == FIRST


@pytest.mark.parametrize("kind", ["fifo", "empty directory"])
def test_special_left_over_is_removed(tmp_path: Path, kind: str) -> None:
    for name in ("a", "more", "c"):
        path = tmp_path / ".model.partial" / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path) if kind == "fifo" else path.mkdir()
    load(tmp_path, MemoryStore(FIRST))
    assert read_tree(tmp_path / "model") == FIRST


ERRNOS = ("EISDIR", "ENOTDIR", "ENOTEMPTY", "EEXIST", "ELOOP", "EIO", "ESTALE", "EACCES", "ENAMETOOLONG")


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(SYSTEM_CALLS), st.integers(0, 12), st.sampled_from(ERRNOS))
def test_one_error_of_the_volume_is_survived(name: str, calls: int, errno_name: str) -> None:
    """Any one failure in the partial directory leads to one fresh attempt."""
    left = [calls]
    real = getattr(os, name)

    def fail_once(*args: object, **keywords: object) -> object:
        left[0] -= 1
        if left[0] == -1 and is_within_partial():
            raise OSError(getattr(errno, errno_name), "injected")
        return real(*args, **keywords)

    def is_within_partial() -> bool:
        return (volume / ".model.partial").exists()

    with volume_directory() as volume:
        store = MemoryStore(FIRST)
        with mock.patch.object(os, name, fail_once):
            load(volume, store)
        assert read_tree(volume / "model") == FIRST


class _CountingStore(MemoryStore):
    """Records which files are read."""

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self.reads: list[str] = []

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        self.reads.append(entry.path)
        return super().read(entry, start, stop)


def test_full_volume_is_reported_and_not_tried_again(tmp_path: Path) -> None:
    store = _CountingStore(FIRST)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with mock.patch.object(os, "pwrite", full), pytest.raises(LoaderError) as raised:
        load(tmp_path, store)
    assert raised.value.reason is Reason.TOO_LARGE
    assert len(store.reads) == len(set(store.reads))


def test_volume_that_ignores_case_yields_no_mixed_tree(tmp_path: Path) -> None:
    """As on SMB: names that the listing keeps apart are one file. Neither the listing nor the tree is believed."""
    real = os.open

    def fold(path: str | bytes | Path, *args: int, **keywords: int) -> int:
        return real(path.lower() if isinstance(path, str) and "dir_fd" in keywords else path, *args, **keywords)

    files = {"A.bin": b"1" * 100, "a.bin": b"2" * 50}
    with mock.patch.object(os, "open", fold):
        with pytest.raises(LoaderError, match=r"'A\.bin' and 'a\.bin'"):
            load(tmp_path, MemoryStore(files))
        with (
            mock.patch.object(paths, "_fold", str),
            pytest.raises(LoaderError, match="does not have the files that were written"),
        ):
            load(tmp_path, MemoryStore(files))
    assert not (tmp_path / "model").exists()


def replace_with(path: Path, make: Callable[[Path, Path], None], target: Path) -> None:
    path.unlink()
    make(path, target)


TAMPER: dict[str, Callable[[Path], object]] = {
    "more": lambda tree: (tree / "more").write_bytes(b""),
    "directory": lambda tree: (tree / "more").mkdir(),
    "size": lambda tree: (tree / "c").write_bytes(b"x"),
    "missing": lambda tree: (tree / "c").unlink(),
    "link": lambda tree: replace_with(tree / "c", Path.symlink_to, Path("/etc/hostname")),
    "hard link": lambda tree: replace_with(tree / "c", Path.hardlink_to, tree / "twin"),
}


@pytest.mark.parametrize("change", TAMPER.values(), ids=TAMPER)
def test_tree_that_differs_from_its_manifest_is_refused(tmp_path: Path, change: Callable[[Path], object]) -> None:
    files = FIRST | {"twin": FIRST["c"]}
    tree = tmp_path / ".model.partial" / "tree"
    with (
        mock.patch.object(pipeline, "check_plausible", side_effect=lambda *_: change(tree)),
        pytest.raises(LoaderError, match="does not have the files that were written"),
    ):
        load(tmp_path, MemoryStore(files))
    assert not (tmp_path / "model").exists()
    load(tmp_path, MemoryStore(files))
    assert read_tree(tmp_path / "model") == files


class _CutStore(MemoryStore):
    """Its first transfers end after some bytes, and each of them is of another content."""

    def __init__(self, contents: list[bytes], cuts: list[int], **options: object) -> None:
        super().__init__({"f": contents[0]}, **options)  # type: ignore[arg-type]
        self.contents, self.cuts = contents, cuts
        self.starts: list[int] = []

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:  # noqa: ARG002
        self.starts.append(start)
        transfer = len(self.starts) - 1
        content = self.contents[min(transfer, len(self.contents) - 1)]
        if transfer < len(self.cuts):
            yield content[start : max(self.cuts[transfer], start)]
            raise TransferError("cut")
        yield content[start:stop]


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 100), min_size=1, max_size=3), size_known=st.booleans())
def test_parts_without_a_version_are_never_joined(*, cuts: list[int], size_known: bool) -> None:
    """Each transfer begins at 0, so the published file is that of one transfer."""
    contents = [bytes([65 + number]) * 100 for number in range(len(cuts) + 1)]
    store = _CutStore(contents, cuts, version="", size_known=size_known, supports_parallel_reads=True)
    with volume_directory() as volume, mock.patch.object(Backoff, "delay", return_value=0.0):
        report = load(volume, store)
        assert read_tree(volume / "model") == {"f": contents[-1]}
    assert store.starts == [0] * (len(cuts) + 1)
    assert report.bytes == 100


def test_unversioned_file_is_never_divided(tmp_path: Path) -> None:
    content = os.urandom(9 << 20)
    store = _CutStore([content], [], version="", supports_parallel_reads=True)
    load(tmp_path, store)
    assert store.starts == [0]


PAGE = b"\n<!-- login --><!DOCTYPE html>\n<html><form action='/login'></form></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 123456789\n"
IMPLAUSIBLE = {
    "page": ({"model.pkl": PAGE}, "'model.pkl' is an HTML page"),
    "page with a mark": ({"main": b"\xef\xbb\xbf<HTML lang='en'>"}, "'main' is an HTML page"),
    "page of xml": ({"main": b"<?xml version='1.0'?>\n<html xmlns='x'>"}, "'main' is an HTML page"),
    "page among files": ({"a.bin": b"1", "b.bin": PAGE}, r"'b\.bin' is an HTML page"),
    "pointer": ({"m.bin": POINTER}, r"'m\.bin' is a pointer of Git LFS to 123456789 bytes"),
    "pointer with extensions": (
        {"m.bin": POINTER.replace(b"oid", b"ext-0-x sha256:00\noid")},
        "to 123456789 bytes",
    ),
    "pointer among files": ({"a.bin": b"1", "b/c.bin": POINTER, "d": b"2"}, r"'b/c\.bin' is a pointer"),
    "empty": ({"model.pkl": b""}, "is empty"),
    "only empty markers": ({"a/_SUCCESS": b"", "b": b""}, "Every file at s3://models/m is empty"),
}


@pytest.mark.parametrize("extract", [False, True], ids=["files", "archive"])
@pytest.mark.parametrize(("files", "message"), IMPLAUSIBLE.values(), ids=IMPLAUSIBLE)
def test_implausible_model_is_refused(tmp_path: Path, files: Files, message: str, *, extract: bool) -> None:
    store = MemoryStore(pack(files) if extract else files)
    for patterns in ((), ("*",)):
        with pytest.raises(LoaderError, match=message) as raised:
            load(tmp_path, store, extract=extract, allow_patterns=patterns)
        assert raised.value.reason is Reason.NOT_A_MODEL
        assert "name it in full in model.loader.allowPatterns" in raised.value.message
        assert not (tmp_path / "model").exists()
    load(tmp_path, store, extract=extract, allow_patterns=tuple(files))
    assert read_tree(tmp_path / "model") == files


@pytest.mark.parametrize("content", [PAGE, POINTER, b""], ids=["page", "pointer", "nothing"])
def test_page_in_place_of_an_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    for sha256 in (None, "0" * 64):
        with pytest.raises(LoaderError) as raised:
            load(tmp_path, MemoryStore({"m.tar": content}), extract=True, sha256=sha256)
        assert raised.value.reason is Reason.NOT_A_MODEL


PLAUSIBLE = {
    "page by its name": {"report.html": PAGE},
    "readme": {"README.md": b"<html>", "model.bin": b"1"},
    "empty file among others": {"__init__.py": b"", "model.bin": b"1"},
    "mention of a pointer": {"a.txt": POINTER + b"more"},
    "long pointer": {"a.txt": POINTER.replace(b"oid", b"x" * 2000 + b"\noid")},
    "xml": {"model.xml": b"<?xml version='1.0'?><net name='x'>"},
    "comment without an end": {"model.xml": b"<!--" * 200},
    "binary": {"model.bin": bytes(range(256))},
}


@pytest.mark.parametrize("files", PLAUSIBLE.values(), ids=PLAUSIBLE)
def test_unusual_models_are_loaded(tmp_path: Path, files: Files) -> None:
    load(tmp_path, MemoryStore(files))
    assert read_tree(tmp_path / "model") == files
