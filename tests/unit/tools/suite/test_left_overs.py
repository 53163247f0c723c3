"""The supervisor of a run finds each kind of thing that a run can leave behind, on the real machine."""

import os
import subprocess
import sys

import pytest

from tests.environment.processes import read_process
from tests.environment.suite.left_overs import Inventory
from tests.environment.suite.supervisor import LEFT_OVERS_EXIT_CODE

SUPERVISED = """
import subprocess, sys
from tests.environment.suite.supervisor import run_supervised
early = subprocess.Popen(["sleep", "600"])
code = run_supervised([sys.executable, "-c", sys.argv[1]], seconds=float(sys.argv[2]))
early.kill()
sys.exit(code)
"""
ORPHAN = 'import subprocess; subprocess.run(["sh", "-c", "setsid sleep 601 >/dev/null 2>&1 &"], check=True)'
SHORT = 'import subprocess; subprocess.Popen(["sleep", "0.3"])'
SERVER = """
import subprocess, sys
code = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print('up', flush=True); time.sleep(600)"
server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
server.stdout.readline()
"""
MOUNT = """
import subprocess, tempfile
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tempfile.mkdtemp()], check=True)
"""
NAMESPACE = """
import subprocess
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
subprocess.run(["ip", "netns", "add", "left"], check=True)
"""
INTERFACE = """
import subprocess
subprocess.run(["ip", "link", "add", "msn0left", "type", "veth", "peer", "name", "other"], check=True)
"""
# The process namespace ends when the supervisor waits for the orphan inside of it.
PROCESS_NAMESPACE = """
import os, subprocess, time
def sleeping_child_of(process):
    while True:
        for child in open(f"/proc/{process.pid}/task/{process.pid}/children").read().split():
            if open(f"/proc/{child}/comm").read() == "sleep\\n":
                return child
        time.sleep(0.01)
outer = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "sleep", "602"])
holder = sleeping_child_of(outer)
inner = subprocess.Popen(["nsenter", f"--target={holder}", "--pid", "--mount", "sleep", "603"])
sleeping_child_of(inner)
inner.kill()
outer.kill()
"""
# Root in separate namespaces, which end with the script.
PRIVATE = ("unshare", "--mount", "--net", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")))


def left_by(script: str, *, seconds: float = 0.5, inside: tuple[str, ...] = (), code: int | None = None) -> list[str]:
    """Return the lines of the report on a run; check its exit code."""
    command = [*inside, sys.executable, "-c", SUPERVISED, script, str(seconds)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    _, *lines = result.stderr.splitlines() or [""]
    expected = LEFT_OVERS_EXIT_CODE if lines else 0
    assert result.returncode == (expected if code is None else code), result.stderr
    return [line.strip() for line in lines]


def can_unshare() -> bool:
    return sys.platform == "linux" and subprocess.run([*PRIVATE, "true"], check=False).returncode == 0


linux = pytest.mark.skipif(sys.platform != "linux", reason="the process table is read from /proc")
private = pytest.mark.skipif(not can_unshare(), reason="this user may not create namespaces")


@linux
def test_clean_run_succeeds() -> None:
    assert left_by("") == []


@linux
@pytest.mark.parametrize(
    ("script", "code"), [("import sys; sys.exit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_exit_code_of_the_run_is_kept(script: str, code: int) -> None:
    assert left_by(script, code=code) == []


@linux
def test_failed_run_keeps_its_code_and_reports() -> None:
    [line] = left_by(f"{ORPHAN}\nraise SystemExit(3)", code=3)
    assert line.endswith(": sleep 601")


@linux
def test_orphan_in_another_session_is_found_and_ended() -> None:
    [line] = left_by(ORPHAN)
    assert line.startswith("process ")
    assert line.endswith(": sleep 601")
    assert read_process(int(line.split()[1].removesuffix(":"))) is None


@linux
def test_process_that_ends_in_time_is_not_reported() -> None:
    assert left_by(SHORT, seconds=5) == []


@linux
def test_port_of_a_left_process_is_found() -> None:
    process, port = left_by(SERVER)
    assert process.startswith("process ")
    assert port.startswith("listening port: ")
    assert port.split()[-1] == process.split()[1].removesuffix(":")


@private
def test_mount_is_found() -> None:
    [line] = left_by(MOUNT, inside=PRIVATE)
    assert line.startswith("mount: ")
    assert line.endswith(" (tmpfs)")


@private
def test_network_namespace_is_found() -> None:
    lines = left_by(NAMESPACE, inside=PRIVATE)
    assert "network namespace: left" in lines
    assert "mount: /run/netns/left (nsfs)" in lines


@private
def test_network_interface_is_found() -> None:
    assert left_by(INTERFACE, inside=PRIVATE) == ["network interface: msn0left"]


@private
def test_process_namespace_of_a_killed_run_ends() -> None:
    assert left_by(PROCESS_NAMESPACE, seconds=5, inside=PRIVATE) == []


def test_only_new_things_are_reported() -> None:
    before = Inventory(frozenset({"/tmp/a"}), frozenset({"one"}), frozenset(), frozenset({"1"}))  # noqa: S108
    after = Inventory(frozenset({"/tmp/a", "/tmp/b"}), frozenset(), frozenset({"msn1"}), frozenset({"2"}))  # noqa: S108
    assert after.new_since(before) == ["mount: /tmp/b", "network interface: msn1", "listening port: 2"]
