"""The licence of every package of an image: which it is, whether it is allowed, and its text."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from license_expression import (  # type: ignore[import-untyped]
    AND,
    OR,
    ExpressionError,
    LicenseExpression,
    Licensing,
    get_spdx_licensing,
)

from release.errors import ReleaseError
from release.packages import Ecosystem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from release.packages import Package, Part

TABLE: Final = Path(__file__).with_name("licences.toml")
_RULE: Final = "=" * 80


@dataclass(frozen=True)
class LicencePolicy:
    """Allowed licences, and the licences of packages that do not declare theirs."""

    allowed: frozenset[str]
    allowed_in_base: frozenset[str]
    known: Mapping[Ecosystem, Mapping[str, str]]
    known_parts: Mapping[str, str]

    @classmethod
    def load(cls) -> LicencePolicy:
        """Read licences.toml."""
        table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
        known = {ecosystem: table[ecosystem] for ecosystem in Ecosystem}
        allowed = frozenset(table["allowed"])
        return cls(allowed, allowed | frozenset(table["allowed-in-base"]), known, table["part"])

    def expression_of(self, package: Package) -> str | None:
        """Return the licence of a package as an SPDX expression, or None if it is not known."""
        return package.declared or self.known[package.ecosystem].get(package.name)

    def expression_of_part(self, part: Part) -> str | None:
        """Return the licence of a library inside a wheel, or None if it is not known."""
        return part.declared or self.known_parts.get(part.name)

    def is_allowed(self, package: Package) -> bool:
        """Return True if the licence is known and allowed, or one of those between which it leaves the choice."""
        expression = self.expression_of(package)
        return self._permits(expression, self.allowed_in_base if package.ecosystem is Ecosystem.DEB else self.allowed)

    def _permits(self, expression: str | None, allowed: frozenset[str]) -> bool:
        if expression is None:
            return False
        try:
            return _is_allowed(_licensing().parse(expression), allowed)
        except ExpressionError:
            return False

    def check(self, packages: Iterable[Package]) -> None:
        """Raise ReleaseError with each package that has no allowed licence, or no text of it."""
        refused = [
            f"{package.name} {package.version}: {self.expression_of(package) or 'unknown licence'}"
            for package in packages
            if not self.is_allowed(package)
        ]
        refused += [
            f"{part.name} {part.version} in {package.name}: {self.expression_of_part(part) or 'unknown licence'}"
            for package in packages
            for part in package.parts
            if not self._permits(self.expression_of_part(part), self.allowed)
        ]
        refused += [f"{package.name} {package.version}: no text" for package in packages if not package.texts]
        if refused:
            raise ReleaseError(
                f"Licences that release/{TABLE.name} does not allow: {'; '.join(refused)}."
                " Read the licence, and list it."
            )

    def document(self, image: str, packages: Iterable[Package]) -> str:
        """Return the licences of an image: a table of its packages, and the text of each licence."""
        packages = list(packages)
        table = []
        for package in packages:
            table.append(f"{package.ecosystem:5} {package.name} {package.version}: {self.expression_of(package)}")
            table += [f"      {one.name} {one.version}: {self.expression_of_part(one)}" for one in package.parts]
        places: dict[str, list[str]] = {}
        for package in packages:
            for path, text in package.texts:
                places.setdefault(text, []).append(f"{package.name} {package.version} (/{path})")
        texts = [f"{_RULE}\n{chr(10).join(names)}\n{_RULE}\n{text.rstrip()}\n" for text, names in places.items()]
        head = f"Packages in the image {image}, with the licence of each. The texts follow.\n"
        return "\n".join([head, *table, "", *texts])


@cache
def _licensing() -> Licensing:
    return get_spdx_licensing()


def _is_allowed(parsed: LicenseExpression, allowed: frozenset[str]) -> bool:
    if isinstance(parsed, AND):
        return all(_is_allowed(part, allowed) for part in parsed.args)
    if isinstance(parsed, OR):
        return any(_is_allowed(part, allowed) for part in parsed.args)
    return str(parsed) in allowed
