"""Unpack one untrusted archive into a directory (rules I5 and I6).

Only regular files and directories are unpacked, each of them through `paths`; links, devices and all other types are
refused. The limits are enforced while unpacking, since sizes that an archive states may be wrong. Nested archives are
not unpacked. An archive is read to its end, so that all its checksums are compared and a missing part is noticed.
"""

import bz2
import lzma
import os
import queue
import stat
import struct
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, Self

from model_loader.digests import FileHasher
from model_loader.errors import LoaderError, Reason
from model_loader.manifest import File
from model_loader.paths import Directory, PathSet, open_beneath, validate_path
from model_loader.request import Limits
from model_loader.syscalls import WriteBehind
from model_loader.volume import no_space_error

_READ_BYTES = 1 << 20
_CHUNK_BYTES = 256 << 10
_INPUT_BYTES = 64 << 10
"""Compressed bytes that are read together: what a chunk leaves of them is copied."""
_READ_AHEAD_CHUNKS = 8
_CLOSE_POLL_SECONDS = 0.1
_GZIP_WBITS = 31
"""A member of gzip with its header and trailer (zlib.h, inflateInit2)."""
_START_BYTES = 1024
"""Bytes of each file that are given to `inspect`."""
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
_ZIP_END_RECORD = struct.Struct("<4s4H2LH")
"""Disk, first disk, entries on this disk, entries, bytes, offset, length of the comment (APPNOTE.TXT, 4.3.16)."""
_ZIP64_END_RECORD = struct.Struct("<4sQ2H2L4Q")
"""The same with larger fields, without a comment (APPNOTE.TXT, 4.3.14)."""
_ZIP64_LOCATOR = struct.Struct("<4sLQL")
"""Position of the ZIP64 end record (APPNOTE.TXT, 4.3.15)."""
_ZIP_DIRECTORY_ENTRY = struct.Struct("<4s6H3L5H2L")
"""Fixed part of an entry; 10 to 12 are the lengths of its name, extra field and comment (APPNOTE.TXT, 4.3.12)."""
_ZIP_LOCAL_HEADER = struct.Struct("<4s3H")
"""Begin of the header before the content of a file: version and flags (APPNOTE.TXT, 4.3.7)."""
_MAX_ZIP_COMMENT_BYTES = 1 << 16
_MAX_ZIP_ENTRY_BYTES = 46 + 512
"""Size of a directory entry with a long name."""

Member = tuple[str, Callable[[], IO[bytes]]]
"""Name of a regular file, and a function that opens it."""


def unpack_archive(
    archive: IO[bytes],
    root: Directory,
    *,
    is_selected: Callable[[str], bool],
    limits: Limits,
    inspect: Callable[[str, bytes], None] | None = None,
    tree: "Tree | None" = None,
    checksums: Iterable[str] = (),
) -> tuple[File, ...]:
    """Write the selected files of a tar (plain, gzip, bzip2, xz) or zip archive below `root`. Raises LoaderError.

    The archive and its files together take at most `limits.max_bytes`, with all that is in the `tree` before, to which
    the files are added. `inspect` is given the path and the first bytes of each file, and may raise LoaderError.
    `checksums` are computed besides BLAKE3. The files are not synced to the disk.
    """
    is_whole_model = tree is None
    tree = Tree() if tree is None else tree
    budget = _UnpackBudget(limits, tree, archive_bytes=os.fstat(archive.fileno()).st_size)
    files: list[File] = []
    with _translate_errors():
        for name, open_content in _iter_members(archive, budget):
            path = _normalize_name(name)
            if is_selected(path):
                tree.paths.add(path)
                file, start = _write_member(open_content, root, path, budget, FileHasher(checksums))
                files.append(file)
                if inspect is not None:
                    inspect(path, start)
    tree.files += len(files)
    tree.bytes += sum(file.size for file in files)
    if not files and is_whole_model:
        raise no_selected_file_error("The archive contains")
    return tuple(files)


def no_selected_file_error(subject: str) -> LoaderError:
    """Return the error for archives of which the patterns select nothing."""
    message = f"{subject} no file selected by model.loader.allowPatterns and ignorePatterns."
    return LoaderError(Reason.MODEL_NOT_FOUND, message)


