"""Small static C programs and images that hold nothing else, built once per source."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.environment.cluster.build import goarch
from tests.environment.cluster.directories import cache_directory
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.oci import write_archive
from tests.environment.cluster.system import install_to_build

HERE = Path(__file__).parent


@dataclass(frozen=True)
class CompiledImage:
    """A program of one source file, and the image `name` that runs it."""

    source: Path
    name: str

    @property
    def program(self) -> Path:
        """The static program for this machine; raises ClusterError where it does not compile."""
        return self._built() / self.source.stem

    @property
    def archive(self) -> Path:
        """The OCI archive of the image."""
        return self._built() / f"{self.source.stem}.tar"

    def _built(self) -> Path:
        key = hashlib.sha256(self.source.read_bytes() + goarch().encode()).hexdigest()[:16]
        folder = cache_directory() / "bin" / self.source.stem / key
        if not folder.exists():
            install_to_build()
            folder.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=folder.parent) as temporary:
                draft = Path(temporary) / "out"
                self._build(draft)
                # Another run may have been faster; its result is the same.
                if not folder.exists():
                    draft.rename(folder)
        return folder

    def _build(self, draft: Path) -> None:
        draft.mkdir()
        name = self.source.stem
        command: list[str | Path] = ["gcc", "-Os", "-static", "-s", "-Wall", "-Werror", "-o", draft / name, self.source]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise ClusterError(f"{self.source.name} does not compile: {result.stderr.strip()}")
        content = {name: (draft / name).read_bytes()}
        write_archive(draft / f"{name}.tar", self.name, content, entrypoint=(f"/{name}",), architecture=goarch())


# Holds the namespaces of every pod, and those of the node; config/containerd.toml names the image too.
PAUSE = CompiledImage(HERE / "config" / "pause.c", "modelservice.test/pause:1")
# A server, a burner of CPU and a client for the tests of the node itself.
HELLO = CompiledImage(HERE / "samples" / "hello.c", "modelservice.test/hello:1")
