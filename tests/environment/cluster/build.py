"""Builds the pinned programs once and keeps them outside the work tree.

A program lies at `<cache>/bin/<tool>/<key>/<program>`, where the key names its pins, flags and platform. It appears
there by a rename, so whatever is there is whole; a lock keeps two runs from building the same thing.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.environment.cluster.directories import cache_directory
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.locks import waiting_lock
from tests.environment.cluster.programs import Program, Source, kubernetes_version, source_of
from tests.environment.cluster.progress import say, showing
from tests.environment.cluster.toolchain import go_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "AMD64": "amd64"}


def programs(wanted: Iterable[Program], *, kubernetes: str = "", goos: str = sys.platform) -> dict[Program, Path]:
    """Return the path of each wanted program, building those that are not there yet.

    A ready-made one from the directory KUBEBUILDER_ASSETS is preferred; one of another version is refused. The control
    plane of an older minor version (`kubernetes`, such as 1.33) is always built.
    """
    found: dict[Program, Path] = {}
    missing: dict[Source, list[Program]] = {}
    for program in wanted:
        source = source_of(program, kubernetes)
        path = _ready_made_of(source, program) or _built(source, program, goos)
        if path.exists():
            found[program] = path
        else:
            missing.setdefault(source, []).append(program)
    for source, group in missing.items():
        _build(source, group, goos)
        found.update({program: _built(source, program, goos) for program in group})
    return found


def _ready_made_of(source: Source, program: Program) -> Path | None:
    return ready_made(program, os.environ) if source is source_of(program) else None


def is_built(program: Program) -> bool:
    """Return True if the program is in the cache."""
    return _built(source_of(program), program, sys.platform).exists()


def ready_made(program: Program, environment: Mapping[str, str]) -> Path | None:
    """Return the program from KUBEBUILDER_ASSETS, or None; raise ClusterError where its version is not the pin."""
    assets = environment.get("KUBEBUILDER_ASSETS")
    path = Path(assets) / program if assets else None
    if path is None or not path.is_file():
        return None
    source = source_of(program)
    version = _reported_version(path)
    # envtest ships the etcd that its Kubernetes release was tested with: the minor version tells compatibility.
    wanted = source.version.rpartition(".")[0] + "." if program is Program.ETCD else source.version
    if not version.startswith(wanted):
        raise ClusterError(
            f"KUBEBUILDER_ASSETS offers {program} {version or 'of an unknown version'}, the tests pin "
            f"{source.version}: point it to the binaries of Kubernetes {kubernetes_version()} or unset it."
        )
    return path


def _reported_version(program: Path) -> str:
    arguments = ["version", "--client"] if program.name == Program.KUBECTL else ["--version"]
    result = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    match = re.search(r"v?(\d+\.\d+\.\d+\S*)", result.stdout)
    return f"v{match.group(1)}" if match else ""


def _built(source: Source, program: Program, goos: str) -> Path:
    return cache_directory() / "bin" / source.folder / source.key(goos=goos, goarch=goarch()) / program


def goarch() -> str:
    """Return this machine's architecture by its name in Go and OCI."""
    machine = platform.machine()
    return GO_NAMES.get(machine, machine)


def _build(source: Source, wanted: list[Program], goos: str) -> None:
    folder = _built(source, wanted[0], goos).parent
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder.parent / "lock"
    with waiting_lock(lock, when_busy=lambda: say(f"Another process builds {source.folder}; waiting for it.")):
        missing = [program for program in wanted if not (folder / program).exists()]
        if missing:
            _compile(source, missing, folder, goos)


def _compile(source: Source, wanted: list[Program], folder: Path, goos: str) -> None:
    go = go_command()
    log = folder / "build.log"
    with TemporaryDirectory(dir=folder.parent) as temporary, log.open("wb") as output:
        # One package: the file's name is chosen here (the package of etcd's main is called "server").
        target = f"{temporary}/{wanted[0]}" if len(wanted) == 1 else f"{temporary}/"
        packages = [source.packages[program] for program in wanted]
        with showing(f"Building {', '.join(wanted)} {source.version}", lambda: f"({_lines(log)} packages)"):
            result = subprocess.run(
                [go, "build", "-v", "-o", target, *source.flags, *packages],
                cwd=source.path,
                env=_environment(source, goos),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if result.returncode:
            raise ClusterError(f"Building {', '.join(wanted)} failed; {log} ends with:\n{_tail(log)}")
        for program in wanted:
            (Path(temporary) / program).rename(folder / program)


def _environment(source: Source, goos: str) -> dict[str, str]:
    """Only the pins decide what is built: settings for the user's own Go work are put aside."""
    return os.environ | {
        "CGO_ENABLED": "1" if source.cgo else "0",
        "GOARCH": goarch(),
        "GOFLAGS": "-mod=readonly",
        "GOOS": goos,
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