class Tree:
    """Files and archives of the same model that are on the volume already, and count for the limits."""

    def __init__(self, paths: Iterable[str] = (), *, bytes_on_volume: int = 0, subject: str = "The archive") -> None:
        """Begin with the files of `paths`. `subject` begins messages about names that collide."""
        self.paths = PathSet(f"{subject} contains")
        self.files = 0
        for path in paths:
            self.paths.add(path)
            self.files += 1
        self.bytes = bytes_on_volume
        """Bytes of all of them, without the archive that is being unpacked."""


class _UnpackBudget:
    """Limits on unpacked files and bytes, checked at each step."""

    def __init__(self, limits: Limits, tree: Tree, *, archive_bytes: int) -> None:
        self._limits = limits
        self._max_read_bytes = max(archive_bytes * limits.max_archive_ratio, _MIN_SIZE_LIMIT_BYTES)
        self._max_written_bytes = limits.max_bytes - archive_bytes - tree.bytes
        self._members = tree.files
        self._read_bytes = 0
        self._written_bytes = 0

    def count_member(self) -> None:
        self._members += 1
        self.check_member_count(self._members)

    def check_member_count(self, count: int) -> None:
        if count > self._limits.max_files:
            raise LoaderError(Reason.TOO_LARGE, f"The archive contains more than {self._limits.max_files} files.")

    def check_directory_size(self, size: int) -> None:
        """Raise LoaderError for a zip directory that is too large: zipfile reads all of it into memory."""
        if size > self._limits.max_files * _MAX_ZIP_ENTRY_BYTES:
            raise LoaderError(Reason.TOO_LARGE, f"The archive lists more than {self._limits.max_files} files.")

    def count_read(self, count: int) -> None:
        """Count decompressed bytes, also those that are not written."""
        self._read_bytes += count
        if self._read_bytes > self._max_read_bytes:
            why = f"more than {self._limits.max_archive_ratio} times its own size, which indicates a decompression bomb"
            raise LoaderError(Reason.TOO_LARGE, f"The archive unpacks to {why}.")

    def count_written(self, count: int) -> None:
        """Count bytes that are about to be written."""
        self._written_bytes += count
        if self._written_bytes > self._max_written_bytes:
            why = f"more than {self._limits.max_bytes} bytes. Raise model.cache.emptyDir.sizeLimit"
            raise LoaderError(Reason.TOO_LARGE, f"The archive and its files together take {why}.")


class _BoundedHeader(tarfile.TarInfo):
    """Header of a tar archive with limited size: tarfile reads extended headers into memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_BoundedHeader":
        is_end = len(buf) == tarfile.BLOCKSIZE and not any(buf)
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if is_end:
                raise
            # tarfile would take any damaged header but the first for the end of the archive.
            raise tarfile.ReadError(f"a file is followed by neither a file nor the end: {error}") from None
        if info.type in _EXTENDED_HEADER_TYPES and info.size > _MAX_HEADER_BYTES:
            raise tarfile.ReadError("a header of more than 1 MiB")
        return info


class _GzipReader:
    """Content of all members of a gzip file (RFC 1952). zlib compares the checksum and the size of each of them.

    gzip.GzipFile reads 8 KiB at a time before Python 3.12, and computes the checksum in a second pass.
    """

    def __init__(self, archive: IO[bytes]) -> None:
        self._archive = archive
        self._input = b""
        self._member = zlib.decompressobj(wbits=_GZIP_WBITS)

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none at the end. Raises zlib.error or EOFError for a damaged file."""
        while True:
            if not self._input:
                self._input = self._archive.read(_INPUT_BYTES)
            if self._member.eof:
                self._input = self._input.lstrip(b"\0")  # padding of tapes
                if not self._input and not (more := self._archive.read(_INPUT_BYTES)):
                    return b""
                if not self._input:
                    self._input = more
                    continue
                self._member = zlib.decompressobj(wbits=_GZIP_WBITS)
            elif not self._input:
                raise EOFError("its end is missing")
            content = self._member.decompress(self._input, size)
            self._input = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if content:
                return content


class _ReadAhead:
    """Decompresses the stream of a tar archive in another thread: zlib, bz2 and lzma release the GIL.

    It counts all bytes, also those of headers and of files that are not selected.
    """

    def __init__(self, read: Callable[[int], bytes], budget: _UnpackBudget) -> None:
        self._read = read
        self._budget = budget
        self._chunks: queue.Queue[bytes | BaseException] = queue.Queue(_READ_AHEAD_CHUNKS)
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="decompress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closed = True
        while self._thread.is_alive():
            with suppress(queue.Empty):
                self._chunks.get(timeout=_CLOSE_POLL_SECONDS)

    def _run(self) -> None:
        chunk: bytes | BaseException = b"-"
        while chunk and not self._is_closed:
            try:
                chunk = self._read(_CHUNK_BYTES)
            except BaseException as error:  # noqa: BLE001 - raised by the thread that reads
                self._chunks.put(error)
                return
            self._chunks.put(chunk)

    def read(self, _: int = -1) -> bytes:
        """Return the next bytes, of any number; none at the end."""
        chunk = self._chunks.get()
        if isinstance(chunk, BaseException) or not chunk:
            self._chunks.put(chunk)  # for the next call
        if isinstance(chunk, BaseException):
            raise chunk
        self._budget.count_read(len(chunk))
        return chunk


