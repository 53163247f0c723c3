"""Run a program and fail if it leaves anything behind.

The supervisor is to the run what process 1 is to a machine: it adopts the orphans of the run and waits for those that
end. Without that, a process namespace could not end, since it waits for its last process to be waited for.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.environment.processes import adopt_orphans
from tests.environment.suite.left_overs import LeftOverCheck

if TYPE_CHECKING:
    from collections.abc import Sequence

END_TIMEOUT = 5.0
"""A process that was killed a moment ago may still be in the process table."""
LEFT_OVERS_EXIT_CODE = 70
_POLL_INTERVAL = 0.05


def run_supervised(command: Sequence[str], *, seconds: float = END_TIMEOUT) -> int:
    """Run a program to its end; return its exit code, or `LEFT_OVERS_EXIT_CODE` if that was 0 and something is left.

    Where the kernel has no adoption of orphans (other systems than Linux) nothing is checked.
    """
    check = LeftOverCheck() if adopt_orphans() else None
    program = subprocess.Popen(command)
    # Ctrl-C reaches the program from the terminal; the check comes after it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: program.send_signal(number))
    code = _wait_for(program)
    if check is None:
        return code
    left = _wait_for_end_of_all(check, seconds)
    if not left:
        return code
    print("Left behind by this run:", *left, sep="\n  ", file=sys.stderr)
    check.end_processes()
    _wait_for_end_of_all(check, seconds)
    return code or LEFT_OVERS_EXIT_CODE


def _wait_for(program: subprocess.Popen[bytes]) -> int:
    """Wait for a program, and in the meantime for every adopted process that ends."""
    while True:
        pid, status = os.wait()
        if pid == program.pid:
            program.returncode = os.waitstatus_to_exitcode(status)
            # As a shell reports a signal.
            return program.returncode if program.returncode >= 0 else 128 - program.returncode


def _wait_for_end_of_all(check: LeftOverCheck, seconds: float) -> list[str]:
    deadline = time.monotonic() + seconds
    while True:
        _reap()
        left = check.find()
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(_POLL_INTERVAL)


def _reap() -> None:
    """Wait for the adopted processes that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
