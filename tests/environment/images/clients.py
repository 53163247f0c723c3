"""Programs that push images to a registry: those of docs/get-images.md."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.environment.cluster.go_program import go_program
from tests.environment.cluster.system import unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping

PINS: Final = Path(__file__).parent / "pins"
_CRANE: Final = "github.com/google/go-containerregistry/cmd/crane"


def crane() -> Path:
    """Return crane, building it if the cache has none."""
    return go_program(PINS / "crane", "crane", package=_CRANE)


def skopeo() -> Path:
    """Return Debian's skopeo. Its libraries are those of buildah, which builds the images."""
    return unpacked("skopeo", "/usr/bin/skopeo")


def write_login(home: Path, login: Mapping[str, str]) -> None:
    """Log both in: `login` is the data of a Secret of type kubernetes.io/dockerconfigjson."""
    (home / ".docker").mkdir()
    (home / ".docker" / "config.json").write_text(login[".dockerconfigjson"])
    # skopeo requires a policy, which most distributions install.
    policy = home / ".config" / "containers" / "policy.json"
    policy.parent.mkdir(parents=True)
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
