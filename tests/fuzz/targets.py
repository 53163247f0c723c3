"""Functions to fuzz, one for each kind of input. Each returns, or raises LoaderError or a documented ValueError.

A new parser needs one line in TARGETS and a directory tests/fuzz/corpus/NAME with at least one valid input.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_loader import http_messages
from model_loader.archives import unpack_archive
from model_loader.download import ResumeJournal
from model_loader.errors import LoaderError
from model_loader.http_client import parse_origin, prepare_redirect
from model_loader.manifest import Entry, Manifest
from model_loader.paths import Directory
from model_loader.redaction import Redactor, redact_url
from model_loader.report import Report
from model_loader.request import Limits, Request
from model_loader.sources import (
    aws_identity,
    azure,
    azure_identity,
    gcs,
    google_identity,
    huggingface,
    mlflow,
    object_store,
    oci,
    presigned,
    s3,
    store_errors,
)
from model_loader.text import decode_json
from model_loader.uris import find_credential, find_right_form

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model_loader.sources.store import Page

Target = "Callable[[bytes], None]"
MEMORY = Path("/dev/shm")  # noqa: S108 - the directory of POSIX shared memory
_SUBJECT = "fuzzed"
_LIMITS = Limits(max_bytes=4 << 20, max_files=200, max_archive_ratio=50)
_BLOCK = 512
_COMPRESSIONS: tuple[Callable[[bytes], bytes], ...] = (
    bytes,
    lambda data: gzip.compress(data, 1),
    lambda data: bz2.compress(data, 1),
    lambda data: lzma.compress(data, preset=0),
)


def fuzz_archive(data: bytes) -> None:
    """Unpack an archive. The first byte selects a compression, and whether the checksums of tar headers are right."""
    choice, content = data[:1].ljust(1, b"\0")[0], data[1:]
    if choice & 8:
        content = _with_tar_checksums(content)
    content = _COMPRESSIONS[choice % len(_COMPRESSIONS)](content)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as place:
        archive, root = Path(place) / "archive", Path(place) / "root"
        archive.write_bytes(content)
        root.mkdir()
        with archive.open("rb") as file, Directory.open(root) as directory:
            with suppress(LoaderError):
                files = unpack_archive(file, directory, is_selected=lambda _: True, limits=_LIMITS)
                assert {one.path for one in files} == {path for path, _ in directory.walk() if (root / path).is_file()}
            assert sum(status.st_size for _, status in directory.walk()) <= 2 * _LIMITS.max_bytes
        assert {path.name for path in Path(place).iterdir()} == {"archive", "root"}


def _with_tar_checksums(data: bytes) -> bytes:
    """Return a tar whose headers have the checksum of their content, so that changes are read (POSIX, pax)."""
    blocks = bytearray(data)
    for start in range(0, len(blocks) - _BLOCK + 1, _BLOCK):
        if blocks[start + 257 : start + 262] == b"ustar":
            header = bytes(blocks[start : start + 148]) + b" " * 8 + bytes(blocks[start + 156 : start + _BLOCK])
            blocks[start + 148 : start + 156] = b"%06o\0 " % sum(struct.unpack(f"{_BLOCK}B", header))
    return bytes(blocks)


class _Replay:
    """Connection to a server that sends given bytes, in pieces."""

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)

    def recv_into(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        count = min(len(view), len(self._rest), 1 + len(self._rest) % 700)
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def sendall(self, data: Any, /) -> None:
        """Discard a request."""

    def settimeout(self, value: float | None, /) -> None:
        """Do nothing: nothing is waited for."""

    def close(self) -> None:
        """Do nothing."""


def fuzz_http(data: bytes) -> None:
    """Read a response of a server, head and body."""
    stream = http_messages.Stream(_Replay(data), "example.com")
    body = http_messages.Body(stream, http_messages.read_head(stream))
    view = memoryview(bytearray(1000))
    total = 0
    while count := body.readinto(view):
        total += count
    assert total <= len(data)


def fuzz_redirect(data: bytes) -> None:
    """Follow a redirect. No credential goes to another origin, and none to plain http."""
    url, secret = "https://store.example.com/a/b?c=d", {"Authorization": "Bearer canary", "Range": "bytes=0-"}
    target, headers = prepare_redirect(url, data.decode("latin-1"), secret)
    assert target.startswith("https://")
    assert ("Authorization" in headers) == (parse_origin(target) == parse_origin(url))


def fuzz_uri(data: bytes) -> None:
    """Check a URI of a model, and parse it as its source does."""
    uri = data.decode("utf-8", "surrogateescape")
    find_credential(uri)
    find_right_form(uri)
    redact_url(uri)
    request = Request(uri=uri, target=Path("x"))
    match request.scheme:
        case "models" | "runs":
            assert str(mlflow.parse_uri(uri))
        case "hf":
            assert huggingface.parse_uri(uri)[0]
        case "s3" | "gs" | "az" | "abfs" | "abfss":
            assert object_store.parse_bucket_and_prefix(uri)[0]
        case _:
            presigned.find_expiry(uri)


def fuzz_presigned(data: bytes) -> None:
    """Compare a presigned URL with the URI of a model, and read when it expires."""
    url = data.decode("utf-8", "surrogateescape")
    request = Request(uri="https://example.com/a", target=Path("x"), environment={"HTTP_URL": url})
    found = presigned.find_url(request)
    assert parse_origin(found) == parse_origin(request.uri)
    if presigned.is_expired(found, status=403, body=data):
        assert "example" not in presigned.expired_error(found).message


def fuzz_docker_config(data: bytes) -> None:
    """Find a login in a Docker configuration."""
    environment = {".dockerconfigjson": data.decode("utf-8", "surrogateescape")}
    request = Request(uri="oci+artifact://docker.io/library/iris:1", target=Path("x"), environment=environment)
    oci.OciArtifactSource(request).close()
    assert Redactor.from_environment(environment).redact("text")


def fuzz_hub(data: bytes) -> None:
    """Parse a repository of the Hub of Hugging Face."""
    repository = huggingface.parse_repository(data, _SUBJECT)
    assert all(entry.path and (entry.size or 0) >= 0 for entry in repository.entries)


def fuzz_mlflow(data: bytes) -> None:
    """Parse a response of MLflow as that of each request."""
    try:
        answer = decode_json(data)
    except (ValueError, RecursionError):
        return
    for parse in (
        mlflow.parse_alias,
        mlflow.parse_latest_version,
        mlflow.parse_artifact_uri,
        mlflow.parse_run,
        mlflow.parse_logged_model,
        mlflow.parse_logged_models,
        mlflow.parse_artifacts,
    ):
        with suppress(ValueError):
            parse(answer)


def fuzz_oci_manifest(data: bytes) -> None:
    """Parse a manifest of an artifact."""
    for unpacks in (False, True):
        with suppress(LoaderError):
            assert all(entry.sha256 for entry in oci.parse_manifest(data, _SUBJECT, is_archive=unpacks))


def fuzz_listing(data: bytes) -> None:
    """Parse a page of a listing as that of each object store, in pieces."""
    pieces = [data[index : index + 37] for index in range(0, len(data), 37)]
    parsers: tuple[Callable[[], Page], ...] = (
        lambda: s3.parse_list_page(pieces, _SUBJECT),
        lambda: azure.parse_list_page(pieces, _SUBJECT),
        lambda: gcs.parse_list_page(data, _SUBJECT),
    )
    for parse in parsers:
        with suppress(LoaderError):
            assert all((one.size or 0) >= 0 and isinstance(one.key, str) for one in parse().found)


def fuzz_token(data: bytes) -> None:
    """Parse the responses of services that issue tokens, and the error codes of stores."""
    parsers: tuple[Callable[[bytes], Any], ...] = (
        lambda body: oci.parse_token(body, _SUBJECT),
        aws_identity.parse_assumed_role,
        aws_identity.parse_container_credentials,
        google_identity.parse_metadata_token,
        azure_identity.parse_token,
        store_errors.parse_error_code,
        lambda body: azure_identity.parse_signature(body.decode("utf-8", "surrogateescape")),
    )
    for parse in parsers:
        with suppress(LoaderError, ValueError):
            parse(data)


def fuzz_volume(data: bytes) -> None:
    """Read what another program may have written to a claim: a marker, and the journal of a download."""
    manifest = Manifest.from_json(data.decode("utf-8", "replace"))
    if manifest is not None:
        assert Manifest.from_json(manifest.to_json()) == manifest
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as place:
        (Path(place) / "journal").write_bytes(data)
        with Directory.open(Path(place)) as directory:
            journal = ResumeJournal(directory)
            journal.lookup(Entry(path="a", key="a", size=1, version="1"))
            journal.close()


def fuzz_report(data: bytes) -> None:
    """Report a text of a store, which contains a credential."""
    text = data.decode("utf-8", "surrogateescape")
    redact = Redactor.from_environment({"HF_TOKEN": "canary-token", "OTHER_TOKEN": text}).redact
    line = Report(reason="Loaded", message=f"{text} canary-token {text}", uri=text).to_json_line(redact)
    assert "canary-token" not in line
    assert len(line.encode()) <= 4096


TARGETS: dict[str, Callable[[bytes], None]] = {
    "archive": fuzz_archive,
    "docker-config": fuzz_docker_config,
    "http": fuzz_http,
    "hub": fuzz_hub,
    "listing": fuzz_listing,
    "mlflow": fuzz_mlflow,
    "oci-manifest": fuzz_oci_manifest,
    "presigned": fuzz_presigned,
    "redirect": fuzz_redirect,
    "report": fuzz_report,
    "token": fuzz_token,
    "uri": fuzz_uri,
    "volume": fuzz_volume,
}
EXPECTED = (LoaderError,)
"""Exceptions that each function may raise."""


def read_corpus(name: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each committed input of a target."""
    for path in sorted((Path(__file__).parent / "corpus" / name).iterdir()):
        yield path.name, path.read_bytes()