def _iter_members(archive: IO[bytes], budget: _UnpackBudget) -> Iterator[Member]:
    if _read_magic(archive).startswith((b"PK\3\4", b"PK\5\6")):
        yield from _iter_zip_members(archive, budget)
    else:
        yield from _iter_tar_members(archive, budget)


def _iter_zip_members(archive: IO[bytes], budget: _UnpackBudget) -> Iterator[Member]:
    _check_zip_directory(archive, budget)
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
                _check_zip_flags(archive, info)
                yield info.filename, partial(source.open, info)


def _check_zip_directory(archive: IO[bytes], budget: _UnpackBudget) -> None:
    """Count the entries of the directory of a zip archive before zipfile reads all of them into memory.

    All end records must state the same, as programs differ in which of them they believe.
    """
    file_bytes = os.fstat(archive.fileno()).st_size
    tail_start = max(file_bytes - _MAX_ZIP_COMMENT_BYTES - _ZIP_END_RECORD.size, 0)
    archive.seek(tail_start)
    tail = archive.read()
    position = tail.rfind(b"PK\5\6")
    if position < 0 or len(tail) - position < _ZIP_END_RECORD.size:
        raise zipfile.BadZipFile("its end record is missing")
    *record, comment = _ZIP_END_RECORD.unpack_from(tail, position)[1:]
    end = tail_start + position
    if end + _ZIP_END_RECORD.size + comment != file_bytes:
        raise zipfile.BadZipFile("its end record is not at its end")
    directory_end = end
    large = _read_zip64_record(archive, end)
    if large is not None:
        limits = (0xFFFF,) * 4 + (0xFFFFFFFF,) * 2
        if any(one not in {two, limit} for one, two, limit in zip(record, large, limits, strict=True)):
            raise zipfile.BadZipFile("its end records differ")
        record, directory_end = large, end - _ZIP64_LOCATOR.size - _ZIP64_END_RECORD.size
    disk, first_disk, entries_here, entries, size, offset = record
    budget.check_directory_size(size)
    if large is not None:
        budget.check_member_count(entries)
    start = directory_end - size
    if (disk, first_disk, entries_here) != (0, 0, entries) or not offset <= start:
        raise zipfile.BadZipFile("its end record does not fit its directory")
    count = _count_zip_entries(archive, start, directory_end, budget)
    # Some programs write more than 65,535 entries without a ZIP64 record.
    if entries != (count if large is not None else count & 0xFFFF):
        raise zipfile.BadZipFile(f"its directory has {count} entries instead of {entries}")


def _read_zip64_record(archive: IO[bytes], end: int) -> list[int] | None:
    """Return the fields of the ZIP64 record before the end record at `end`, or None if there is no such record."""
    start = end - _ZIP64_LOCATOR.size - _ZIP64_END_RECORD.size
    archive.seek(max(end - _ZIP64_LOCATOR.size, 0))
    locator = archive.read(_ZIP64_LOCATOR.size)
    if not locator.startswith(b"PK\6\7"):
        return None
    archive.seek(max(start, 0))
    content = archive.read(_ZIP64_END_RECORD.size)
    if start < 0 or not content.startswith(b"PK\6\6"):
        raise zipfile.BadZipFile("its ZIP64 end record is missing")
    return list(_ZIP64_END_RECORD.unpack(content)[4:])


def _count_zip_entries(archive: IO[bytes], start: int, stop: int, budget: _UnpackBudget) -> int:
    count, position = 0, start
    archive.seek(max(start, 0))
    while position < stop:
        content = archive.read(_ZIP_DIRECTORY_ENTRY.size)
        if start < 0 or len(content) < _ZIP_DIRECTORY_ENTRY.size or not content.startswith(b"PK\1\2"):
            raise zipfile.BadZipFile("its directory is damaged")
        count += 1
        budget.check_member_count(count)
        rest = sum(_ZIP_DIRECTORY_ENTRY.unpack(content)[10:13])
        archive.seek(rest, os.SEEK_CUR)
        position += _ZIP_DIRECTORY_ENTRY.size + rest
    if position != stop:
        raise zipfile.BadZipFile("its directory is damaged")
    return count


