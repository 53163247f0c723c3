"""Requests from the variables that the operator sets."""

from pathlib import Path

import pytest

from model_loader.errors import LoaderError
from model_loader.request import Request, parse_networks

GIVEN = {"MODEL_URI": "s3://a/b", "MODEL_PATH": "/cache/key"}


def test_environment_is_parsed() -> None:
    request = Request.from_environment(
        GIVEN
        | {
            "MODEL_REVISION": "main",
            "MODEL_SHA256": "0" * 64,
            "MODEL_ALLOW_PATTERNS": "*.bin\n*.json",
            "MODEL_IGNORE_PATTERNS": "x*",
            "MODEL_EXTRACT": "true",
            "MODEL_MAX_BYTES": "7",
            "MODEL_MAX_FILES": "3",
            "MODEL_TIMEOUT_SECONDS": "5",
            "MODEL_ALLOWED_CIDRS": "10.0.0.0/8 fc00::/7",
        }
    )
    assert (request.target, request.revision, request.extract) == (Path("/cache/key"), "main", True)
    assert (request.limits.max_bytes, request.limits.max_files, request.limits.timeout_seconds) == (7, 3, 5)
    assert len(request.allowed_networks) == 2
    assert [request.is_selected(path) for path in ("a/b.bin", "c.json", "x.bin", "d.md")] == [True, True, False, False]


def test_empty_variables_are_ignored() -> None:
    request = Request.from_environment(GIVEN | dict.fromkeys(("MODEL_REVISION", "MODEL_SHA256", "MODEL_MAX_FILES"), ""))
    assert (request.revision, request.sha256) == (None, None)
    assert request.is_selected("anything")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"MODEL_URI": ""}, "MODEL_URI must be set"),
        ({"MODEL_PATH": ""}, "MODEL_PATH must be set"),
        ({"MODEL_URI": "ftp://a/b"}, "it must begin with one of s3, gs"),
        ({"MODEL_URI": "/a/b"}, "write file:///a/b"),
        ({"MODEL_URI": "s3://a/b c"}, "spaces or control characters"),
        ({"MODEL_MAX_BYTES": "-1"}, "must be a positive whole number"),
        ({"MODEL_TIMEOUT_SECONDS": "soon"}, "must be a positive whole number"),
        ({"MODEL_ALLOWED_CIDRS": "10.0.0.1/8"}, "Invalid address range"),
    ],
)
def test_invalid_environment_is_reported(changes: dict[str, str], text: str) -> None:
    with pytest.raises(LoaderError, match=text):
        Request.from_environment(GIVEN | changes)


def test_networks_are_parsed() -> None:
    assert [str(network) for network in parse_networks(["10.0.0.0/8"])] == ["10.0.0.0/8"]
