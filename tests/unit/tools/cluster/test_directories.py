"""State directories: locked, laid out again, and never mistaken for files of the user."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from tests.environment.cluster import ClusterError, Tier, attach, default_tier, down
from tests.environment.cluster.directories import cache_directory, state_directory, temporary_directory
from tests.environment.cluster.locks import try_lock
from tests.environment.cluster.state import State, Summary


def test_xdg_variables_are_honoured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert cache_directory() == tmp_path / "cache" / "modelservice"
    assert state_directory() == tmp_path / "state" / "modelservice"


def test_shared_temporary_directory_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = temporary_directory()
    assert own.parent == tmp_path
    own.chmod(0o777)
    with pytest.raises(ClusterError, match="open to others"):
        temporary_directory()


def test_directory_has_one_user_at_a_time(tmp_path: Path) -> None:
    state = State(tmp_path)
    with state.locked(), pytest.raises(ClusterError, match=r"^process \d+ uses the cluster in "):
        state.locked()
    with state.locked():
        pass


def test_lock_of_a_killed_run_is_taken(tmp_path: Path) -> None:
    """The child of a killed run holds the lock until it executes its program."""
    ends, open_end = os.pipe()
    killed = f"""
import os
from pathlib import Path
from tests.environment.cluster.locks import try_lock
from tests.environment.cluster.state import State
held = State(Path({str(tmp_path)!r})).locked()
if os.fork() == 0:
    os.read({ends}, 1)
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", killed], check=True, timeout=30, pass_fds=[ends])
    os.close(ends)
    assert try_lock(tmp_path / "lock") is None, "its child holds the lock"
    Timer(0.2, os.close, [open_end]).start()
    with State(tmp_path).locked():
        pass


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ClusterError, match="not a cluster's state"):
        State(tmp_path).create(Tier.CONTROL_PLANE)
    with pytest.raises(ClusterError, match="not the state directory"):
        down(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_down_removes_what_a_cluster_wrote_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    folder.mkdir()
    State(folder).create(Tier.CONTROL_PLANE)
    (folder / "notes.txt").write_text("mine")
    down(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    (folder / "notes.txt").unlink()
    down(folder)
    down(folder)
    assert not folder.exists()


def test_nothing_runs_for_a_folder_without_processes(tmp_path: Path) -> None:
    assert attach(tmp_path / "absent") is None
    state = State(tmp_path)
    state.create(Tier.CONTROL_PLANE)
    state.write_summary(Summary(Tier.CONTROL_PLANE, server="https://127.0.0.1:1", kubectl="kubectl"))
    assert attach(tmp_path) is None


def test_cluster_variable_chooses_the_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER", "existing")
    assert default_tier() is Tier.EXISTING
    monkeypatch.setenv("CLUSTER", "moon")
    with pytest.raises(ClusterError, match="CLUSTER=moon is none of control-plane, node, kind, existing"):
        default_tier()
