"""The operator as a separate process: start, stop, kill, and read its log."""

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

CACHES_SYNCED_MESSAGE = "Caches synced"
RUN_WITHOUT_CLIENT = """
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
    command: tuple[str, ...] = ("-c", RUN_WITHOUT_CLIENT)
    """Arguments of Python that run the operator."""
    log_format: str | None = "text"
    """None for a version that has no such flag, or for the default."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start the operator and wait until its caches are synced."""
        started_before = self.log.count(CACHES_SYNCED_MESSAGE)
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, *self.command, "run", "--kubeconfig", str(self.kubeconfig)),
                    *("--probe-port", "0", *self.arguments),
                    *(() if self.log_format is None else ("--log-format", self.log_format)),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        wait_until(
            lambda: self.log.count(CACHES_SYNCED_MESSAGE) > started_before or not self.is_running,
            seconds=90,
            what=f"start of the operator (log: {self.log_file})",
        )
        if not self.is_running:
            raise AssertionError(f"The operator exited during its start:\n{self.log}")

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def tracebacks(self) -> list[str]:
        """Tracebacks in the log."""
        return re.findall(r"Traceback \(most recent call last\):.*?(?=\n\d{4}-|\n\{|\Z)", self.log, flags=re.DOTALL)

    @property
    def rss_mib(self) -> float:
        """Resident memory in MiB."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def stop(self, signal_number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal to the operator and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal_number)
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)


@contextmanager
def running_operator(kubeconfig: Path, log_file: Path, *arguments: str) -> Iterator[OperatorProcess]:
    """Run an operator for the length of a `with` block; then assert that its log has no traceback."""
    operator = OperatorProcess(kubeconfig, log_file, arguments)
    try:
        operator.start()
        yield operator
    finally:
        if operator.is_running:
            operator.stop()
    assert operator.tracebacks == [], "\n".join(operator.tracebacks)
