import subprocess
import sys

import pytest

from tests.environment.suite.file_times import Clock, FileTime, table_of, tree_cpu_seconds

BURN = "import time\nwhile time.process_time() < 0.5: pass"


@pytest.mark.skipif(sys.platform != "linux", reason="the process table is read from /proc")
def test_cpu_time_includes_ended_children() -> None:
    before = tree_cpu_seconds()
    subprocess.run([sys.executable, "-c", BURN], check=True)
    assert tree_cpu_seconds() - before >= 0.4


@pytest.mark.skipif(sys.platform != "linux", reason="the process table is read from /proc")
def test_cpu_time_includes_running_children() -> None:
    before = tree_cpu_seconds()
    with subprocess.Popen([sys.executable, "-c", f"{BURN}\nprint(flush=True)\ninput()"], stdin=-1, stdout=-1) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert tree_cpu_seconds() - before >= 0.4
        child.kill()


def test_clock_adds_up_the_tests_of_a_file() -> None:
    clock = Clock("gw0")
    for file in ("a.py", "a.py", "b.py"):
        clock.count_test(file)
    clock.stop()
    assert [(entry["file"], entry["tests"]) for entry in clock.times()] == [("a.py", 2), ("b.py", 1)]


def test_table_shows_slow_files_and_totals() -> None:
    times = [FileTime("a.py", "gw0", 20, 5, 3), FileTime("b.py", "gw0", 1, 1, 9), FileTime("c.py", "gw1", 30, 40, 1)]
    assert [line.split() for line in table_of(times)][1:] == [
        ["30.0s", "40.0s", "1", "c.py", "(gw1)"],
        ["20.0s", "5.0s", "3", "a.py", "(gw0)"],
        ["21.0s", "6.0s", "12", "gw0"],
        ["30.0s", "40.0s", "1", "gw1"],
    ]
