"""Runs the core tests on real control planes of the older supported Kubernetes versions.

    python -m tests.environment.versions [1.33 ...]

Two versions run at a time, with two workers each: the tests wait most of the time.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.environment.cluster import Tier, build
from tests.environment.cluster.programs import OLDER_KUBERNETES, kubernetes_version

CONCURRENT_VERSIONS = 2
COMMAND = (
    *(sys.executable, "-m", "tests.environment.suite", "-m", "core"),
    *("--numprocesses", "2", "--dist", "loadscope", "tests/integration"),
)


@dataclass(frozen=True)
class Outcome:
    """Result of the tests on one version."""

    version: str
    code: int
    output: str
    seconds: float

    def __str__(self) -> str:
        counts = re.findall(r"\d+ (?:passed|failed|errors?|skipped)\b", (self.output.splitlines() or [""])[-1])
        return f"Kubernetes {self.version}: {', '.join(counts) or f'exit code {self.code}'} in {self.seconds:.0f} s"


def main(minors: list[str]) -> int:
    """Test each version; return 1 if any failed."""
    for minor in minors:
        build(Tier.CONTROL_PLANE, kubernetes=minor)
    with ThreadPoolExecutor(CONCURRENT_VERSIONS) as pool:
        outcomes = list(pool.map(run_tests, minors))
    for outcome in outcomes:
        print(outcome)
    return int(any(outcome.code for outcome in outcomes))


def run_tests(minor: str) -> Outcome:
    """Run the core tests on a minor version, and show their output if one failed."""
    started = time.monotonic()
    environment = os.environ | {"CLUSTER_KUBERNETES": minor}
    result = subprocess.run(
        COMMAND, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    outcome = Outcome(kubernetes_version(minor), result.returncode, result.stdout, time.monotonic() - started)
    if outcome.code:
        print(f"{outcome.output}\n{outcome}", flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(OLDER_KUBERNETES)))
