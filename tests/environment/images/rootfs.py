"""Merges Debian packages into one archive of a root file system.

No package is unpacked on this machine and no maintainer script runs: entries go from one tar stream to another, with
the merged /usr of Debian (its usrmerge layout) applied to their names. So it needs no root and gives equal bytes for
equal packages.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from tests.environment.images.errors import ImagesError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNUSED: Final = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/info")
DOCUMENTS: Final = "usr/share/doc/"
STATUS: Final = "var/lib/dpkg/status.d"
"""Directory with the control data of each package, a file each, where scanners and the bill of materials find them."""
MERGED: Final = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
CERTIFICATES: Final = "usr/share/ca-certificates/"
BUNDLE: Final = "etc/ssl/certs/ca-certificates.crt"
LINKS: Final = {
    **{name: f"usr/{name}" for name in MERGED},
    "usr/bin/python3": "python3.11",
    "usr/bin/sh": "busybox",
    # Paths that Debian's OpenSSL reads; the package openssl would bring these links, and a program that is not needed.
    "usr/lib/ssl/cert.pem": f"/{BUNDLE}",
    "usr/lib/ssl/certs": "/etc/ssl/certs",
}
FILES: Final = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    # Without it glibc asks the DNS before /etc/hosts.
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
FOLDERS: Final = {"tmp": 0o1777, "root": 0o700, "proc": 0o755, "sys": 0o755, "dev": 0o755}


def merged(name: str) -> str:
    """An entry's name without a leading "./", below usr/ where Debian merged the top directory into it."""
    path = PurePosixPath(name.removeprefix("./"))
    return str("usr" / path if path.parts[:1] and path.parts[0] in MERGED else path)


@dataclass
class RootFileSystem:
    """Collects entries; the first one of a name wins, so what is added first overrides the packages."""

    archive: tarfile.TarFile
    certificates: list[bytes] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def add_package(self, deb: Path) -> None:
        """Add the files of one package. Raises ImagesError when dpkg-deb cannot read it."""
        for entry, content in _entries(deb):
            entry.name = merged(entry.name)
            if entry.islnk():
                entry.linkname = merged(entry.linkname)
            if not entry.name.startswith(UNUSED) or _is_copyright(entry):
                self._add(entry, content)
            if entry.name.startswith(CERTIFICATES) and entry.isreg():
                self.certificates.append(content)
        control = _run("--field", deb).decode()
        self.add_file(f"{STATUS}/{deb.name.partition('_')[0]}", control)

    def add_file(self, name: str, text: str) -> None:
        entry = tarfile.TarInfo(name)
        entry.mode = 0o644
        self._add(entry, text.encode())

    def add_link(self, name: str, target: str) -> None:
        entry = tarfile.TarInfo(name)
        entry.type = tarfile.SYMTYPE
        entry.linkname = target
        self._add(entry, b"")

    def add_directory(self, name: str, mode: int) -> None:
        entry = tarfile.TarInfo(name)
        entry.type = tarfile.DIRTYPE
        entry.mode = mode
        self._add(entry, b"")

    def _add(self, entry: tarfile.TarInfo, content: bytes) -> None:
        if entry.name in self._names or entry.name == ".":
            return
        self._names.add(entry.name)
        entry.mtime = 0
        entry.size = len(content) if entry.isreg() else 0
        self.archive.addfile(entry, io.BytesIO(content))


def assemble(debs: list[Path], destination: Path) -> None:
    """Write the root file system of the packages `debs` to the tar file `destination`. Raises ImagesError."""
    with tarfile.open(destination, "w") as archive:
        root = RootFileSystem(archive)
        for name, mode in FOLDERS.items():
            root.add_directory(name, mode)
        for name, target in LINKS.items():
            root.add_link(name, target)
        for name, text in FILES.items():
            root.add_file(name, text)
        for deb in debs:
            root.add_package(deb)
        root.add_file(BUNDLE, b"".join(root.certificates).decode())


def assemble_packages(debs: list[Path], destination: Path) -> None:
    """Write the files of the packages `debs` to the tar file `destination`, for a root file system that exists."""
    with tarfile.open(destination, "w") as archive:
        root = RootFileSystem(archive)
        for deb in debs:
            root.add_package(deb)


def _entries(deb: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(_run("--fsys-tarfile", deb))) as archive:
        for entry in archive:
            content = archive.extractfile(entry) if entry.isreg() else None
            yield entry, content.read() if content else b""


def _run(action: str, deb: Path) -> bytes:
    answer = subprocess.run(["dpkg-deb", action, str(deb)], capture_output=True, check=False)
    if answer.returncode != 0:
        raise ImagesError(f"dpkg-deb cannot read {deb}: {answer.stderr.decode().strip()}. Delete it and try again.")
    return answer.stdout


def _is_copyright(entry: tarfile.TarInfo) -> bool:
    """Return True for the licences of a package, and for a link to the documents of another one."""
    if not entry.name.startswith(DOCUMENTS):
        return False
    return entry.name.endswith("/copyright") or entry.issym()
