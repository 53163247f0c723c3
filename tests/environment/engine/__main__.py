"""Command line: `python -m tests.environment.engine COMMAND...` starts an engine, runs a command and ends the engine.

DOCKER_HOST names the engine to a Docker client of this machine.
"""

import os
import subprocess
import sys

from tests.environment import engine
from tests.environment.cluster import ClusterError
from tests.environment.cluster.progress import say


def main(command: list[str]) -> int:
    """Run the command; return its exit code."""
    if not command:
        say((__doc__ or "").strip())
        return 2
    try:
        with engine.start() as running:
            return subprocess.run(command, env=os.environ | {"DOCKER_HOST": running.host}, check=False).returncode
    except ClusterError as error:
        say(f"error: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
