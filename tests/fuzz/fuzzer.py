"""Runs a target with changed inputs of its corpus, and reduces a failing input.

The changes are drawn from a seeded generator: 20 to 100 times as many inputs per second as hypothesis, whose generated
JSON is tried by tests/unit/loader/sources/test_responses.py.
"""

from __future__ import annotations

import hashlib
import random
import re
import resource
import time
from typing import TYPE_CHECKING

from tests.fuzz.targets import EXPECTED, TARGETS, read_corpus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MAX_CPU_SECONDS = 5.0
"""Maximum CPU time of one input. The slowest ones are archives, which take up to 0.2 s."""
MAX_GROWTH_KIB = 128 << 10
"""Maximum growth of the memory of the process during a run."""
_MAX_BYTES = 64 << 10
_REDUCTION_SECONDS = 10.0
_TOKENS = (
    *(b"null", b"true", b"[]", b"{}", b"[[]]", b'""', b'"\\ud800"', b"-1", b"0", b"1e999", b"NaN", b"9" * 20, b"0.5"),
    *(b"../", b"/", b"\\", b"%2e%2e", b"%", b"%zz", b"\0", b"\r\n", b"\r\n\r\n", b" ", b"\t", b"\xff", "ü😀".encode()),
    *(b"<a>", b"</a>", b"<!DOCTYPE a>", b'<!ENTITY a "b">', b"&a;", b"&#0;", b"<![CDATA[", b"]]>", b"<?xml", b"--"),
    *(b"http://", b"https://", b"//", b"@", b":", b":99999", b"[", b"]", b"?", b"#", b"&", b"=", b";", b"localhost"),
    *(b"169.254.169.254", b"a" * 300, b"a/" * 40, b"[" * 2000, b"chunked", b"ffffffffffffffff", b"Content-Length: "),
    *(b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0" * 512, b"PK\x05\x06", b"PK\x06\x07", b"ustar", b"0000644", b"L", b"x"),
)
_VALUE = re.compile(rb'(?<=[:\[,])\s*(?:"[^"]*"|[\w.+-]+)|(?<=>)[^<]+')
"""Values of JSON and XML."""


def change(data: bytes, corpus: Sequence[bytes], rng: random.Random) -> bytes:
    """Return an input with up to eight changes."""
    for _ in range(rng.randint(0, 8)):
        start, length = rng.randint(0, len(data)), rng.randint(0, 64)
        match rng.randrange(8):
            case 0:
                data = data[:start] + rng.choice(_TOKENS) + data[start:]
            case 1:
                data = data[:start] + data[start + length :]
            case 2:
                data = data[:start] + rng.randbytes(rng.randint(0, 4)) + data[start + length % 5 :]
            case 3:
                data = data[:start] + data[start : start + length] * 3 + data[start + length :]
            case 4:
                other = rng.choice(corpus)
                data = data[:start] + other[rng.randint(0, len(other)) :]
            case 5 if rng.random() < 0.5:
                data = data[:start]
            case _:
                data = _replace_value(data, start, rng.choice(_TOKENS))
    return data[:_MAX_BYTES]


def _replace_value(data: bytes, start: int, token: bytes) -> bytes:
    """Replace the first value after an offset."""
    found = _VALUE.search(data, start)
    return data if found is None else data[: found.start()] + token + data[found.end() :]


def check(function: Callable[[bytes], None], data: bytes) -> None:
    """Run a target with one input. Raises AssertionError, or what the target must not raise."""
    started = time.process_time()
    try:
        function(data)
    except EXPECTED as error:
        _check_message(str(error))
    seconds = time.process_time() - started
    assert seconds < MAX_CPU_SECONDS, f"one input took {seconds:.1f} s"


def _check_message(message: str) -> None:
    assert message.rstrip().endswith("."), f"not a sentence: {message}"
    assert len(message) < 100_000, "a message of more than 100,000 characters"


def fuzz(name: str, seconds: float, *, seed: int = 0, failures: Path | None = None) -> int:
    """Run a target for some seconds and return the number of inputs. A failing input is reduced, written and raised."""
    stop, count, memory = time.monotonic() + seconds, 0, _peak_kib()
    function, rng = TARGETS[name], random.Random(f"{name} {seed}")
    corpus = [content for _, content in read_corpus(name)]
    while time.monotonic() < stop:
        data = change(rng.choice(corpus), corpus, rng)
        count += 1
        try:
            check(function, data)
        except Exception as error:
            reduced = reduce(function, data, type(error))
            if failures is not None:
                (failures / name / f"found-{hashlib.sha256(reduced).hexdigest()[:8]}").write_bytes(reduced)
            error.add_note(f"{name}, seed {seed}: {reduced[:500]!r}")
            raise
    growth = _peak_kib() - memory
    assert growth < MAX_GROWTH_KIB, f"{name}: the memory grew by {growth >> 10} MiB"
    return count


def reduce(function: Callable[[bytes], None], data: bytes, kind: type[Exception]) -> bytes:
    """Return a shorter input that fails alike: parts are removed while it does."""
    stop, size = time.monotonic() + _REDUCTION_SECONDS, len(data) // 2
    while size and time.monotonic() < stop:
        start = 0
        while start < len(data) and time.monotonic() < stop:
            shorter = data[:start] + data[start + size :]
            if _fails(function, shorter, kind):
                data = shorter
            else:
                start += size
        size //= 2
    return data


def _fails(function: Callable[[bytes], None], data: bytes, kind: type[Exception]) -> bool:
    try:
        check(function, data)
    except Exception as error:  # noqa: BLE001 - any error of the target
        return type(error) is kind
    return False


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
