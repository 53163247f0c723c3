"""Container images without a registry or a Docker daemon.

`build()` runs the project's real Dockerfiles with Debian's buildah on a base image that is assembled from Debian
packages, and gives OCI archives that a node imports. Everything is cached by content in the user's cache directory.
Command line: `python -m tests.environment.images build [NAME ...] [--progress]` or `list`.
"""

from tests.environment.images.building import build, write_base
from tests.environment.images.catalog import RECIPES, ImageName, Recipe
from tests.environment.images.errors import ImagesError
from tests.environment.images.progress import Progress, Silence, Terminal
from tests.environment.images.store import Image, Store

__all__ = [
    "RECIPES",
    "Image",
    "ImageName",
    "ImagesError",
    "Progress",
    "Recipe",
    "Silence",
    "Store",
    "Terminal",
    "build",
    "write_base",
]
