"""Unpack one untrusted archive into a directory (rules I5 and I6).

Only regular files and directories are unpacked, each of them through `paths`; links, devices and all other types are
refused. The limits are enforced while unpacking, since sizes that an archive states may be wrong. Nested archives are
not unpacked.
"""

import bz2
import gzip
import hashlib
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from model_loader.errors import LoaderError, Reason
from model_loader.manifest import File
from model_loader.paths import open_beneath, validate_path
from model_loader.request import Limits
from model_loader.volume import no_space_error

_READ_BYTES = 1 << 20
_MIN_SIZE_LIMIT_BYTES = 16 << 20
"""Allowed for every archive, whatever the ratio: a few zeros compress a thousandfold."""
_MAX_HEADER_BYTES = 1 << 20
"""Maximum size of one extended header of a tar archive: names and attributes do not need more."""
_EXTENDED_HEADER_TYPES = frozenset(
    {
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }
)
_ZIP_END_RECORD_BYTES = 65_557
"""Maximum size of the end record of a zip archive: 22 bytes and a comment (APPNOTE.TXT, 4.3.16)."""
_ZIP64_SIZE_MARKER = 0xFFFFFFFF
"""Placeholder for a size that is in the ZIP64 record (APPNOTE.TXT, 4.4.1.4)."""
_MAX_ZIP_ENTRY_BYTES = 46 + 512
"""Size of a directory entry with a long name (APPNOTE.TXT, 4.3.12)."""

Member = tuple[str, Callable[[], IO[bytes]]]
"""Name of a regular file, and a function that opens it."""


def unpack_archive(
    archive: Path, root: Path, *, is_selected: Callable[[str], bool], limits: Limits
) -> tuple[File, ...]:
    """Write the selected files of a tar (plain, gzip, bzip2, xz) or zip archive below `root`. Raises LoaderError."""
    budget = _UnpackBudget(limits, compressed=archive.stat().st_size)
    root.mkdir(parents=True, exist_ok=True)
    files: dict[str, File] = {}
    with _translate_errors():
        for name, open_content in _iter_members(archive, budget):
            path = _normalize_name(name)
            if path in files:
                raise LoaderError(Reason.UNSUPPORTED_KEY, f"The archive contains the file {path!r} twice.")
            if is_selected(path):
                files[path] = _write_member(open_content, root, path, budget)
    if not files:
        message = "The archive contains no file selected by model.loader.allowPatterns and ignorePatterns."
        raise LoaderError(Reason.MODEL_NOT_FOUND, message)
    return tuple(files.values())


class _UnpackBudget:
    """Limits on unpacked files and bytes, checked at each step."""

    def __init__(self, limits: Limits, *, compressed: int) -> None:
        self._limits = limits
        self._max_bytes = min(limits.max_bytes, max(compressed * limits.max_archive_ratio, _MIN_SIZE_LIMIT_BYTES))
        self._is_limited_by_ratio = self._max_bytes < limits.max_bytes
        self._members = 0
        self._bytes = 0

    def count_member(self) -> None:
        self._members += 1
        if self._members > self._limits.max_files:
            raise LoaderError(Reason.TOO_LARGE, f"The archive contains more than {self._limits.max_files} files.")

    def check_directory_size(self, size: int) -> None:
        """Raise LoaderError for a zip directory that is too large: zipfile reads all of it into memory."""
        if size > self._limits.max_files * _MAX_ZIP_ENTRY_BYTES:
            raise LoaderError(Reason.TOO_LARGE, f"The archive lists more than {self._limits.max_files} files.")

    def count_bytes(self, count: int) -> None:
        self._bytes += count
        if self._bytes <= self._max_bytes:
            return
        if self._is_limited_by_ratio:
            why = f"more than {self._limits.max_archive_ratio} times its own size, which indicates a decompression bomb"
        else:
            why = f"more than {self._max_bytes} bytes. Raise model.cache.emptyDir.sizeLimit"
        raise LoaderError(Reason.TOO_LARGE, f"The archive unpacks to {why}.")


