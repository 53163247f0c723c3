"""Writes the Go module that builds another release of Kubernetes, such as 1.33.13.

    python -m tests.environment.cluster.pin_kubernetes 1.33.13

The module requires what the release itself requires (go.mod of k8s.io/kubernetes). Only the modules that live in the
same repository ("staging") are pinned here: v1.N.P of Kubernetes goes with v0.N.P of each of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.environment.cluster.programs import TOOLS
from tests.environment.cluster.toolchain import go_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KUBERNETES = "k8s.io/kubernetes"
SAMPLES = "k8s.io/sample-"
"""Modules that no server imports; proxies lack some of their releases."""
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


def pin(release: str) -> Path:
    """Write go.mod and go.sum for a release such as 1.33.13; return their directory."""
    folder = TOOLS / f"kubernetes-{release.rpartition('.')[0]}"
    folder.mkdir(exist_ok=True)
    (folder / "go.sum").unlink(missing_ok=True)
    (folder / "go.mod").write_text("\n".join(_lines(folder.name, release)) + "\n")
    _go("mod", "tidy", cwd=folder)
    return folder


def _lines(name: str, release: str) -> Iterator[str]:
    upstream = json.loads(_go("mod", "edit", "-json", _upstream_go_mod(release)))
    yield f"module modelservice.dev/tests/cluster/tools/{name}"
    yield f"go {upstream['Go']}"
    yield from (f"godebug {entry['Key']}={entry['Value']}" for entry in upstream.get("Godebug") or ())
    yield from (f"tool {KUBERNETES}/cmd/{program}" for program in PROGRAMS)
    required = [(entry["Path"], entry["Version"]) for entry in upstream["Require"]]
    yield f"require {KUBERNETES} v{release}"
    yield from (f"require {path} {version}" for path, version in required if not path.startswith(SAMPLES))
    yield from (f"exclude {path} {version}" for path, version in required if path.startswith(SAMPLES))
    yield from (f"replace {path} => {path} v0.{release.partition('.')[2]}" for path in _staging(upstream))


def _upstream_go_mod(release: str) -> str:
    downloaded: dict[str, Any] = json.loads(_go("mod", "download", "-json", f"{KUBERNETES}@v{release}"))
    return str(downloaded["GoMod"])


def _staging(upstream: dict[str, Any]) -> Iterator[str]:
    """Return the modules that upstream replaces by directories of its repository."""
    for entry in upstream.get("Replace") or ():
        path, directory = entry["Old"]["Path"], entry["New"]["Path"]
        if directory.startswith("./staging/") and not path.startswith(SAMPLES):
            yield path


def _go(*arguments: str, cwd: Path = TOOLS) -> str:
    environment = os.environ | {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    command = [str(go_command()), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        print(pin(wanted))
