"""`kubectl port-forward` for the length of a `with` block: works on every tier with real pods."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.environment.cluster import Cluster, ClusterError

_ADDRESS = re.compile(r"Forwarding from (127\.0\.0\.1:\d+)")


@contextmanager
def port_forward(cluster: Cluster, target: str, port: int, *, namespace: str = "default") -> Iterator[str]:
    """Yield the http URL of a free local port that leads to `port` of a Service or pod."""
    process = subprocess.Popen(
        [cluster.kubectl, "--namespace", namespace, "port-forward", "--address=127.0.0.1", target, f":{port}"],
        env=os.environ | {"KUBECONFIG": str(cluster.kubeconfig)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = _ADDRESS.match(line)
        if match is None:
            raise ClusterError(f"kubectl port-forward {target} failed: {line.strip() or 'it ended without output'}")
        yield f"http://{match[1]}"
    finally:
        process.terminate()
        process.communicate(timeout=10)
