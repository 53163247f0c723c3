"""Objects, servers and programs of the loader benchmark."""

import gzip
import json
import os
import random
import subprocess
import sys
import tarfile
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import BenchError
from tests.environment.cluster.pki import Authority
from tests.environment.stores import s3
from tests.environment.stores.installing import python_tool
from tests.environment.stores.serving import Place, Store

ROOT = Path(__file__).parents[1]
LOADER, BOUND, SYNCED = "this loader", "network copy only", "s5cmd, then sync"
MIB = 1 << 20
_BLOCK_BYTES = 16 * MIB
_BOUND_RANGE_BYTES = 64 * MIB
_BOUND_WORKERS = 4
_COMMIT = "0123456789abcdef0123456789abcdef01234567"
S3_CASES: Mapping[str, tuple[int, int]] = {
    "one object of 1 GiB": (1, 1024 * MIB),
    "16 objects of 16 MiB": (16, 16 * MIB),
    "300 objects of 2 KiB": (300, 2048),
    "3,000 objects of 2 KiB": (3000, 2048),
}
"""Number and size in bytes of the objects."""
_FILE_CASE = "https, one file of 1 GiB"
_HUB_CASE = "hf, 4 files of 64 MiB in Git LFS"
_ARCHIVE_CASE = "https, a tar.gz of 1 GiB of weights"
_BOTO = """
import boto3, os, pathlib, sys
from concurrent.futures import ThreadPoolExecutor
prefix, target = sys.argv[1] + "/", pathlib.Path(sys.argv[2])
client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
pages = client.get_paginator("list_objects_v2").paginate(Bucket="models", Prefix=prefix)
keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda key: client.download_file("models", key, str(target / key[len(prefix):])), keys))
"""
_FSSPEC = """
import os, sys
import s3fs
files = s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"])
files.get("models/" + sys.argv[1] + "/", sys.argv[2] + "/", recursive=True)
"""
_PRESIGN = """
import boto3, botocore.config, os, sys
signing = botocore.config.Config(signature_version="s3v4")
client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"], config=signing)
for key in sys.stdin.read().split():
    print(client.generate_presigned_url("get_object", Params={"Bucket": "models", "Key": key}, ExpiresIn=86400))
"""
Command = Callable[[Path], list[str]]
"""Function that returns a command line that fills a directory."""


@dataclass(frozen=True)
class Case:
    """Something to download, and the programs that do."""

    name: str
    mib: float
    reference: str
    """Program with whose speed the others are compared."""
    peers: Mapping[str, Command]
    environment: Mapping[str, str] = field(default_factory=dict)


def _loader(uri: str, *more: str) -> Command:
    command = [sys.executable, "-m", "model_loader", "--allow-cidr", "127.0.0.0/8", "--uri", uri, *more]
    return lambda target: [*command, "--to", f"{target}/model"]


def _s5cmd_and_sync(s5cmd: Path, uri: str) -> Command:
    return lambda target: ["sh", "-c", f"{s5cmd} cp '{uri}' {target}/ && sync -f {target}"]


def _bound(ranges: Path, *more: str) -> Command:
    return lambda _: [sys.executable, str(ROOT / "bench" / "network_copy.py"), str(ranges), str(_BOUND_WORKERS), *more]


def build_cases(place: Place, work: Path, selected: str) -> list[Case]:
    """Start the servers and create the objects of the cases whose names contain a text."""
    return [*_build_s3_cases(place, work, selected), *_build_https_cases(place, work, selected)]


def _build_s3_cases(place: Place, work: Path, selected: str) -> list[Case]:
    if not any(selected in name for name in S3_CASES):
        return []
    store, bucket = s3.start(place)
    tools = python_tool("clients")
    python, fsspec = str(tools / "python"), str(python_tool("fsspec") / "python")
    environment = dict(store.environment) | {"S3_ENDPOINT_URL": store.url}
    cases = []
    for name, (count, size) in S3_CASES.items():
        if selected not in name:
            continue
        prefix = name.replace(" ", "-").replace(",", "")
        _create_files(bucket / prefix, count, size)
        keys = [f"{prefix}/{number:04}.bin" for number in range(count)]
        ranges = work / f"{prefix}.ranges"
        ranges.write_text(_list_ranges(dict.fromkeys(_presign(python, keys, store), size)))
        peers: dict[str, Command] = {
            LOADER: _loader(f"s3://models/{prefix}"),
            "s5cmd": lambda to, prefix=prefix: [str(tools / "s5cmd"), "cp", f"s3://models/{prefix}/*", f"{to}/"],  # type: ignore[misc]
            SYNCED: _s5cmd_and_sync(tools / "s5cmd", f"s3://models/{prefix}/*"),
            "boto3": lambda to, prefix=prefix: [python, "-c", _BOTO, prefix, str(to)],  # type: ignore[misc]
            "s3fs (fsspec)": lambda to, prefix=prefix: [fsspec, "-c", _FSSPEC, prefix, str(to)],  # type: ignore[misc]
            BOUND: _bound(ranges),
        }
        cases.append(Case(name, count * size / MIB, "s5cmd", peers, environment))
    return cases


