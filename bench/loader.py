"""Comparison of the loader with other programs that download from S3: interleaved runs over loopback.

All download from the same server (versitygw on a directory) into an empty directory of the same disk. This loader
compares SHA-256 digests and syncs its files to the disk; the others do neither.
"""

import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.errors import BenchError
from bench.provenance import Provenance
from bench.report import markdown_table
from tests.environment.cluster.directories import cache_directory
from tests.environment.cluster.progress import say
from tests.environment.stores import s3
from tests.environment.stores.installing import python_tool
from tests.environment.stores.serving import Store, here

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "LOADER.md"
ROUNDS = 5
MIB = 1 << 20
_POLL_SECONDS = 0.005
CASES: Mapping[str, tuple[int, int]] = {
    "one object of 1 GiB": (1, 1024 * MIB),
    "16 objects of 16 MiB": (16, 16 * MIB),
    "300 objects of 2 KiB": (300, 2048),
}
"""Number and size in bytes of the objects."""
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


@dataclass(frozen=True, slots=True)
class LoaderRun:
    """One run of one program."""

    seconds: float
    cpu: float
    mib: float
    """Largest resident memory."""


def measure_loader(rounds: int = ROUNDS) -> str:
    """Measure all programs and return the tables; with all rounds also write bench/LOADER.md."""
    provenance = str(Provenance.current()) if rounds >= ROUNDS else ""
    with here() as host, TemporaryDirectory(dir=cache_directory(), prefix="bench-loader-") as name:
        store, bucket = s3.start(host)
        work = Path(name)
        for case, (count, size) in CASES.items():
            _create_objects(bucket / _prefix(case), count, size)
        results: dict[tuple[str, str], list[LoaderRun]] = {}
        peers = _peers()
        for number in range(rounds):
            order = list(peers)[number % len(peers) :] + list(peers)[: number % len(peers)]
            for case in CASES:
                for peer in order:
                    target = work / "target"
                    measured = _run(peers[peer](_prefix(case), target), target, store)
                    results.setdefault((peer, case), []).append(measured)
                    say(f"round {number + 1}/{rounds}, {case}, {peer}: {measured.seconds:.2f} s")
    text = _document(results, rounds, provenance)
    if rounds >= ROUNDS:
        RESULTS.write_text(text)
    return text


def _peers() -> dict[str, Callable[[str, Path], list[str]]]:
    tools = python_tool("clients")
    python, fsspec = str(tools / "python"), str(python_tool("fsspec") / "python")
    loader = [sys.executable, "-m", "model_loader", "--allow-cidr", "127.0.0.0/8"]
    return {
        "this loader": lambda prefix, target: [*loader, "--uri", f"s3://models/{prefix}", "--to", f"{target}/model"],
        "s5cmd": lambda prefix, target: [str(tools / "s5cmd"), "cp", f"s3://models/{prefix}/*", f"{target}/"],
        "boto3": lambda prefix, target: [python, "-c", _BOTO, prefix, str(target)],
        "s3fs (fsspec)": lambda prefix, target: [fsspec, "-c", _FSSPEC, prefix, str(target)],
    }


def _run(command: list[str], target: Path, store: Store) -> LoaderRun:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    os.sync()
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "operator"), "HOME": str(target)}
    environment |= dict(store.environment) | {"S3_ENDPOINT_URL": store.url}
    started = time.perf_counter()
    with Path(os.devnull).open("r+b") as nothing:
        actions = [(os.POSIX_SPAWN_DUP2, nothing.fileno(), descriptor) for descriptor in (0, 1, 2)]
        pid = os.posix_spawn(command[0], command, environment, file_actions=actions)
        memory, ended = 0.0, 0
        while not ended:
            # Not ru_maxrss, which starts with the memory of the parent process.
            memory = max(memory, _peak_memory(pid))
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            time.sleep(_POLL_SECONDS)
    if status:
        raise BenchError(f"{command[:3]} ended with {os.waitstatus_to_exitcode(status)}.")
    return LoaderRun(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, memory)


def _peak_memory(pid: int) -> float:
    """Return the peak resident memory of a process in MiB (proc(5), VmHWM); 0 for one that has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0]) / 1024 if found else 0.0


def _create_objects(directory: Path, count: int, size: int) -> None:
    directory.mkdir(parents=True)
    for number in range(count):
        with (directory / f"{number:03}.bin").open("wb") as file:
            for start in range(0, size, 16 * MIB):
                file.write(os.urandom(min(16 * MIB, size - start)))


def _prefix(case: str) -> str:
    return case.replace(" ", "-")


def _document(results: Mapping[tuple[str, str], list[LoaderRun]], rounds: int, provenance: str) -> str:
    peers = list(dict.fromkeys(peer for peer, _ in results))
    parts = [
        "# Loader benchmark\n",
        f"Written by `make bench-loader` {provenance}",
        f"with medians of {rounds} rounds. Each round runs all programs, in rotated order,",
        "over loopback, on the same machine as the store. This loader compares digests (SHA-256) and syncs to",
        "the disk; the others do neither.\n",
    ]
    for case, (count, size) in CASES.items():
        mib = count * size / MIB
        fastest = _median(results["s5cmd", case], "seconds")
        rows = [["", "MiB/s", "seconds (min-max)", "of s5cmd", "CPU s", "peak memory, MiB"]]
        for peer in peers:
            runs = results[peer, case]
            seconds = _median(runs, "seconds")
            spread = f"{seconds:.2f} ({min(run.seconds for run in runs):.2f}-{max(run.seconds for run in runs):.2f})"
            figures = [f"{mib / seconds:.0f}", spread, f"{fastest / seconds:.2f}x"]
            rows.append([peer, *figures, f"{_median(runs, 'cpu'):.2f}", f"{_median(runs, 'mib'):.0f}"])
        parts += [f"## {case[0].upper()}{case[1:]}\n", markdown_table(rows), ""]
    return "\n".join(parts)


def _median(runs: list[LoaderRun], field: str) -> float:
    return float(statistics.median(getattr(run, field) for run in runs))