class _BoundedHeader(tarfile.TarInfo):
    """Header of a tar archive with limited size: tarfile reads extended headers into memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_BoundedHeader":
        info = super().frombuf(buf, encoding, errors)
        if info.type in _EXTENDED_HEADER_TYPES and info.size > _MAX_HEADER_BYTES:
            raise tarfile.ReadError("a header of more than 1 MiB")
        return info


class _CountingReader:
    """Decompressed stream of a tar archive that counts all bytes, also those of headers and skipped files."""

    def __init__(self, stream: IO[bytes], budget: _UnpackBudget) -> None:
        self._stream = stream
        self._budget = budget

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(min(size, _MAX_HEADER_BYTES) if size >= 0 else _MAX_HEADER_BYTES)
        self._budget.count_bytes(len(data))
        return data


def _iter_members(archive: Path, budget: _UnpackBudget) -> Iterator[Member]:
    if _read_magic(archive).startswith((b"PK\3\4", b"PK\5\6")):
        yield from _iter_zip_members(archive, budget)
    else:
        yield from _iter_tar_members(archive, budget)


def _iter_zip_members(archive: Path, budget: _UnpackBudget) -> Iterator[Member]:
    budget.check_directory_size(_read_zip_directory_size(archive))
    with zipfile.ZipFile(archive) as source:
        for info in source.infolist():
            budget.count_member()
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir():
                _validate_directory_name(info.filename)
            elif kind not in {0, stat.S_IFREG}:
                raise _special_file_error(info.filename)
            elif info.flag_bits & 1:
                raise LoaderError(Reason.UNSUPPORTED_KEY, f"The file {info.filename!r} in the archive is encrypted.")
            else:
                yield info.filename, partial(source.open, info)


def _read_zip_directory_size(archive: Path) -> int:
    """Return the size of the directory of a zip archive, from its end record (APPNOTE.TXT, 4.3.14 and 4.3.16)."""
    with archive.open("rb") as file:
        file.seek(max(archive.stat().st_size - _ZIP_END_RECORD_BYTES - 76, 0))
        tail = file.read()
    end, large = tail.rfind(b"PK\5\6"), tail.rfind(b"PK\6\6")
    if end < 0:
        return 0  # zipfile reports the problem
    size = int.from_bytes(tail[end + 12 : end + 16], "little")
    return (
        int.from_bytes(tail[large + 40 : large + 48], "little") if size == _ZIP64_SIZE_MARKER and large >= 0 else size
    )


def _iter_tar_members(archive: Path, budget: _UnpackBudget) -> Iterator[Member]:
    with _open_decompressed(archive) as stream:
        counting_reader = _CountingReader(stream, budget)
        # Read as a stream, so that offsets stated in the archive are never used.
        with tarfile.open(fileobj=counting_reader, mode="r|", tarinfo=_BoundedHeader) as source:  # type: ignore[call-overload]
            for info in source:
                budget.count_member()
                if info.isdir():
                    _validate_directory_name(info.name)
                elif not info.isreg() or info.issparse():
                    raise _special_file_error(info.name)
                else:
                    yield info.name, partial(_open_member, source, info)
                source.members.clear()  # tarfile would keep all of them in memory


def _open_member(source: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = source.extractfile(info)
    if content is None:
        raise _special_file_error(info.name)
    return content


def _read_magic(archive: Path) -> bytes:
    """Return the first bytes, which identify the format. The last bytes may belong to a nested archive."""
    with archive.open("rb") as file:
        return file.read(6)


@contextmanager
def _open_decompressed(archive: Path) -> Iterator[IO[bytes]]:
    with archive.open("rb") as raw:
        start = _read_magic(archive)
        if start.startswith(b"\x1f\x8b"):
            with gzip.open(raw) as stream:
                yield stream  # type: ignore[misc] # it reads bytes, which is sufficient
        elif start.startswith(b"BZh"):
            with bz2.open(raw) as stream:
                yield stream
        elif start.startswith(b"\xfd7zXZ\0"):
            with lzma.open(raw) as stream:
                yield stream
        else:
            yield raw


def _write_member(open_content: Callable[[], IO[bytes]], root: Path, path: str, budget: _UnpackBudget) -> File:
    digest, size = hashlib.sha256(), 0
    descriptor = open_beneath(root, path, flags=os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with open_content() as source, os.fdopen(descriptor, "wb") as target:
        while chunk := source.read(_READ_BYTES):
            # The bytes of a tar archive were counted when its stream was read.
            if isinstance(source, zipfile.ZipExtFile):
                budget.count_bytes(len(chunk))
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    return File(path=path, size=size, sha256=digest.hexdigest())


def _normalize_name(name: str) -> str:
    """Return `a/b` for `./a/b`, which many programs write, and validate the name."""
    return validate_path(name.removeprefix("./"))


def _validate_directory_name(name: str) -> None:
    directory = name.removeprefix("./").rstrip("/")
    if directory not in {"", "."}:
        validate_path(directory)


def _special_file_error(name: str) -> LoaderError:
    message = f"The archive's entry {name[:200]!r} is a link or a special file. Only regular files can be unpacked."
    return LoaderError(Reason.UNSUPPORTED_KEY, message)


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Convert exceptions of the archive libraries to LoaderError."""
    try:
        yield
    except OSError as error:
        known = no_space_error(error)
        if known is None and error.errno is None:
            raise _unreadable_error(error) from None
        raise known or error from None
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        EOFError,
        ValueError,
        NotImplementedError,
        RecursionError,
        lzma.LZMAError,
        zlib.error,
    ) as error:
        raise _unreadable_error(error) from None


def _unreadable_error(error: Exception) -> LoaderError:
    why = str(error) or type(error).__name__
    message = f"The archive cannot be read ({why}). It must be a complete tar (plain, gzip, bzip2, xz) or zip archive."
    return LoaderError(Reason.UNSUPPORTED_KEY, message)
