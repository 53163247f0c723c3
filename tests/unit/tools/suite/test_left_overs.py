"""The check at the end of a run finds each kind of thing that a run can leave behind, on the real machine."""

import os
import subprocess
import sys

import pytest

from tests.environment.processes import read_process
from tests.environment.suite.left_overs import Inventory

# Adopts orphans and takes stock, leaves something behind, and prints what the check finds.
RUN = """
import http.server, os, socket, subprocess, sys, tempfile, time
from pathlib import Path
from tests.environment.processes import adopt_orphans
from tests.environment.suite.left_overs import LeftOverCheck
assert adopt_orphans()
early = subprocess.Popen(["sleep", "600"])
check = LeftOverCheck()
{leave}
print(*check.find(seconds={seconds}), sep="\\n")
check.end_processes()
early.kill()
"""
ORPHAN = 'subprocess.run(["sh", "-c", "setsid sleep 601 >/dev/null 2>&1 &"], check=True); time.sleep(0.2)'
SHORT = 'subprocess.Popen(["sleep", "0.3"])'
SERVER = """
code = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", code])
time.sleep(1)
"""
OWN_PORT = "server = socket.create_server(('127.0.0.1', 0))"
MOUNT = """
directory = tempfile.mkdtemp()
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", directory], check=True)
"""
NAMESPACE = """
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
subprocess.run(["ip", "netns", "add", "left"], check=True)
"""
INTERFACE = 'subprocess.run(["ip", "link", "add", "msn0left", "type", "veth", "peer", "name", "other"], check=True)'
# Root in separate namespaces, which end with the script.
PRIVATE = ("unshare", "--mount", "--net", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")))


def left_by(leave: str, *, seconds: float = 0.3, inside: tuple[str, ...] = ()) -> list[str]:
    script = RUN.format(leave=leave, seconds=seconds)
    command = [*inside, sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout.split("\n")[:-1]


def can_unshare() -> bool:
    return sys.platform == "linux" and subprocess.run([*PRIVATE, "true"], check=False).returncode == 0


linux = pytest.mark.skipif(sys.platform != "linux", reason="the process table is read from /proc")
private = pytest.mark.skipif(not can_unshare(), reason="this user may not create namespaces")


@linux
def test_clean_run_leaves_nothing() -> None:
    assert left_by("") == [""]


@linux
def test_orphan_in_another_session_is_found() -> None:
    [line] = left_by(ORPHAN)
    assert line.endswith(": sleep 601")
    assert line.startswith("process ")


@linux
def test_found_processes_are_ended() -> None:
    [line] = left_by(ORPHAN)
    pid = int(line.split()[1].removesuffix(":"))
    assert read_process(pid) is None


@linux
def test_process_that_ends_in_time_is_not_reported() -> None:
    assert left_by(SHORT, seconds=5) == [""]


@linux
def test_port_of_a_left_process_is_found() -> None:
    process, port = left_by(SERVER)
    assert process.startswith("process ")
    assert port.startswith("listening port: ")
    assert port.split()[-1] == process.split()[1].removesuffix(":")


@linux
def test_port_of_the_run_itself_is_found() -> None:
    [line] = left_by(OWN_PORT)
    assert line.startswith("listening port: ")


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


def test_only_new_things_are_reported() -> None:
    before = Inventory(frozenset({"/tmp/a"}), frozenset({"one"}), frozenset(), frozenset({"1"}))  # noqa: S108
    after = Inventory(frozenset({"/tmp/a", "/tmp/b"}), frozenset(), frozenset({"msn1"}), frozenset({"2"}))  # noqa: S108
    assert after.new_since(before) == ["mount: /tmp/b", "network interface: msn1", "listening port: 2"]
