"""Builds the Go operator with the project's own Go, once per source, outside the work tree."""

import hashlib
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.commands import output_of
from tests.cluster.building import goarch
from tests.cluster.folders import cache_folder
from tests.cluster.locking import waiting_lock
from tests.cluster.progress import say, showing
from tests.cluster.toolchain import go_command

SOURCE = Path(__file__).parent / "peers" / "go"
_FLAGS = ("-trimpath", "-buildvcs=false", "-ldflags=-s -w")


def go_operator() -> Path:
    """Return the program, building it where the cache has none of this source."""
    parent = cache_folder() / "bin" / "bench-go-operator"
    parent.mkdir(parents=True, exist_ok=True)
    program = parent / _key() / "operator"
    with waiting_lock(parent / "lock", when_busy=lambda: say("Another run builds the Go operator; waiting for it.")):
        if not program.exists():
            with showing("Building the Go operator", lambda: ""), TemporaryDirectory(dir=parent) as temporary:
                draft = Path(temporary) / "operator"
                command = (go_command(), "build", "-o", draft, *_FLAGS, ".")
                output_of(command, what="Building the Go operator", folder=SOURCE, environment=_environment())
                program.parent.mkdir(exist_ok=True)
                draft.rename(program)
    return program


def required_version(module: str) -> str:
    """Return the version of a module that go.mod requires."""
    match = re.search(rf"^\t{re.escape(module)} (v\S+)", (SOURCE / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    return match[1] if match else "?"


def go_version() -> str:
    """Return the version of the compiler, such as go1.26.8."""
    return output_of((go_command(), "env", "GOVERSION"), what="Asking Go for its version").strip()


def _key() -> str:
    digest = hashlib.sha256(f"{_FLAGS} {goarch()}".encode())
    for path in sorted(SOURCE.iterdir()):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _environment() -> dict[str, str]:
    """Only go.mod decides what is built."""
    return os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}
