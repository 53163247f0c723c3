"""The published figures name the code that they were measured with, and that code is not too old."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from bench.errors import BenchError
from bench.provenance import MEASURED_CODE, Provenance, git

BENCH = Path(__file__).parents[4] / "bench"
MAX_RELEASES, MAX_AGE = 1, timedelta(days=30)
"""Releases, and time, that may lie between the measured code and its last change."""


def staleness(found: Provenance) -> str:
    """Return why figures are too old for the newest code; empty if they are not."""
    changed = git("log", "-1", "--format=%h %cs", "--", MEASURED_CODE)
    last, day = changed.split()
    age = date.fromisoformat(day) - found.day
    releases = releases_since(found, last)
    if len(releases) > MAX_RELEASES:
        return f"measured at {found.commit}, before the releases {', '.join(releases)}: measure again"
    return (
        f"measured {age.days} days before the last change of {MEASURED_CODE}/: measure again" if age > MAX_AGE else ""
    )


def releases_since(found: Provenance, last: str) -> list[str]:
    """Return the releases that `last` has and the measured code has not; by the day if a rebase replaced its commit."""
    if is_in_history(found.commit):
        return git("tag", "--merged", last, "--no-merged", found.commit, "--list", "v*").split()
    tags = git("tag", "--merged", last, "--list", "v*", "--format=%(refname:short) %(creatordate:short)").splitlines()
    return [name for name, day in map(str.split, tags) if date.fromisoformat(day) > found.day]


def is_in_history(commit: str) -> bool:
    try:
        return git("cat-file", "-t", commit) == "commit"
    except BenchError:
        return False


def is_shallow() -> bool:
    return git("rev-parse", "--is-shallow-repository") == "true"


@pytest.mark.parametrize("name", ["RESULTS.md", "LOADER.md"])
def test_published_figures_are_of_recent_code(name: str) -> None:
    found = Provenance.of_document((BENCH / name).read_text())
    assert found is not None, f"bench/{name} names no date and commit: measure again with make bench or bench-loader"
    if is_shallow():
        pytest.skip("The history is needed: clone without --depth.")
    assert staleness(found) == ""


def test_old_figures_are_found() -> None:
    head = git("rev-parse", "HEAD")
    assert "measure again" in staleness(Provenance(date(2020, 1, 1), head))
    assert staleness(Provenance(date(2999, 1, 1), head)) == ""
    assert "measure again" in staleness(Provenance(date(2020, 1, 1), "0123456789ab"))
    assert staleness(Provenance(date(2999, 1, 1), "0123456789ab")) == ""


def test_document_without_a_commit_has_no_provenance() -> None:
    found = Provenance(date(2026, 11, 26), "0123456789ab")
    assert Provenance.of_document(f"Written {found}\nin 12 minutes.") == found
    assert Provenance.of_document("Written by `make bench` on 2026-11-23 in 12 minutes.") is None
