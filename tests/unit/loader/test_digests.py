"""Digests of files, and the checksums that stores promise."""

from base64 import b64encode
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_loader.digests import CHECKSUMS, FileHasher, parse_checksums


def hash_all(content: bytes) -> FileHasher:
    hasher = FileHasher(sorted(CHECKSUMS), size=len(content))
    hasher.update(content)
    return hasher


# The official test vectors of BLAKE3: the byte at position i is i modulo 251.
BLAKE3 = {
    0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
    1025: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
    102400: "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
}


@pytest.mark.parametrize(("size", "expected"), BLAKE3.items())
def test_blake3_has_the_official_values(size: int, expected: str) -> None:
    assert hash_all(bytes(index % 251 for index in range(size))).blake3 == expected


# The check values of the catalogue of CRC parameters, RFC 1321, FIPS 180-4; the last one is of git hash-object.
CHECKED = {
    "crc32": "cbf43926",
    "crc32c": "e3069283",
    "crc64nvme": "ae8b14860a799888",
    "md5": "25f9e794323b453885f5181f1b624d0b",
    "sha256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    "git-sha1": "e2e107ac61ac259b87c544f6e7a4eb03422c6c21",
}


@pytest.mark.parametrize(("algorithm", "expected"), CHECKED.items())
def test_checksum_has_the_published_value(algorithm: str, expected: str) -> None:
    found = hash_all(b"123456789").checksum(algorithm)
    assert found is not None
    assert found.hex() == expected


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_digests_do_not_depend_on_the_pieces(content: bytes, cuts: list[int]) -> None:
    whole, pieces = hash_all(content), FileHasher(CHECKSUMS, size=len(content))
    bounds = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    for start, stop in pairwise(bounds):
        pieces.update(memoryview(content)[start:stop])
    assert pieces.blake3 == whole.blake3
    assert all(pieces.checksum(one) == whole.checksum(one) for one in CHECKSUMS)


def encode_base64(value: bytes) -> str:
    return b64encode(value).decode()


@pytest.mark.parametrize("encode", [bytes.hex, encode_base64])
@given(content=st.binary(max_size=20))
def test_promises_are_read_in_both_encodings(encode: Callable[[bytes], str], content: bytes) -> None:
    values = {one: hash_all(content).checksum(one) or b"" for one in CHECKSUMS}
    assert {one: parse_checksums({one: encode(value)}) for one, value in values.items()} == {
        one: {one: value} for one, value in values.items()
    }


def test_one_check_for_damage_is_sufficient() -> None:
    values = {one: (hash_all(b"").checksum(one) or b"").hex() for one in CHECKSUMS}
    assert parse_checksums(values).keys() == {"crc64nvme", "sha256", "git-sha1"}
    del values["crc64nvme"], values["sha256"], values["git-sha1"]
    assert parse_checksums(values).keys() == {"crc32c"}


@given(st.dictionaries(st.sampled_from([*CHECKSUMS, "sha512"]), st.text(max_size=70)))
def test_promises_of_any_text_are_read_or_left_out(promised: dict[str, str]) -> None:
    assert parse_checksums(promised).keys() <= promised.keys() & CHECKSUMS


@pytest.mark.parametrize("text", ["", "4waSgw==-3", "e306928", "e3069283e3069283", "xyzxyzxy"])
def test_checksum_of_another_form_is_left_out(text: str) -> None:
    """S3 marks the checksum of the checksums of its parts with their number."""
    assert parse_checksums({"crc32c": text, "unknown": "00"}) == {}
