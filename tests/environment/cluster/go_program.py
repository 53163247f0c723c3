"""Go programs of this repository, such as a peer of the benchmark: built once per source, outside the work tree."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.environment.cluster.build import goarch
from tests.environment.cluster.directories import cache_directory
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.locks import waiting_lock
from tests.environment.cluster.progress import say, showing
from tests.environment.cluster.toolchain import go_command

FLAGS = ("-trimpath", "-buildvcs=false", "-ldflags=-s -w")


def go_program(source: Path, name: str, *, package: str = ".", module: Path | None = None) -> Path:
    """Return a program of a directory with a Go module, building it where the cache has none of this source.

    `module` is a directory whose go.mod and go.sum replace those of the source.
    """
    parent = cache_directory() / "bin" / name
    parent.mkdir(parents=True, exist_ok=True)
    program = parent / _key(source, module) / name
    with waiting_lock(parent / "lock", when_busy=lambda: say(f"Another run builds {name}; waiting for it.")):
        if not program.exists():
            with showing(f"Building {name}", lambda: ""), TemporaryDirectory(dir=parent) as temporary:
                draft = Path(temporary) / name
                _build(source, draft, package, module)
                program.parent.mkdir(exist_ok=True)
                draft.rename(program)
    return program


def _build(source: Path, draft: Path, package: str, module: Path | None) -> None:
    pins = (f"-modfile={module / 'go.mod'}",) if module else ()
    result = subprocess.run(
        [go_command(), "build", "-o", draft, *FLAGS, *pins, package],
        cwd=source,
        # Only go.mod decides what is built.
        env=os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise ClusterError(f"{source.name} cannot be built:\n{result.stderr[-2000:]}")


def _key(source: Path, module: Path | None) -> str:
    digest = hashlib.sha256(f"{FLAGS} {goarch()}".encode())
    pins = (module / "go.mod", module / "go.sum") if module else ()
    for path in (*sorted(source.iterdir()), *pins):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
