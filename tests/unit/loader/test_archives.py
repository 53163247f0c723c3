"""Untrusted archives (I5, I6)."""

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_loader.archives import unpack_archive
from model_loader.errors import LoaderError, Reason
from model_loader.paths import Directory
from model_loader.request import Limits

MIB = 1 << 20
Members = dict[str, bytes]


def build_tar(members: Members, *special: tarfile.TarInfo) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in special:
            archive.addfile(info, io.BytesIO(b"\0" * info.size))
    return target.getvalue()


def build_zip(members: Members, *, kind: int = 0) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = kind << 16
            archive.writestr(info, content)
    return target.getvalue()


def build_special_entry(name: str, kind: bytes, target: str = "/etc/passwd") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def unpack(tmp_path: Path, content: bytes, *, limits: Limits | None = None) -> dict[str, bytes]:
    archive, root = tmp_path / "archive", tmp_path / "root"
    archive.write_bytes(content)
    root.mkdir()
    with archive.open("rb") as file, Directory.open(root) as directory:
        files = unpack_archive(file, directory, is_selected=lambda _: True, limits=limits or Limits())
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert {file.path: file.size for file in files} == {name: len(text) for name, text in found.items()}
    return found


MODEL = {"model.bin": b"weights" * 1000, "sub/config.json": b"{}"}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress], ids=["tar", "gz", "bz2", "xz"])
def test_tar_archives_are_unpacked(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    assert unpack(tmp_path, pack(build_tar(MODEL))) == MODEL


def test_zip_archives_are_unpacked(tmp_path: Path) -> None:
    assert unpack(tmp_path, build_zip(MODEL | {"empty/": b""})) == MODEL


def test_nested_archives_are_not_unpacked(tmp_path: Path) -> None:
    inner = build_zip(MODEL)
    assert unpack(tmp_path, build_tar({"./inner.zip": inner})) == {"inner.zip": inner}


UNSAFE_NAMES = ("../evil", "/evil", "a/../../evil", "a\\evil", "..", "a//b", "x" * 300)


@pytest.mark.parametrize("name", UNSAFE_NAMES)
@pytest.mark.parametrize("make", [build_tar, build_zip])
def test_path_traversal_is_refused(tmp_path: Path, make: Callable[[Members], bytes], name: str) -> None:
    content = make({name: b"evil"})
    with pytest.raises(LoaderError) as raised:
        unpack(tmp_path, content)
    assert raised.value.reason is Reason.UNSUPPORTED_KEY
    assert not list(tmp_path.rglob("*evil*"))


SPECIAL = (
    build_special_entry("link", tarfile.SYMTYPE),
    build_special_entry("link", tarfile.SYMTYPE, "../../outside"),
    build_special_entry("hard", tarfile.LNKTYPE, "model.bin"),
    build_special_entry("device", tarfile.CHRTYPE),
    build_special_entry("disk", tarfile.BLKTYPE),
    build_special_entry("pipe", tarfile.FIFOTYPE),
    build_special_entry("sparse", tarfile.GNUTYPE_SPARSE),
)


@pytest.mark.parametrize("info", SPECIAL, ids=lambda info: f"{info.name}-{info.linkname}")
def test_only_regular_files_are_unpacked(tmp_path: Path, info: tarfile.TarInfo) -> None:
    with pytest.raises(LoaderError) as raised:
        unpack(tmp_path, build_tar(MODEL, info))
    assert raised.value.reason is Reason.UNSUPPORTED_KEY
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_in_zip_are_refused(tmp_path: Path, kind: int) -> None:
    with pytest.raises(LoaderError, match="link or a special file"):
        unpack(tmp_path, build_zip({"link": b"/etc/passwd"}, kind=kind))


def test_file_below_a_link_of_the_archive_is_refused(tmp_path: Path) -> None:
    """CVE-2025-4517 and similar: a link, followed by a file below it."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(build_special_entry("a", tarfile.SYMTYPE, str(tmp_path)))
        info = tarfile.TarInfo("a/evil")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"evil"))
    with pytest.raises(LoaderError, match="link or a special file"):
        unpack(tmp_path, target.getvalue())
    assert not (tmp_path / "evil").exists()


def test_duplicate_name_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("model.bin")
    with pytest.raises(LoaderError, match="twice"):
        unpack(tmp_path, build_tar(MODEL, info))


BOMBS = {
    "zeros in zip": lambda: build_zip({"zeros": b"\0" * (64 * MIB)}),
    "zeros in tar.gz": lambda: gzip.compress(build_tar({"zeros": b"\0" * (64 * MIB)})),
    "zeros in tar.xz": lambda: lzma.compress(build_tar({"zeros": b"\0" * (64 * MIB)})),
    "many small zeros": lambda: build_zip({f"{number}": b"\0" * MIB for number in range(64)}),
}


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_decompression_bomb_is_stopped(tmp_path: Path, make: Callable[[], bytes]) -> None:
    with pytest.raises(LoaderError, match="times its own size") as raised:
        unpack(tmp_path, make())
    assert raised.value.reason is Reason.TOO_LARGE
    written = sum(path.stat().st_size for path in (tmp_path / "root").rglob("*") if path.is_file())
    assert written <= 32 * MIB


def test_size_limit_is_enforced(tmp_path: Path) -> None:
    """The archive and its files are on the volume at the same time."""
    content = build_tar({"model": os.urandom(3 * MIB)})
    with pytest.raises(LoaderError, match="together take more than 6291456 bytes"):
        unpack(tmp_path, content, limits=Limits(max_bytes=6 * MIB))
    assert (tmp_path / "root" / "model").stat().st_size + len(content) <= 6 * MIB


@pytest.mark.parametrize("make", [build_tar, build_zip])
def test_file_count_limit_is_enforced(tmp_path: Path, make: Callable[[Members], bytes]) -> None:
    with pytest.raises(LoaderError, match="more than 10 files"):
        unpack(tmp_path, make({f"{number}": b"" for number in range(5000)}), limits=Limits(max_files=10))


def test_large_header_is_not_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("header")
    info.type = tarfile.XHDTYPE
    info.size = 8 * MIB
    with pytest.raises(LoaderError, match="header of more than 1 MiB"):
        unpack(tmp_path, build_tar({}, info))


def test_endless_headers_are_refused(tmp_path: Path) -> None:
    def headers() -> Iterator[tarfile.TarInfo]:
        for _ in range(20_000):
            info = tarfile.TarInfo("header")
            info.type = tarfile.XHDTYPE
            yield info

    with pytest.raises(LoaderError):
        unpack(tmp_path, build_tar({}, *headers()))


DAMAGED = {
    "nothing": b"",
    "other content": b"hello" * 1000,
    "half a tar.gz": gzip.compress(build_tar(MODEL))[:-200],
    "half a tar": build_tar(MODEL)[:2000],
    "half a zip": build_zip(MODEL)[:-30],
    "a wrong checksum": build_zip(MODEL).replace(b"PK\1\2", b"PK\1\3"),
    "half an xz": lzma.compress(build_tar(MODEL))[:-50],
    "half a bz2": bz2.compress(build_tar(MODEL))[:-50],
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damaged_archive_is_reported(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(LoaderError) as raised:
        unpack(tmp_path, content)
    assert raised.value.reason in {Reason.UNSUPPORTED_KEY, Reason.MODEL_NOT_FOUND}
    assert raised.value.message.endswith(".")


def test_encrypted_zip_is_reported(tmp_path: Path) -> None:
    content = bytearray(build_zip({"secret": b"x"}))
    content[content.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(LoaderError, match="encrypted"):
        unpack(tmp_path, bytes(content))


def try_to_unpack(content: bytes) -> Members | None:
    """Return the files, or None if the archive is refused with a reason."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            return unpack(Path(directory), content)
        except LoaderError as error:
            if error.reason not in {Reason.UNSUPPORTED_KEY, Reason.MODEL_NOT_FOUND, Reason.TOO_LARGE}:
                raise
            return None


NOISE = {"weights.bin": bytes(range(256)) * 3, "b/é.json": b'{"a": 1}', "b/zeros": b"\0" * 700}
CHECKED = {
    "gz": gzip.compress(build_tar(NOISE)),
    "gz without compression": gzip.compress(build_tar(NOISE), compresslevel=0),
    "gz in two members": gzip.compress(build_tar(NOISE)[:1500]) + gzip.compress(build_tar(NOISE)[1500:]),
    "bz2": bz2.compress(build_tar(NOISE)),
    "xz": lzma.compress(build_tar(NOISE)),
    "zip": build_zip(NOISE),
}
"""Archives whose formats have checksums."""


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(CHECKED)), st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_flipped_bit_never_yields_other_files(form: str, place: float, bit: int) -> None:
    content = bytearray(CHECKED[form])
    content[int(place * len(content))] ^= 1 << bit
    assert try_to_unpack(bytes(content)) in (None, NOISE)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([*sorted(CHECKED), "tar"]), st.floats(0, 1, exclude_max=True))