def _build_https_cases(place: Place, work: Path, selected: str) -> list[Case]:
    """Start an https server with a file, an archive and a repository of the Hub."""
    files = work / "https"
    files.mkdir()
    port = place.port()
    authority = Authority.create("loader benchmark")
    authority.issue("server", names=("localhost", "127.0.0.1")).write(work, "server")
    certificate, key, trusted = work / "server.crt", work / "server.key", work / "authority.crt"
    trusted.write_bytes(authority.pair.certificate)
    command: list[str | Path] = [sys.executable, ROOT / "bench" / "file_server.py", files, str(port)]
    command += ["--certificate", certificate, "--key", key]
    place.start("https", command, ready=lambda: place.listens(port))
    url = f"https://localhost:{port}"
    environment = {"SSL_CERT_FILE": str(trusted), "HF_ENDPOINT": url, "CURL_CA_BUNDLE": str(trusted)}
    builders = {_FILE_CASE: _build_file_case, _HUB_CASE: _build_hub_case, _ARCHIVE_CASE: _build_archive_case}
    return [build(url, files, work, environment) for name, build in builders.items() if selected in name]


def _build_file_case(url: str, files: Path, work: Path, environment: Mapping[str, str]) -> Case:
    _create_files(files / "file", 1, 1024 * MIB)
    one = f"{url}/file/0000.bin"
    ranges = work / "file.ranges"
    ranges.write_text(_list_ranges({one: 1024 * MIB}))
    peers: dict[str, Command] = {
        LOADER: _loader(one),
        "curl": lambda target: ["curl", "--silent", "--show-error", "--output", f"{target}/model", one],
        BOUND: _bound(ranges, environment["SSL_CERT_FILE"]),
    }
    return Case(_FILE_CASE, 1024, "curl", peers, environment)


def _build_hub_case(url: str, files: Path, work: Path, environment: Mapping[str, str]) -> Case:
    """Build a repository with four large files in Git LFS, whose SHA-256 the Hub promises, and 20 small ones."""
    large, small = 4, 20
    name, resolved = "bench/model", files / "bench" / "model" / "resolve" / _COMMIT
    _create_files(resolved, large, 64 * MIB)
    siblings = []
    for number in range(large):
        content = resolved / f"{number:04}.bin"
        [digest] = _run(["sha256sum", str(content)]).split()[:1]
        lfs = {"size": 64 * MIB, "sha256": digest, "pointerSize": 134}
        siblings.append({"rfilename": content.name, "size": 64 * MIB, "blobId": digest[:40], "lfs": lfs})
    for number in range(small):
        content = resolved / f"{number}.json"
        content.write_text(json.dumps({"number": number}))
        [blob] = _run(["git", "hash-object", "--no-filters", str(content)]).split()
        siblings.append({"rfilename": content.name, "size": content.stat().st_size, "blobId": blob})
    listing = files / "api" / "models" / name / "revision" / "main"
    listing.parent.mkdir(parents=True)
    listing.write_text(json.dumps({"id": name, "sha": _COMMIT, "siblings": siblings}))
    ranges = work / "hub.ranges"
    sizes = {f"{url}/{one.relative_to(files)}": one.stat().st_size for one in resolved.iterdir()}
    ranges.write_text(_list_ranges(sizes))
    peers = {LOADER: _loader(f"hf://{name}"), BOUND: _bound(ranges, environment["SSL_CERT_FILE"])}
    return Case(_HUB_CASE, large * 64, BOUND, peers, environment)


def _build_archive_case(url: str, files: Path, _work: Path, environment: Mapping[str, str]) -> Case:
    """Build a tar.gz of one file of 1 GiB, half of whose bits are noise, as weights have."""
    archive, gunzip = files / "model.tar.gz", "gzip -dc (no download, no write)"
    generator = random.Random(1)  # noqa: S311 - noise
    block = array("f", (generator.gauss(0, 0.02) for _ in range(MIB))).tobytes()
    member, count = gzip.compress(block * 4, 6), 1024 // 16
    info = tarfile.TarInfo("model.bin")
    info.size = len(block) * 4 * count
    with archive.open("wb") as file:
        file.write(gzip.compress(info.tobuf()))
        for _ in range(count):
            file.write(member)
        file.write(gzip.compress(bytes(2 * tarfile.BLOCKSIZE)))
    peers: dict[str, Command] = {
        LOADER: _loader(f"{url}/{archive.name}", "--extract", "--max-bytes", str(4 << 30)),
        gunzip: lambda _: ["gzip", "-dc", str(archive)],
        "tar -xzf (no download)": lambda target: ["tar", "-xzf", str(archive), "-C", str(target)],
    }
    return Case(_ARCHIVE_CASE, info.size / MIB, gunzip, peers, environment)


def _create_files(directory: Path, count: int, size: int) -> None:
    directory.mkdir(parents=True)
    for number in range(count):
        with (directory / f"{number:04}.bin").open("wb") as file:
            for start in range(0, size, _BLOCK_BYTES):
                file.write(os.urandom(min(_BLOCK_BYTES, size - start)))


def _list_ranges(sizes: Mapping[str, int]) -> str:
    lines = (
        f"{url} {start} {min(start + _BOUND_RANGE_BYTES, size)}\n"
        for url, size in sizes.items()
        for start in range(0, size, _BOUND_RANGE_BYTES)
    )
    return "".join(lines)


def _presign(python: str, keys: list[str], store: Store) -> list[str]:
    return _run([python, "-c", _PRESIGN], text="\n".join(keys), environment=store.environment).split()


def _run(command: list[str], *, text: str = "", environment: Mapping[str, str] | None = None) -> str:
    merged = {**os.environ, **(environment or {})}
    done = subprocess.run(command, input=text, env=merged, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise BenchError(f"{command[0]} failed: {done.stderr[-500:]}")
    return done.stdout
