"""Comparison of the loader with other programs: interleaved runs over loopback.

All download from the same servers into an empty directory of the same disk. This loader compares digests and syncs its
files to the disk; the others do neither. The bound receives all bytes and discards them.
"""

import os
import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from bench.errors import BenchError
from bench.loader_cases import LOADER, ROOT, Case, build_cases
from bench.provenance import Provenance
from bench.report import markdown_table
from tests.environment.cluster.directories import cache_directory
from tests.environment.cluster.progress import say
from tests.environment.stores.serving import here

RESULTS = ROOT / "bench" / "LOADER.md"
ROUNDS = 5
_POLL_SECONDS = 0.005
_MIN_MIB = 100
"""Below, the CPU time is that of the start and of requests, not of bytes."""


@dataclass(frozen=True, slots=True)
class LoaderRun:
    """One run of one program."""

    seconds: float
    cpu: float
    mib: float
    """Largest resident memory."""


def measure_loader(rounds: int = ROUNDS, selected: str = "", programs: Sequence[str] = ()) -> str:
    """Measure all programs and return the tables; with all rounds and cases also write bench/LOADER.md.

    `selected` is a part of the names of the cases to measure; `programs` are the only ones to run.
    """
    publishes = rounds >= ROUNDS and not selected and not programs
    provenance = str(Provenance.current()) if publishes else ""
    with here() as place, TemporaryDirectory(dir=cache_directory(), prefix="bench-loader-") as name:
        work = Path(name)
        cases = build_cases(place, work, selected)
        if not cases:
            raise BenchError(f"No case has {selected!r} in its name.")
        results: dict[tuple[str, str], list[LoaderRun]] = {}
        for number in range(rounds):
            for case in cases:
                peers = [peer for peer in case.peers if not programs or peer in programs]
                shift = number % (len(peers) or 1)
                for peer in peers[shift:] + peers[:shift]:
                    measured = _run(case, peer, work / "target")
                    results.setdefault((case.name, peer), []).append(measured)
                    say(f"round {number + 1}/{rounds}, {case.name}, {peer}: {measured.seconds:.2f} s")
    text = _document(cases, results, rounds, provenance)
    if publishes:
        RESULTS.write_text(text)
    return text


def _run(case: Case, peer: str, target: Path) -> LoaderRun:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    os.sync()
    command = case.peers[peer](target)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "operator"), "HOME": str(target)}
    environment |= case.environment
    program = shutil.which(command[0]) or command[0]
    started = time.perf_counter()
    with Path(os.devnull).open("r+b") as nothing, TemporaryFile() as errors:
        outputs = ((nothing, 0), (nothing, 1), (errors, 2))
        actions = [(os.POSIX_SPAWN_DUP2, file.fileno(), descriptor) for file, descriptor in outputs]
        pid = os.posix_spawn(program, command, environment, file_actions=actions)
        memory, ended = 0.0, 0
        while not ended:
            # Not ru_maxrss, which starts with the memory of the parent process.
            memory = max(memory, _peak_memory(pid))
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            time.sleep(_POLL_SECONDS)
        errors.seek(0)
        last_words = errors.read()[:500].decode(errors="replace").strip()
    if status:
        raise BenchError(f"{peer}, {case.name} ended with {os.waitstatus_to_exitcode(status)}: {last_words}")
    return LoaderRun(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, memory)


def _peak_memory(pid: int) -> float:
    """Return the peak resident memory of a process in MiB (proc(5), VmHWM); 0 for one that has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0]) / 1024 if found else 0.0


def _document(
    cases: Sequence[Case], results: Mapping[tuple[str, str], list[LoaderRun]], rounds: int, provenance: str
) -> str:
    parts = [
        "# Loader benchmark\n",
        f"Written by `make bench-loader` {provenance}",
        f"with medians of {rounds} rounds. Each round runs all programs, in rotated order,",
        "over loopback, on the same machine as the store. This loader compares digests and syncs to the disk; the",
        "others do neither. The network copy only receives all bytes over four connections and discards them.\n",
    ]
    for case in cases:
        runs = {peer: results[case.name, peer] for peer in case.peers if (case.name, peer) in results}
        parts += [f"## {case.name[0].upper()}{case.name[1:]}\n", format_table(case, runs), ""]
    return "\n".join(parts)


def format_table(case: Case, runs: Mapping[str, list[LoaderRun]]) -> str:
    """Return the table of a case: medians, and speeds compared with that of its reference."""
    reference = case.reference if case.reference in runs else LOADER if LOADER in runs else next(iter(runs))
    compared = _median(runs[reference], "seconds")
    title = f"speed, {reference} = 1"
    rows = [["", "MiB/s", "seconds (min-max)", title, "CPU s", "CPU s per GiB", "peak memory, MiB"]]
    for peer, found in runs.items():
        seconds, cpu = _median(found, "seconds"), _median(found, "cpu")
        spread = f"{seconds:.2f} ({min(run.seconds for run in found):.2f}-{max(run.seconds for run in found):.2f})"
        per_gib = f"{cpu * 1024 / case.mib:.2f}" if case.mib >= _MIN_MIB else ""
        figures = [f"{case.mib / seconds:.0f}", spread, f"{compared / seconds:.2f}x", f"{cpu:.2f}", per_gib]
        rows.append([peer, *figures, f"{_median(found, 'mib'):.0f}"])
    return markdown_table(rows)


def _median(runs: list[LoaderRun], field: str) -> float:
    return float(statistics.median(getattr(run, field) for run in runs))
