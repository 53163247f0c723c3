"""A port that is in use ends the process with a sentence."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.health import listen

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "a",
    "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:9"}}],
    "users": [{"name": "a", "user": {}}],
}


@pytest.mark.parametrize(
    ("flag", "served", "others"),
    [
        ("--probe-port", "/healthz and /readyz", "probes of the pod"),
        ("--secure-metrics-port", "/metrics", "ports of the pod and its Service"),
    ],
)
def test_port_in_use_is_named(tmp_path: Path, flag: str, served: str, others: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(KUBECONFIG))
    with listen(0) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "modelservice_operator", "run", "--kubeconfig", str(file)]
        options = ("--probe-port", "0", flag, port, "--log-format", "text")
        ended = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 1
    assert f"Cannot serve {served} on port {port}: Address already in use" in ended.stderr
    assert f"Choose another port with {flag}, and the same one in the {others}" in ended.stderr
