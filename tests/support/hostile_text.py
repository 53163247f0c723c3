"""Texts as another program may write them: halves of characters, controls, and more of it than expected."""

import re

from hypothesis import strategies as st

_PARTS = st.sampled_from(
    [
        "\ud800",
        "\udfff",
        "\x00",
        "\x1b[31m",
        "\x1b",
        "\x9b",
        "\r",
        "\n",
        "\t",
        "\u2028",
        "\u202e",
        "\ufeff",
        "😀",
        "é" * 700,
        "x" * 5000,
        "iris-6d4cf56db6-x2x7k",
        "Readiness probe failed: ",
        "MountVolume.SetUp failed ",
        "exceeded quota: ",
        "persistentvolumeclaim ",
        "OSError: [Errno 30] Read-only file system: '/app/\ud800/x' ",
        '{"reason": "ModelNotFound", "message": "bad \\ud800 \\u0000 text"}',
        '{"resolvedURI": "s3://\\udc00", "digest": "blake3:\\ud83d", "resolution": "\\ud83d", "files": 1e999}',
        '{"resolvedURI": "s3://x", "files": 99999999999999999999, "bytes": 1}',
    ]
)
HOSTILE_TEXTS = st.lists(_PARTS | st.text(st.characters(), max_size=5), max_size=4).map("".join)
_UNCLEAN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def is_clean(text: str) -> bool:
    """Return True if `text` is valid UTF-8 without control characters, apart from line feeds and tabs."""
    return _UNCLEAN.search(text) is None
