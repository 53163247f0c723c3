"""The plugin for krew: krew's own validator accepts it, and its launcher installs the wheel and runs it."""

import os
import subprocess
import tarfile
from pathlib import Path

from release.distributions import build_distributions
from release.krew import MANIFEST, PROGRAM, write_plugin
from release.settings import project_version
from tests.environment.cluster.go_program import go_program
from tests.environment.images.uv import find_uv

PINS = Path(__file__).parents[1] / "environment" / "packaging" / "pins" / "krew"
VALIDATOR = "validate-krew-manifest"


def test_validator_of_krew_accepts_the_manifest(tmp_path: Path) -> None:
    build_distributions(tmp_path, epoch=1_700_000_000)
    write_plugin(tmp_path, "https://example.com/releases/0.1.0")
    validator = go_program(PINS, VALIDATOR, package=f"sigs.k8s.io/krew/cmd/{VALIDATOR}")
    command = [str(validator), "-manifest", str(tmp_path / MANIFEST), "-skip-install"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "structural validation OK" in result.stderr


def test_launcher_installs_and_runs_the_wheel(tmp_path: Path) -> None:
    """As krew does: unpacked into a store, and linked from a directory of the PATH."""
    build_distributions(tmp_path, epoch=1_700_000_000)
    write_plugin(tmp_path, "https://example.com/releases/0.1.0")
    with tarfile.open(tmp_path / f"{PROGRAM}-{project_version()}.tar.gz") as archive:
        archive.extractall(tmp_path / "store", filter="data")
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin" / PROGRAM
    link.symlink_to(tmp_path / "store" / PROGRAM)
    variables = os.environ | {
        "PATH": f"{Path(find_uv()).parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "UV_CACHE_DIR": str(Path.home() / ".cache" / "uv"),
        "UV_PYTHON_DOWNLOADS": "never",
    }
    first = subprocess.run([link, "--version"], env=variables, capture_output=True, text=True, check=False, timeout=240)
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"kubectl modelservice {project_version()}\n"
    assert "installing into" in first.stderr
    second = subprocess.run([link, "--version"], env=variables, capture_output=True, text=True, check=True)
    assert (second.stdout, second.stderr) == (first.stdout, "")
