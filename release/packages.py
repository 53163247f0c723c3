"""Packages in an image, read from its files: Python distributions and Debian packages."""

from __future__ import annotations

import email.parser
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from packageurl import PackageURL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import Message

    from release.image import File

STATUS: Final = "var/lib/dpkg/status.d/"
_METADATA: Final = re.compile(r".*\.dist-info/METADATA")
_LICENCE_FILE: Final = re.compile(r"(LICEN[CS]E|COPYING|NOTICE|AUTHORS)", re.IGNORECASE)
_MAX_LINKS: Final = 8


class Ecosystem(StrEnum):
    """Kind of a package, as in a package URL."""

    PYPI = "pypi"
    DEB = "deb"


@dataclass(frozen=True, order=True)
class Part:
    """A library that is compiled into a wheel, from the bill of materials inside the wheel (PEP 770)."""

    name: str
    version: str
    purl: str
    declared: str | None = None


@dataclass(frozen=True, order=True)
class Package:
    """A package that is installed in an image."""

    ecosystem: Ecosystem
    name: str
    version: str
    architecture: str = ""
    declared: str | None = None
    """Licence that its metadata declares as an SPDX expression."""
    texts: tuple[tuple[str, str], ...] = ()
    """Path and content of each file with its licence."""
    parts: tuple[Part, ...] = ()

    @property
    def purl(self) -> PackageURL:
        """Return the package URL, by which scanners find vulnerabilities."""
        if self.ecosystem is Ecosystem.PYPI:
            return PackageURL("pypi", None, self.name, self.version)
        return PackageURL("deb", "debian", self.name, self.version, {"arch": self.architecture, "distro": "bookworm"})


def find_packages(files: Mapping[str, File]) -> list[Package]:
    """Return the packages of an image's files, sorted."""
    return sorted([*_python_packages(files), *_debian_packages(files)])


def _python_packages(files: Mapping[str, File]) -> Iterator[Package]:
    for path, file in files.items():
        if _METADATA.fullmatch(path):
            metadata = _parse(file)
            directory = path.rpartition("/")[0]
            yield Package(
                Ecosystem.PYPI,
                # Normalized as in PEP 503.
                re.sub(r"[-_.]+", "-", metadata["Name"]).lower(),
                metadata["Version"],
                declared=metadata["License-Expression"],
                texts=tuple(_texts_below(files, directory)),
                parts=tuple(sorted(set(_parts_below(files, f"{directory}/sboms/")))),
            )


def _texts_below(files: Mapping[str, File], directory: str) -> Iterator[tuple[str, str]]:
    """Yield the licence files of a distribution: those of PEP 639, and by their names where it is older."""
    for path in sorted(files):
        inside = path.removeprefix(f"{directory}/")
        if (
            inside != path
            and files[path].entry.isreg()
            and (inside.startswith("licenses/") or _LICENCE_FILE.match(inside))
        ):
            yield path, _text(files[path])


def _parts_below(files: Mapping[str, File], directory: str) -> Iterator[Part]:
    for path, file in files.items():
        if path.startswith(directory) and path.endswith(".json"):
            for component in json.loads(file.content).get("components", ()):
                # Where its source was says nothing that a scanner uses.
                purl = component["purl"].partition("?")[0]
                yield Part(component["name"], component["version"], purl, _declared(component))


def _declared(component: Mapping[str, Any]) -> str | None:
    """Return the licence of a CycloneDX component as one expression, or None."""
    licences = component.get("licenses") or ()
    found = [entry.get("expression") or entry.get("license", {}).get("id") for entry in licences]
    return " AND ".join(f"({one})" for one in found) if found and all(found) else None


def _debian_packages(files: Mapping[str, File]) -> Iterator[Package]:
    for path, file in files.items():
        if path.startswith(STATUS):
            control = _parse(file)
            name = control["Package"]
            copyright_file = _resolve(files, f"usr/share/doc/{name}/copyright")
            texts = ((copyright_file, _text(files[copyright_file])),) if copyright_file else ()
            yield Package(Ecosystem.DEB, name, control["Version"], control["Architecture"], texts=texts)


def _resolve(files: Mapping[str, File], path: str) -> str | None:
    """Return the regular file at `path`, of which directories may be links, or None."""
    for _ in range(_MAX_LINKS):
        parts = PurePosixPath(path).parts
        prefixes = (str(PurePosixPath(*parts[: length + 1])) for length in range(len(parts)))
        link = next((prefix for prefix in prefixes if prefix in files and files[prefix].entry.issym()), None)
        if link is None:
            return path if path in files else None
        target = files[link].entry.linkname
        parent = "" if target.startswith("/") else link.rpartition("/")[0]
        path = _normalized(f"{parent}/{target}{path.removeprefix(link)}")
    return None


def _normalized(path: str) -> str:
    kept: list[str] = []
    for part in path.split("/"):
        if part == ".." and kept:
            kept.pop()
        elif part not in {"", ".", ".."}:
            kept.append(part)
    return "/".join(kept)


def _parse(file: File) -> Message:
    return email.parser.Parser().parsestr(_text(file), headersonly=True)


def _text(file: File) -> str:
    return file.content.decode(errors="replace")
