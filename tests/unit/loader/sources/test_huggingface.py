"""Responses of the Hub of Hugging Face, and names of repositories."""

import json
from typing import Any

import pytest

from model_loader.errors import LoaderError
from model_loader.sources.huggingface import parse_repository, parse_uri
from tests.environment.stores.hub import git_blob

SHA = "0123456789abcdef" * 2 + "01234567"
LARGE = {"size": 5000, "sha256": "a" * 64, "pointerSize": 134}


def parse(*siblings: dict[str, Any], **fields: Any) -> Any:
    return parse_repository(json.dumps({"sha": SHA, "siblings": siblings, **fields}).encode(), "hf://org/iris")


def test_small_file_has_the_checksum_of_git() -> None:
    [entry] = parse({"rfilename": "a", "size": 5, "blobId": git_blob(b"hello")}).entries
    assert entry.checksums == {"git-sha1": "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"}
    assert entry.sha256 is None


def test_large_file_has_the_digest_of_lfs() -> None:
    """Its blob is that of the pointer, so it is not a checksum of the file."""
    [entry] = parse({"rfilename": "a", "size": 5000, "blobId": git_blob(b"pointer"), "lfs": LARGE}).entries
    assert (entry.sha256, dict(entry.checksums)) == ("a" * 64, {})


@pytest.mark.parametrize(
    "sibling", [{"rfilename": "a"}, {"rfilename": "a", "size": None}, {"rfilename": "a", "size": 1, "blobId": "x"}]
)
def test_file_without_details_has_no_checksum(sibling: dict[str, Any]) -> None:
    [entry] = parse(sibling).entries
    assert dict(entry.checksums) == {}


def test_configuration_of_git_is_left_out() -> None:
    assert [entry.path for entry in parse({"rfilename": ".gitattributes"}, {"rfilename": "a"}).entries] == ["a"]


@pytest.mark.parametrize(("name", "found"), [("org/new", "org/new"), ("gpt2", "gpt2"), ("a/../b", ""), (None, "")])
def test_current_name_is_read(name: Any, found: str) -> None:
    assert parse(id=name).name == found


@pytest.mark.parametrize(
    "sibling",
    [
        {},
        {"rfilename": ""},
        {"rfilename": 3},
        {"rfilename": "a", "size": "5"},
        {"rfilename": "a", "size": -1},
        {"rfilename": "a", "lfs": [1]},
        {"rfilename": "a", "lfs": {"sha256": "x"}},
        "a",
        None,
    ],
)
def test_response_of_another_form_is_refused(sibling: Any) -> None:
    with pytest.raises(LoaderError, match="not that of a Hub"):
        parse(sibling)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{}", b'{"sha": "main"}', b"[" * 100_000, b"\xff"])
def test_body_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(LoaderError, match="not that of a Hub"):
        parse_repository(body, "x")


@pytest.mark.parametrize(
    ("uri", "parsed"),
    [
        ("hf://org/iris", ("org/iris", "")),
        ("hf://gpt2", ("gpt2", "")),
        ("hf://org/iris.v2@main", ("org/iris.v2", "main")),
        ("hf://org/iris@refs/pr/1", ("org/iris", "refs/pr/1")),
        ("hf://org/iris@refs%2Fpr%2F1", ("org/iris", "refs/pr/1")),
    ],
)
def test_uri_names_repository_and_revision(uri: str, parsed: tuple[str, str]) -> None:
    assert parse_uri(uri) == parsed


@pytest.mark.parametrize("uri", ["hf://", "hf://-a/b", "hf://a/b-", "hf://a..b/c", "hf://a--b/c", "hf://a/b.git"])
def test_invalid_name_is_refused(uri: str) -> None:
    with pytest.raises(LoaderError, match="hf://ORGANISATION/REPOSITORY"):
        parse_uri(uri)
