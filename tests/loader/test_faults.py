"""After any failure the target is complete and verified or absent, and the next loader recovers (I8)."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.environment.stores.hub import Hub
from tests.environment.stores.serving import Store, write
from tests.environment.stores.web import Handler, Web, unannounced, whole
from tests.loader.conftest import Loader

FILES = {f"part-{number}.bin": os.urandom(3 << 20) for number in range(6)} | {"large.bin": os.urandom(30 << 20)}


@pytest.fixture(scope="module")
def store(s3_store: tuple[Store, Path]) -> Store:
    write(s3_store[1], {f"faults/{name}": content for name, content in FILES.items()})
    return s3_store[0]


KILL_POINTS = {
    "before the marker": "_write_marker",
    "between fsync and rename": "_rename_tree",
    "after the rename": "_sync_parent",
}


@pytest.mark.parametrize("method", KILL_POINTS.values(), ids=KILL_POINTS)
def test_load_recovers_from_a_kill_while_publishing(load: Loader, store: Store, method: str) -> None:
    """SIGKILL before each step of publishing, followed by another loader."""
    kill = (
        "import os, signal, sys; import model_loader.volume as volume; from model_loader.cli import main\n"
        f"volume.Workspace.{method} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.exit(main([]))"
    )
    process = subprocess.run(
        [sys.executable, "-c", kill],
        env=load.environment("s3://models/faults", store.environment),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert process.returncode == -signal.SIGKILL
    seen = {path.name: path.read_bytes() for path in (load.volume / "model").glob("*")}
    assert seen in ({}, FILES)
    outcome = load("s3://models/faults", store.environment)
    assert (outcome.code, outcome.files) == (0, FILES)
    assert load.partial_directories() == []


@pytest.mark.parametrize("seconds", [0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.8])
def test_load_recovers_from_a_kill_at_any_time(load: Loader, store: Store, seconds: float) -> None:
    process = load.start("s3://models/faults", store.environment)
    time.sleep(seconds)
    process.kill()
    process.communicate()
    seen = {path.name: path.read_bytes() for path in (load.volume / "model").glob("*")}
    assert seen in ({}, FILES)
    assert load("s3://models/faults", store.environment).files == FILES


def test_resumed_load_skips_complete_files(load: Loader, web: Web) -> None:
    """The first of two files is complete when the loader is killed, the other one hangs."""
    content = os.urandom(4 << 20)

    def slow(handler: Handler) -> None:
        handler.begin(200, length=10)
        time.sleep(5)

    sha = Hub(web).commit("org/resumed", {"a.bin": content, "b.bin": b"0123456789"})
    web.page(f"/org/resumed/resolve/{sha}/b.bin", slow)
    hub = {**web.environment, "HF_ENDPOINT": web.url}
    process = load.start("hf://org/resumed", hub)
    journal = load.volume / ".model.partial" / "journal"
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    web.page(f"/org/resumed/resolve/{sha}/b.bin", whole(b"0123456789"))
    before = len(web.asked)
    outcome = load("hf://org/resumed", hub)
    assert outcome.files == {"a.bin": content, "b.bin": b"0123456789"}
    fetched = [path.rpartition("/")[2] for path, _ in web.asked[before:] if "/resolve/" in path]
    assert fetched == ["b.bin"]


def test_damaged_partial_files_are_downloaded_again(load: Loader, store: Store) -> None:
    """A file in the journal is only used if its content still has the recorded digest."""
    process = load.start("s3://models/faults", store.environment)
    journal = load.volume / ".model.partial" / "journal"
    while process.poll() is None and not (journal.exists() and journal.read_text()):
        time.sleep(0.005)
    process.kill()
    process.communicate()
    for path in (load.volume / ".model.partial" / "tree").glob("*"):
        content = bytearray(path.read_bytes())
        content[: len(content) // 2] = bytes(len(content) // 2)
        path.write_bytes(content)
    assert load("s3://models/faults", store.environment).files == FILES


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Volume of 16 MiB."""
    if os.geteuid() != 0:
        pytest.fail(
            "Mounting a small disk requires root. Run the tests as root, or make test-unprivileged.", pytrace=False
        )
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.node  # mounting requires root
def test_model_larger_than_the_disk_is_refused_early(small_disk: Path, store: Store) -> None:
    outcome = Loader(small_disk)("s3://models/faults", store.environment)
    assert (outcome.reason, outcome.files) == ("TooLarge", {})
    assert "the volume has room for" in outcome.message


@pytest.mark.node
def test_full_disk_is_reported_and_recovers(small_disk: Path, web: Web) -> None:
    load = Loader(small_disk)
    content = os.urandom(20 << 20)

    url = web.page("/filling", unannounced(content))
    outcome = load(url, web.environment)
    assert (outcome.code, outcome.reason, outcome.files) == (1, "TooLarge", {})
    assert "The volume is full" in outcome.message
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    assert load(url, web.environment).files == {"filling": content}


def damage_size(published: Path) -> None:
    (published / "part-0.bin").write_bytes(b"short")


def damage_missing(published: Path) -> None:
    (published / "part-0.bin").unlink()


def damage_added(published: Path) -> None:
    (published / "more").write_bytes(b"more")


@pytest.mark.parametrize("damage", [damage_size, damage_missing, damage_added])
def test_damaged_cache_is_downloaded_again(load: Loader, store: Store, damage: Callable[[Path], None]) -> None:
    load("s3://models/faults", store.environment)
    damage(load.volume / "model")
    outcome = load("s3://models/faults", store.environment)
    assert (outcome.reason, outcome.files) == ("Loaded", FILES)
    assert load.partial_directories() == []


def test_foreign_directory_is_not_modified(load: Loader, store: Store) -> None:
    (load.volume / "model").mkdir()
    (load.volume / "model" / "other").write_text("other")
    outcome = load("s3://models/faults", store.environment)
    assert (outcome.code, outcome.files) == (1, {"other": b"other"})
    assert "was not created by this loader" in outcome.message


def test_unwritable_directory_is_reported(load: Loader, store: Store) -> None:
    (load.volume / "file").write_text("not a directory")
    outcome = load("s3://models/faults", store.environment, key="file/below")
    assert (outcome.code, outcome.reason) == (1, "LoaderFailed")
    assert "cannot be written" in outcome.message


def test_concurrent_loaders_publish_one_tree(load: Loader, store: Store) -> None:
    loaders = [load.start("s3://models/faults", store.environment) for _ in range(4)]
    reasons = [json.loads(loader.communicate(timeout=60)[0].splitlines()[-1])["reason"] for loader in loaders]
    assert sorted(reasons) == ["Cached", "Cached", "Cached", "Loaded"]
    assert load("s3://models/faults", store.environment).files == FILES


def test_loaders_without_locks_do_not_corrupt_each_other(load: Loader, store: Store) -> None:
    """On a file system without flock the rename decides."""
    unlocked = (
        "import errno, fcntl, sys\n"
        "def flock(*_): raise OSError(errno.ENOTSUP, 'no locks')\n"
        "fcntl.flock = flock\n"
        "from model_loader.cli import main\n"
        "sys.exit(main([]))"
    )
    command = [sys.executable, "-c", unlocked]
    loaders = [
        subprocess.Popen(
            command, env=load.environment("s3://models/faults", store.environment), stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for loader in loaders:
        output, _ = loader.communicate(timeout=60)
        assert loader.returncode == 0, output
    assert load("s3://models/faults", store.environment).files == FILES
    assert load.partial_directories() == []
