"""Fixtures: a release that is built from a copy of the work tree, and a second one from another copy."""

import pytest

from tests.support.releases import Release, copy_as_commit, run_release


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release, with what earlier builds of the images have left in the cache."""
    copy = copy_as_commit(tmp_path_factory.mktemp("release") / "one")
    answer = run_release(copy)
    assert answer.returncode == 0, answer.stderr
    return Release(copy / "dist")


@pytest.fixture(scope="session")
def other_release(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release of the same commit from another directory, with nothing of earlier builds but downloads."""
    copy = copy_as_commit(tmp_path_factory.mktemp("release") / "another directory", source=release.directory.parent)
    answer = run_release(copy, "--fresh")
    assert answer.returncode == 0, answer.stderr
    return Release(copy / "dist")