def test_cut_archive_never_yields_fewer_files(form: str, place: float) -> None:
    content = CHECKED.get(form) or build_tar(NOISE)
    assert try_to_unpack(content[: int(place * len(content))]) in (None, NOISE)


@pytest.mark.parametrize("blocks", range(12))
def test_tar_without_its_end_is_refused(blocks: int) -> None:
    """Cut between any two blocks, also after a file: two blocks of zeros are the end (POSIX, pax)."""
    content = build_tar({"a": b"x" * 600, "b": b"y"})  # 3 and 2 blocks
    files = try_to_unpack(content[: blocks * 512])
    assert files == ({"a": b"x" * 600, "b": b"y"} if blocks >= 7 else None)


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_damaged_header_never_ends_a_tar(place: float, bit: int) -> None:
    """A plain tar has checksums for its headers only."""
    content = bytearray(build_tar(NOISE))
    headers = [n for n in range(0, len(content), 512) if content[n + 257 : n + 262] == b"ustar"]
    offset = headers[int(place * len(headers))] + int(place * 7919) % 500
    content[offset] ^= 1 << bit
    assert try_to_unpack(bytes(content)) in (None, NOISE)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress], ids=["tar", "gz", "bz2", "xz"])
def test_data_after_the_end_of_a_tar_is_refused(pack: Callable[[bytes], bytes]) -> None:
    assert try_to_unpack(pack(build_tar(NOISE) + build_tar({"more": b"more"}))) is None


