"""The private Docker engine builds and runs images, changes nothing of the machine, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment import engine
from tests.environment.cluster import cgroups, sweep
from tests.environment.cluster.compiled import HELLO
from tests.environment.cluster.process import started_at
from tests.environment.cluster.system import install_to_run
from tests.environment.cluster.wait import wait_until

IMAGE = "modelservice.test/built:1"
DOCKERFILE = """\
FROM scratch
COPY hello /hello
RUN ["/hello", "say", "built"]
ENTRYPOINT ["/hello"]
"""
COUNTERS = re.compile(
    r"fs/(dentry-state|file-nr|inode-nr|inode-state|quota/.*)|kernel/(ns_last_pid|pty/nr|random/.*|perf_.*|sched_domain.*)"
)
"""Settings that count something, and change at any time."""
HARNESS = """
import time
from tests.environment import engine
with engine.start() as running:
    print(running.spaces.holder, running.socket, flush=True)
    time.sleep(600)
"""


def kernel_settings() -> dict[str, str]:
    """Return what the machine's kernel is set to, without the counters."""
    root = Path("/proc/sys")
    found = {}
    for top in ("fs", "kernel", "vm", "user", "net/ipv4"):
        for path in sorted((root / top).rglob("*")):
            name = str(path.relative_to(root))
            if path.is_file() and not COUNTERS.fullmatch(name):
                try:
                    found[name] = path.read_text()
                except (OSError, UnicodeDecodeError):
                    continue
    return found


def firewall() -> str:
    return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of an image that is built."""
    folder = tmp_path_factory.mktemp("context")
    (folder / "hello").write_bytes(HELLO.program.read_bytes())
    (folder / "hello").chmod(0o755)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    return folder


@pytest.fixture(scope="module")
def running(context: Path) -> Iterator[engine.Engine]:
    """Run an engine; the machine is the same before, during and after it."""
    if reason := engine.missing_support():
        pytest.skip(reason)
    install_to_run()
    before = kernel_settings(), firewall()
    with engine.start(visible=[context]) as started:
        yield started
        assert (kernel_settings(), firewall()) == before
    assert (kernel_settings(), firewall()) == before


@pytest.fixture(scope="module")
def image(running: engine.Engine, context: Path) -> str:
    """Build an image; return its name."""
    running.docker.run("build", f"--tag={IMAGE}", context)
    return IMAGE


def test_built_image_runs(running: engine.Engine, image: str) -> None:
    assert running.docker.run("run", "--rm", image, "say", "aye") == "aye\n"


def test_privileged_container_runs_with_the_capabilities_at_hand(running: engine.Engine, image: str) -> None:
    assert running.docker.run("run", "--rm", "--privileged", image, "say", "aye") == "aye\n"


def test_containers_reach_no_other_network(running: engine.Engine, image: str) -> None:
    result = running.docker.start("run", "--rm", image, "ask", "9.9.9.9", "53")
    assert b"Network is unreachable" in result.stdout + result.stderr


def test_engine_has_no_disk_of_the_machine(running: engine.Engine) -> None:
    assert not [path for path in running.spaces.path("/dev").iterdir() if path.is_block_device()]


def test_command_line_names_the_engine_and_ends_it() -> None:
    if reason := engine.missing_support():
        pytest.skip(reason)
    command = [
        sys.executable,
        "-m",
        "tests.environment.engine",
        "sh",
        "-c",
        'test -S "${DOCKER_HOST#unix://}" && echo $DOCKER_HOST',
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    socket = Path(result.stdout.strip().removeprefix("unix://"))
    assert not socket.parent.exists()


def test_killed_harness_leaves_nothing() -> None:
    if reason := engine.missing_support():
        pytest.skip(reason)
    with subprocess.Popen([sys.executable, "-c", HARNESS], stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        holder, socket = harness.stdout.readline().split()
        os.kill(harness.pid, signal.SIGKILL)
    wait_until(lambda: started_at(int(holder)) is None, seconds=20, what="the end of the engine")
    sweep()
    state = Path(socket).parent
    assert not state.exists()
    name = cgroups.name_of(state)
    assert [root for root in cgroups.hierarchies().roots if (root / name).exists()] == []
