"""The command line as a plugin for krew: archives for all platforms, and the manifest of an index.

    python -m release.krew --directory dist --download-url https://example.com/releases/0.1.0

writes next to the wheel of a release. The archives have the wheel and a launcher: on its first start it installs the
wheel with its dependencies into the user's cache, by uv or by Python's venv, and then runs it directly.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Final

import yaml

from release.archives import compress
from release.errors import ReleaseError
from release.settings import REPOSITORY, project_version

PLUGIN: Final = "modelservice"
PROGRAM: Final = f"kubectl-{PLUGIN}"
MANIFEST: Final = f"{PLUGIN}.yaml"
UNIX_PLATFORMS: Final = (("linux", "amd64"), ("linux", "arm64"), ("darwin", "amd64"), ("darwin", "arm64"))
WINDOWS_PLATFORMS: Final = (("windows", "amd64"),)
_EPOCH_OF_ZIP: Final = (1980, 1, 1, 0, 0, 0)
_LAUNCHER: Final = r"""#!/bin/sh
# Runs the command line of ModelServices. The first start installs it into the user's cache.
set -eu
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
target="${XDG_CACHE_HOME:-$HOME/.cache}/kubectl-modelservice/@VERSION@-@DIGEST@"
if [ ! -e "$target/complete" ]; then
    echo "kubectl modelservice: installing into $target" >&2
    rm -rf "$target"
    wheel="$here/@WHEEL@[cli]"
    if command -v uv >/dev/null 2>&1; then
        uv venv --quiet --python ">=3.11" "$target" && uv pip install --quiet --python "$target" "$wheel"
    else
        python3 -c 'import sys; sys.exit("Install uv, or Python 3.11 or newer." if sys.version_info < (3, 11) else 0)'
        python3 -m venv "$target" && "$target/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel"
    fi
    touch "$target/complete"
fi
exec "$target/bin/kubectl-modelservice" "$@"
"""
_WINDOWS_LAUNCHER: Final = r"""@echo off
rem Runs the command line of ModelServices. The first start installs it into the user's cache.
set "target=%LOCALAPPDATA%\kubectl-modelservice\@VERSION@-@DIGEST@"
if exist "%target%\complete" goto run
echo kubectl modelservice: installing into %target% 1>&2
py -3 -m venv "%target%" || exit /b 1
"%target%\Scripts\python" -m pip install --quiet --disable-pip-version-check "%~dp0@WHEEL@[cli]" || exit /b 1
type nul > "%target%\complete"
:run
"%target%\Scripts\kubectl-modelservice" %*
"""
_DESCRIPTION: Final = """\
Shows why a model server does not serve and what to do next, calls it through a
port-forward with your own rights, checks ModelServices as strictly as the API
server, and converts Deployments. It needs the ModelService operator.
"""
_CAVEATS: Final = """\
Needs Python 3.11 or newer, or uv. The first start installs the plugin into your
cache from the Python package index.
For completion, put kubectl_complete-modelservice on your PATH; it is in the
directory that the first start names, in bin.
"""


def write_plugin(directory: Path, download_url: str) -> list[Path]:
    """Write archives and manifest next to the wheel in `directory`. Raises ReleaseError if there is no wheel."""
    if not download_url.startswith("https://"):
        raise ReleaseError(f"The download URL {download_url!r} must begin with https://.")
    version = project_version()
    wheel = directory / f"modelservice_operator-{version}-py3-none-any.whl"
    if not wheel.is_file():
        raise ReleaseError(f"{directory} has no {wheel.name}: run make release first.")
    content = wheel.read_bytes()
    licence = (REPOSITORY / "LICENSE").read_bytes()
    words = {"@VERSION@": version, "@WHEEL@": wheel.name, "@DIGEST@": hashlib.sha256(content).hexdigest()[:12]}
    files = {wheel.name: content, "LICENSE": licence}
    unix = directory / f"{PROGRAM}-{version}.tar.gz"
    unix.write_bytes(_tar({PROGRAM: _filled(_LAUNCHER, words), **files}))
    windows = directory / f"{PROGRAM}-{version}-windows.zip"
    windows.write_bytes(_zip({f"{PROGRAM}.cmd": _filled(_WINDOWS_LAUNCHER, words).replace(b"\n", b"\r\n"), **files}))
    manifest = directory / MANIFEST
    manifest.write_text(yaml.safe_dump(_manifest(version, download_url, unix, windows), sort_keys=False))
    return [unix, windows, manifest]


def _manifest(version: str, download_url: str, unix: Path, windows: Path) -> dict[str, Any]:
    """Return the manifest (krew.googlecontainertools.github.com/v1alpha2, Plugin)."""
    platforms = [
        {
            "selector": {"matchLabels": {"os": system, "arch": architecture}},
            "uri": f"{download_url.rstrip('/')}/{archive.name}",
            "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
            "files": [{"from": "*", "to": "."}],
            "bin": program,
        }
        for archive, program, systems in (
            (unix, PROGRAM, UNIX_PLATFORMS),
            (windows, f"{PROGRAM}.cmd", WINDOWS_PLATFORMS),
        )
        for system, architecture in systems
    ]
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": PLUGIN},
        "spec": {
            "version": f"v{version}",
            "homepage": "https://modelservice.dev",
            "shortDescription": "Explain, call and check model servers",
            "description": _DESCRIPTION,
            "caveats": _CAVEATS,
            "platforms": platforms,
        },
    }


def _filled(template: str, words: dict[str, str]) -> bytes:
    for word, value in words.items():
        template = template.replace(word, value)
    return template.encode()


def _tar(files: dict[str, bytes]) -> bytes:
    """Return a compressed tar archive whose bytes depend on names and contents only; the launcher is executable."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name]), 0o755 if name == PROGRAM else 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return compress(buffer.getvalue())


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH_OF_ZIP), files[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def main(arguments: list[str] | None = None) -> int:
    """Write the files. Returns the process's exit code: 1 if that is not possible."""
    parser = argparse.ArgumentParser(prog="python -m release.krew", description="Write a plugin for krew.")
    parser.add_argument("--directory", type=Path, default=REPOSITORY / "dist", help="directory of a release")
    parser.add_argument("--download-url", required=True, metavar="URL", help="URL of the directory when published")
    options = parser.parse_args(arguments)
    try:
        written = write_plugin(options.directory, options.download_url)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    for path in written:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
