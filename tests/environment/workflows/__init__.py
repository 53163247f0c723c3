"""actionlint, which checks the workflows of public CI."""

from pathlib import Path

from tests.environment.cluster.go_program import go_program

PINS = Path(__file__).parent / "pins"
PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"


def actionlint() -> Path:
    """Return the program, building it if the cache has none."""
    return go_program(PINS, "actionlint", package=PACKAGE)
