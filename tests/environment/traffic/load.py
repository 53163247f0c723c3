"""The load generator as a process in the node's network namespace."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.environment.cluster.go_program import go_program
from tests.environment.cluster.servers import node_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.environment.cluster import Cluster

HERE = Path(__file__).parent
SERVER = (HERE / "server.py").read_text()
"""Source of the server, for `python3 -c`."""
MAX_SECONDS = 240


def build_generator() -> Path:
    """Return the load generator, built if the cache does not have it."""
    return go_program(HERE / "generator", "traffic-generator")


@dataclass(frozen=True)
class Result:
    """Counts of the requests of one kind of client; times in milliseconds."""

    requests: int
    failed: int
    p50: float
    p99: float
    connections: int
    closed_idle: int
    """Connections that the server closed while they were idle; no request was sent on them."""
    failures: tuple[str, ...]

    @classmethod
    def of(cls, found: dict[str, Any]) -> Self:
        failures = tuple(
            f"after {it['second']:.2f} s on a {'kept' if it['reused'] else 'new'} connection: {it['error']}"
            for it in found["failures"] or ()
        )
        return cls(
            requests=found["requests"],
            failed=found["failed"],
            p50=found["p50"],
            p99=found["p99"],
            connections=found["connections"],
            closed_idle=found["closedIdle"],
            failures=failures,
        )


@dataclass(frozen=True)
class Load:
    """A running load."""

    process: subprocess.Popen[str]

    @classmethod
    @contextmanager
    def on(cls, cluster: Cluster, address: str, *options: str) -> Iterator[Load]:
        """Send requests to an address for the length of a `with` block; `options` are those of generator/main.go."""
        # Only the network of the node: the process stays a child of this one.
        enter = node_of(cluster, what="The load generator").network.enter
        program = build_generator()
        command: list[str | Path] = [*enter, program, f"-address={address}", f"-seconds={MAX_SECONDS}", *options]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield cls(process)
            finally:
                process.kill()

    def set_rate(self, requests_per_second: int) -> None:
        """Change the number of requests per second of each kind of client."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"rate {requests_per_second}\n")
        self.process.stdin.flush()

    def finish(self) -> dict[str, Result]:
        """Wait until each kind of client has sent its requests; return the results by kind."""
        output, _ = self.process.communicate()
        return {kind: Result.of(found) for kind, found in json.loads(output).items()}