def test_gzip_with_padding_at_its_end_is_unpacked() -> None:
    assert try_to_unpack(gzip.compress(build_tar(NOISE)) + bytes(100_000)) == NOISE


@pytest.mark.parametrize("more", [b"more", bytes(100_000) + b"\x1f", gzip.compress(b"more", mtime=0), b"\x1f\x8b"])
def test_gzip_followed_by_other_data_is_refused(more: bytes) -> None:
    assert try_to_unpack(gzip.compress(build_tar(NOISE)) + more) is None


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress], ids=["tar", "gz", "bz2", "xz"])
@pytest.mark.parametrize("limits", [Limits(max_bytes=9 << 20), Limits(max_files=1)], ids=["bytes", "files"])
def test_decompression_ends_with_a_refused_archive(pack: Callable[[bytes], bytes], limits: Limits) -> None:
    """The thread that decompresses is ahead by a few chunks when the first file is refused."""
    content = pack(build_tar({"a": bytes(1 << 20), "b": bytes(16 << 20)}))
    with tempfile.TemporaryDirectory() as directory, pytest.raises(LoaderError) as raised:
        unpack(Path(directory), content, limits=limits)
    assert raised.value.reason is Reason.TOO_LARGE
    assert "decompress" not in {thread.name for thread in threading.enumerate()}


