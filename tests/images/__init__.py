"""Container images without a registry or a Docker daemon.

`build()` runs the project's real Dockerfiles with Debian's buildah on a base image that is assembled from Debian
packages, and gives OCI archives that a node imports. Everything is cached by content in the user's cache folder.
Command line: `python -m tests.images build [NAME ...] [--progress]` and `python -m tests.images list`.
"""

from tests.images.building import build
from tests.images.catalog import RECIPES, ImageName, Recipe
from tests.images.errors import ImagesError
from tests.images.progress import Progress, Silence, Terminal
from tests.images.store import Image

__all__ = ["RECIPES", "Image", "ImageName", "ImagesError", "Progress", "Recipe", "Silence", "Terminal", "build"]
