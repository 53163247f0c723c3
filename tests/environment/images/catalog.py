"""Images that the project builds, and their sources."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from modelservice_operator import __version__

REPOSITORY: Final = Path(__file__).resolve().parents[3]


class ImageName(StrEnum):
    """The short names that the command line and the API take."""

    OPERATOR = "operator"
    LOADER = "loader"
    DIABETES = "diabetes"
    HABITS = "habits"


@dataclass(frozen=True)
class Recipe:
    """A Dockerfile's directory, the stage to ship (None: the last one) and the reference that manifests use."""

    reference: str
    folder: Path
    target: str | None = None
    packages: tuple[str, ...] = ()
    """Debian packages that the builder finds as packages.tar."""
    is_default: bool = True
    """Built if no image is named."""


RECIPES: Final = {
    ImageName.OPERATOR: Recipe(f"modelservice.dev/operator:{__version__}", REPOSITORY, target="operator"),
    ImageName.LOADER: Recipe(f"modelservice.dev/loader:{__version__}", REPOSITORY, target="loader"),
    ImageName.DIABETES: Recipe("modelservice.dev/examples/diabetes:0.1.0", REPOSITORY / "examples" / "diabetes"),
    ImageName.HABITS: Recipe(
        "modelservice.test/habits:1",
        Path(__file__).parent / "habits",
        packages=("bash", "libpcre2-8-0", "nginx", "nginx-common"),
        is_default=False,
    ),
}