@given(st.permutations(["a", "a/b", "c"]))
@example(["a/b", "a", "c"])
def test_file_beside_a_directory_of_its_name_is_refused(names: list[str]) -> None:
    for make in (build_tar, build_zip):
        with tempfile.TemporaryDirectory() as directory, pytest.raises(LoaderError) as raised:
            unpack(Path(directory), make(dict.fromkeys(names, b"x")))
        assert raised.value.reason is Reason.UNSUPPORTED_KEY
        assert "'a' as a file and as a directory" in raised.value.message


@pytest.mark.parametrize("names", [("a/B", "a/b"), ("é", "e\u0301"), ("D/x", "d/y")])
@pytest.mark.parametrize("make", [build_tar, build_zip])
def test_colliding_names_in_archives_are_refused(make: Callable[[Members], bytes], names: tuple[str, str]) -> None:
    with tempfile.TemporaryDirectory() as directory, pytest.raises(LoaderError, match="ignores case") as raised:
        unpack(Path(directory), make(dict.fromkeys(names, b"x")))
    first, second = (name.partition("/")[0] if name.endswith(("x", "y")) else name for name in names)
    assert repr(first) in raised.value.message
    assert repr(second) in raised.value.message


def build_zip64(members: Members, **stated: int) -> bytes:
    """Zip archive with a ZIP64 end record. `stated` are other values: small_size, large_size, count, large_count."""
    content = build_zip(members)
    *_, count, size, offset, _comment = struct.unpack("<4s4H2LH", content[-22:])
    end = len(content) - 22
    large_count = stated.get("large_count", count)
    large = struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, large_count, large_count, stated.get("large_size", size), offset
    )
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    small_count = stated.get("count", 0xFFFF)
    small = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, small_count, small_count, stated.get("small_size", 0xFFFFFFFF), offset, 0
    )
    return content[:end] + large + locator + small


def test_zip64_archive_is_unpacked(tmp_path: Path) -> None:
    assert unpack(tmp_path, build_zip64(MODEL)) == MODEL


@pytest.mark.parametrize(
    "stated",
    [{"small_size": 46}, {"count": 1}, {"large_count": 1}, {"large_count": 4}, {"large_size": 46}, {"large_size": 0}],
    ids=str,
)
def test_contradicting_zip_end_records_are_refused(stated: dict[str, int]) -> None:
    assert try_to_unpack(build_zip64(NOISE, **stated)) is None


def test_zip_entries_are_counted_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library reads the entire directory: an end record must not state another size or count than it believes."""
    many = {f"{number}": b"" for number in range(300)}
    hidden, few, honest = build_zip64(many, small_size=46, count=1), build_zip64(many, large_count=1), build_zip64(many)
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("zipfile read the directory"))
    for content, limits in ((hidden, Limits()), (few, Limits()), (honest, Limits(max_files=299))):
        with pytest.raises(LoaderError):
            unpack(tmp_path, content, limits=limits)
        (tmp_path / "root").rmdir()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4000), st.sampled_from([build_tar, build_zip, lambda files: gzip.compress(build_tar(files))]))
def test_archive_and_files_stay_within_the_limit(max_kib: int, make: Callable[[Members], bytes]) -> None:
    """At any limit, what is on the volume never exceeds it."""
    content = make(LARGE)
    with tempfile.TemporaryDirectory() as directory:
        try:
            assert unpack(Path(directory), content, limits=Limits(max_bytes=max_kib * 1024)) == LARGE
        except LoaderError as error:
            if error.reason is not Reason.TOO_LARGE:
                raise
        written = sum(path.stat().st_size for path in Path(directory, "root").rglob("*") if path.is_file())
        assert written == 0 or written + len(content) <= max_kib * 1024


LARGE = {f"{number}": os.urandom(200_000) for number in range(5)}
