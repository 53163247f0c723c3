"""The operator as a process of its own: started, killed, and its log read."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.environment.cluster.wait import wait_until

READY = "Caches synced"
RUN = """
import runpy, sys
sys.modules["kubernetes"] = None
runpy.run_module("modelservice_operator", run_name="__main__", alter_sys=True)
"""
"""`python -m modelservice_operator` as in its image, where the official client is not installed: kopf imports it where
it is, which takes as long as the rest of the start.
"""


@dataclass
class OperatorProcess:
    """The operator as a process, with its log in a file."""

    kubeconfig: Path
    log_file: Path
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it and wait until it reconciles."""
        started_before = self.log.count(READY)
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-c", RUN, "run", "--kubeconfig", str(self.kubeconfig)),
                    *("--probe-port", "0", *self.arguments),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        wait_until(
            lambda: self.log.count(READY) > started_before or not self.running,
            seconds=30,
            what=f"the operator to start (log: {self.log_file})",
        )
        if not self.running:
            raise AssertionError(f"The operator ended at once:\n{self.log}")

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def tracebacks(self) -> list[str]:
        """Bugs that the log shows."""
        return re.findall(r"Traceback \(most recent call last\):.*?(?=\n\d{4}-|\Z)", self.log, flags=re.DOTALL)

    @property
    def rss_mib(self) -> float:
        """Resident memory in MiB."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal and return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=20)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)


@contextmanager
def running_operator(kubeconfig: Path, log_file: Path, *arguments: str) -> Iterator[OperatorProcess]:
    """Run an operator for the length of a `with` block; bugs in its log are an error of the block."""
    operator = OperatorProcess(kubeconfig, log_file, arguments)
    try:
        operator.start()
        yield operator
    finally:
        if operator.running:
            operator.stop()
    assert operator.tracebacks == []