def _check_zip_flags(archive: IO[bytes], info: zipfile.ZipInfo) -> None:
    """Compare the flags of a file in the directory with those before its content: they decide how its name is read."""
    archive.seek(info.header_offset)
    content = archive.read(_ZIP_LOCAL_HEADER.size)
    utf8 = 0x800
    if len(content) < _ZIP_LOCAL_HEADER.size or (_ZIP_LOCAL_HEADER.unpack(content)[2] ^ info.flag_bits) & utf8:
        raise zipfile.BadZipFile("a file differs from its entry in the directory")


def _iter_tar_members(archive: IO[bytes], budget: _UnpackBudget) -> Iterator[Member]:
    with (
        _open_decompressed(archive) as read,
        _ReadAhead(read, budget) as stream,
        # Read as a stream, so that offsets stated in the archive are never used.
        tarfile.open(fileobj=stream, mode="r|", tarinfo=_BoundedHeader) as source,  # type: ignore[call-overload]
    ):
        for info in source:
            budget.count_member()
            if info.isdir():
                _validate_directory_name(info.name)
            elif not info.isreg() or info.issparse():
                raise _special_file_error(info.name)
            else:
                yield info.name, partial(_open_member, source, info)
            source.members.clear()  # tarfile would keep all of them in memory
        _check_tar_end(source.fileobj)


def _check_tar_end(stream: IO[bytes]) -> None:
    """Check that the first block of zeros, which was read, is followed by another one and by nothing else.

    Reading on to the end of a compressed archive also compares its last checksum.
    """
    content = stream.read(tarfile.BLOCKSIZE)
    if len(content) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("its end is missing")
    while content:
        if any(content):
            raise tarfile.ReadError("its end is followed by other data")
        content = stream.read(_READ_BYTES)


def _open_member(source: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = source.extractfile(info)
    if content is None:
        raise _special_file_error(info.name)
    return content


def _read_magic(archive: IO[bytes]) -> bytes:
    """Return the first bytes, which identify the format. The last bytes may belong to a nested archive."""
    archive.seek(0)
    start = archive.read(6)
    archive.seek(0)
    return start


@contextmanager
def _open_decompressed(archive: IO[bytes]) -> Iterator[Callable[[int], bytes]]:
    start = _read_magic(archive)
    if start.startswith(b"\x1f\x8b"):
        yield _GzipReader(archive).read
    elif start.startswith(b"BZh"):
        with bz2.open(archive) as stream:
            yield stream.read
    elif start.startswith(b"\xfd7zXZ\0"):
        with lzma.open(archive) as stream:
            yield stream.read
    else:
        yield archive.read


def _write_member(
    open_content: Callable[[], IO[bytes]], root: Directory, path: str, budget: _UnpackBudget, hasher: FileHasher
) -> tuple[File, bytes]:
    """Write one file. Return it and its first bytes."""
    size, start = 0, b""
    descriptor = open_beneath(root, path, flags=os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with open_content() as source, os.fdopen(descriptor, "wb", buffering=0) as target:
        write_behind = WriteBehind(descriptor)
        while chunk := source.read(_READ_BYTES):
            # The bytes of a tar archive were counted when its stream was read.
            if isinstance(source, zipfile.ZipExtFile):
                budget.count_read(len(chunk))
            budget.count_written(len(chunk))
            hasher.update(chunk)
            if len(start) < _START_BYTES:
                start += chunk[: _START_BYTES - len(start)]
            size += len(chunk)
            rest = memoryview(chunk)
            while rest:
                rest = rest[target.write(rest) :]
            write_behind.reach(size)
    sha256 = hasher.checksum("sha256")
    return File(path=path, size=size, blake3=hasher.blake3, sha256=None if sha256 is None else sha256.hex()), start


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
        struct.error,
        lzma.LZMAError,
        zlib.error,
    ) as error:
        raise _unreadable_error(error) from None


def _unreadable_error(error: Exception) -> LoaderError:
    why = str(error) or type(error).__name__
    message = f"The archive cannot be read ({why}). It must be a complete tar (plain, gzip, bzip2, xz) or zip archive."
    return LoaderError(Reason.UNSUPPORTED_KEY, message)
