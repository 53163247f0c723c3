"""Debian's buildah with a separate storage: the storage of other tools on the machine is neither read nor changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.environment.images.errors import ImagesError

if TYPE_CHECKING:
    from tests.environment.images.packages import Apt
    from tests.environment.images.progress import Progress

CERTIFICATES_INSIDE: Final = "/etc/ssl/certs/ca-certificates.crt"
LAST_LINES: Final = 15
# Every changed layer leaves an image behind; past this many, starting afresh is cheaper than keeping them.
MAX_IMAGES: Final = 150


def ensure_installed(apt: Apt) -> str:
    """Version line of buildah, which is installed first where it is missing. Raises ImagesError."""
    if shutil.which("buildah") is None:
        if os.geteuid() != 0:
            raise ImagesError(
                "Images are built with buildah: install it (apt-get install buildah) or run this as root."
            )
        apt.install("buildah")
    return subprocess.run(["buildah", "--version"], capture_output=True, text=True, check=True).stdout.strip()


@dataclass(frozen=True)
class Buildah:
    """Builds in `folder`/storage; output of every command is appended to `log`."""

    folder: Path
    log: Path
    progress: Progress

    def build(self, context: Path, *, tag: str, options: tuple[str, ...] = ()) -> None:
        """Build the Dockerfile of `context`. Nothing is ever pulled. Raises ImagesError."""
        fixed = ("--isolation=chroot", "--pull-never", "--force-rm", "--timestamp=0", f"--tag={tag}")
        self._run("build", *fixed, *options, *_certificate_options(), str(context))

    def push(self, tag: str, archive: Path, *, reference: str) -> None:
        """Write an image as an OCI archive that bears `reference`. Raises ImagesError."""
        self._run("push", "--quiet", tag, f"oci-archive:{archive}:{reference}")

    def has(self, tag: str) -> bool:
        """Return True if an image of that name is stored."""
        return self._quiet("inspect", "--type=image", tag).returncode == 0

    def tidy(self) -> None:
        """Remove what a killed run left, and everything once it has become much."""
        self._quiet("rm", "--all")
        if len(self._quiet("images", "--all", "--quiet").stdout.split()) > MAX_IMAGES:
            self._quiet("rmi", "--all", "--force")

    def _run(self, *arguments: str) -> None:
        command = self._command(*arguments)
        with self.log.open("a") as log:
            log.write(f"$ {' '.join(command)}\n")
            log.flush()
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
                for line in running.stdout or ():
                    log.write(line)
                    self.progress.detail(line.rstrip())
        if running.returncode != 0:
            last = "\n".join(self.log.read_text().splitlines()[-LAST_LINES:])
            raise ImagesError(f"buildah {arguments[0]} failed; the whole log is {self.log}, which ends with:\n{last}")

    def _quiet(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._command(*arguments), capture_output=True, text=True, check=False)

    def _command(self, *arguments: str) -> list[str]:
        return ["buildah", *self._storage(), f"--storage-driver={self._driver()}", *arguments]

    def _storage(self) -> tuple[str, str]:
        return (f"--root={self.folder / 'storage'}", f"--runroot={self.folder / 'run'}")

    def _driver(self) -> str:
        """Return overlay where the kernel allows to mount one (not inside most containers), else plain copies."""
        marker = self.folder / "storage-driver"
        if not marker.exists():
            probe = ["buildah", *self._storage(), "--storage-driver=overlay", "info"]
            works = subprocess.run(probe, capture_output=True, check=False).returncode == 0
            marker.write_text("overlay" if works else "vfs")
        return marker.read_text()


def _certificate_options() -> tuple[str, ...]:
    """Let the build trust what this machine trusts: a TLS-inspecting proxy signs with another certificate."""
    certificates = os.environ.get("SSL_CERT_FILE")
    if not certificates or not Path(certificates).is_file():
        return ()
    return (f"--volume={certificates}:{CERTIFICATES_INSIDE}:ro", f"--build-arg=SSL_CERT_FILE={CERTIFICATES_INSIDE}")
