"""Digests of a file: BLAKE3, by which a model is identified, and the checksums that a store promises.

All of them are computed together, over the bytes in the order of the file. BLAKE3 is the one that b3sum prints. A store
may promise the SHA-256 of Git LFS and OCI, the blob name of Git (git-sha1), or the checksums of object stores: md5,
crc32, crc32c and crc64nvme.
"""

import hashlib
import re
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from blake3 import blake3

Buffer = Any
"""Bytes of a file: bytes, bytearray, memoryview (collections.abc.Buffer from Python 3.12)."""


class _Hash(Protocol):
    def update(self, data: Buffer, /) -> object: ...

    def digest(self) -> bytes: ...


class _Crc:
    """A cyclic redundancy check with the interface of hashlib. Its digest is in network order, as stores print it."""

    def __init__(self, calculate: Callable[[Buffer, int], int], size: int) -> None:
        self._calculate = calculate
        self._value = calculate(b"", 0)
        self._size = size

    def update(self, data: Buffer, /) -> None:
        self._value = self._calculate(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


def _build_crc(model: str, size: int) -> _Crc:
    import anycrc  # type: ignore[import-untyped]  # noqa: PLC0415 - only needed if a store promises such a checksum

    return _Crc(anycrc.Model(model).calc, size)


def _build_git_hash(size: int | None) -> _Hash:
    """Return the hash of a blob of Git, which covers its size (git-hash-object(1))."""
    return hashlib.sha1(b"blob %d\0" % (size or 0), usedforsecurity=False)


_DIGEST_BYTES = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "md5": 16, "git-sha1": 20, "sha256": 32}
CHECKSUMS = frozenset(_DIGEST_BYTES)
"""Algorithms that can be compared."""
_DAMAGE_CHECKS = ("crc64nvme", "crc32c", "crc32", "md5")
"""Checksums that only detect damage, the fastest of their kind first: MD5 takes longer than the transfer."""
_HEX = re.compile("[0-9A-Fa-f]+")


def _build_hash(algorithm: str, size: int | None) -> _Hash:
    match algorithm:
        case "sha256":
            return hashlib.sha256()
        case "md5":
            return hashlib.md5(usedforsecurity=False)
        case "git-sha1":
            return _build_git_hash(size)
        case "crc32":
            return _Crc(zlib.crc32, 4)
        case "crc32c":
            return _build_crc("CRC32-ISCSI", 4)
        case _:
            return _build_crc("CRC64-NVME", 8)


def parse_checksums(promised: Mapping[str, str]) -> dict[str, bytes]:
    """Return the promised checksums, in hexadecimal digits or Base64, that can be compared.

    Others are left out, such as the checksum of the checksums of the parts of an S3 object (`...-3`). Of several that
    only detect damage, the fastest is sufficient.
    """
    parsed = {}
    for algorithm, text in promised.items():
        if (size := _DIGEST_BYTES.get(algorithm)) is not None:
            is_hex = len(text) == 2 * size and _HEX.fullmatch(text)  # Base64 of four bytes is as long, but ends in ==
            try:
                value = bytes.fromhex(text) if is_hex else b64decode(text, validate=True)
            except ValueError:
                continue
            if len(value) == size:
                parsed[algorithm] = value
    needless = [algorithm for algorithm in _DAMAGE_CHECKS if algorithm in parsed][1:]
    return {algorithm: value for algorithm, value in parsed.items() if algorithm not in needless}


class FileHasher:
    """Computes all digests of one file."""

    def __init__(self, checksums: Iterable[str] = (), *, size: int | None = None) -> None:
        """Begin with no byte. `checksums` are names of CHECKSUMS; `size` is that of the file, which Git includes."""
        self._blake3 = blake3()
        self._size = size
        self._others: dict[str, _Hash] = {}
        self._update: tuple[Callable[[Buffer], object], ...] = (self._blake3.update,)
        self.add(checksums)

    def add(self, checksums: Iterable[str]) -> None:
        """Compute more checksums. Only possible before the first byte."""
        self._others |= {one: _build_hash(one, self._size) for one in checksums if one not in self._others}
        self._update = (self._blake3.update, *(other.update for other in self._others.values()))

    def update(self, data: Buffer) -> None:
        """Add the next bytes."""
        for update in self._update:
            update(data)

    @property
    def blake3(self) -> str:
        """BLAKE3 of the bytes so far, in hexadecimal digits."""
        return self._blake3.hexdigest()

    def checksum(self, algorithm: str) -> bytes | None:
        """Return a checksum of the bytes so far, or None if it is not computed."""
        other = self._others.get(algorithm)
        return None if other is None else other.digest()
