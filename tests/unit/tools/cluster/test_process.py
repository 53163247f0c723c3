"""Processes are found again by their records and end when told."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment.cluster import ClusterError, PortTakenError
from tests.environment.cluster.process import Processes, Record, kill, recorded, started_at
from tests.environment.cluster.wait import wait_until

HARNESS = """
import os, signal
from tests.environment.cluster.process import Processes
Processes(here, here, dies_with_us=True).start("sleeper", ["sleep", "600"])
os.kill(os.getpid(), signal.SIGKILL)
"""
LISTEN = "import socket, sys; socket.create_server(('127.0.0.1', int(sys.argv[1])))"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    yield Processes(tmp_path, tmp_path, dies_with_us=True)
    kill(recorded(tmp_path))


def test_recorded_process_is_killed(processes: Processes) -> None:
    record = processes.start("sleeper", ["sleep", "600"])
    assert recorded(processes.records) == [record]
    assert record.is_alive()
    kill([record])
    assert record.has_ended()
    kill([record])


def test_reused_pid_is_another_process() -> None:
    assert started_at(os.getpid())
    assert Record("stranger", os.getpid(), "1").has_ended()


def test_early_exit_is_reported_with_the_log(processes: Processes) -> None:
    processes.start("talker", ["sh", "-c", "echo no such flag; exit 1"])
    with pytest.raises(ClusterError, match=r"talker has ended\.\n.*talker\.log ends with:\nno such flag"):
        processes.wait(lambda: False, name="talker", seconds=10)


def test_timeout_names_the_component_and_its_log(processes: Processes) -> None:
    processes.start("sleeper", ["sh", "-c", "echo thinking; exec sleep 600"])
    wait_until((processes.logs / "sleeper.log").read_text, seconds=10, what="the first line")
    with pytest.raises(ClusterError, match=r"in vain for sleeper to be ready\.\n.*sleeper\.log ends with:\nthinking"):
        processes.wait(lambda: False, name="sleeper", seconds=0.1)


def test_port_in_use_has_its_own_error(processes: Processes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        processes.start("server", [sys.executable, "-c", LISTEN, str(taken.getsockname()[1])])
        with pytest.raises(PortTakenError, match="server has ended"):
            processes.wait(lambda: False, name="server", seconds=10)


def test_child_process_ends_with_its_parent(tmp_path: Path) -> None:
    script = f"from pathlib import Path; here = Path({str(tmp_path)!r})\n{HARNESS}"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    (record,) = recorded(tmp_path)
    wait_until(record.has_ended, seconds=10, what="the orphan to end")


SERVER_WITH_A_WORKER = """
import os, subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session={new_session})
print(worker.pid, flush=True)
if {ends}:
    os._exit(0)
time.sleep(600)
"""


@pytest.mark.parametrize(("new_session", "ends"), [(False, False), (False, True), (True, False)])
def test_kill_ends_the_workers_of_a_server(processes: Processes, *, new_session: bool, ends: bool) -> None:
    """A server's worker must not outlive it, neither in another session nor when its parent has ended first."""
    script = SERVER_WITH_A_WORKER.format(new_session=new_session, ends=ends)
    record = processes.start("server", [sys.executable, "-c", script])
    log = processes.logs / "server.log"
    wait_until(log.read_text, seconds=10, what="the worker")
    worker = int(log.read_text())
    if ends:
        wait_until(record.has_ended, seconds=10, what="the server to end")
    assert started_at(worker)
    kill([record])
    assert started_at(worker) is None
