"""Untrusted archives (I5, I6)."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model_loader.archives import unpack_archive
from model_loader.errors import LoaderError, Reason
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
    files = unpack_archive(archive, root, is_selected=lambda _: True, limits=limits or Limits())
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
    content = os.urandom(3 * MIB)
    with pytest.raises(LoaderError, match="more than 2097152 bytes"):
        unpack(tmp_path, build_tar({"model": content}), limits=Limits(max_bytes=2 * MIB))


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
