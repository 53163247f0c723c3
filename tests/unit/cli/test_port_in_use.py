"""A port that is in use ends the process with a sentence."""

import json
import subprocess
import sys
from pathlib import Path

from modelservice_operator.manager.health import listen

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "a",
    "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:9"}}],
    "users": [{"name": "a", "user": {}}],
}


def test_port_in_use_is_named(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(KUBECONFIG))
    with listen(0) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "modelservice_operator", "run", "--kubeconfig", str(file)]
        options = ("--probe-port", port, "--log-format", "text")
        ended = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 1
    assert f"Cannot serve /healthz and /readyz on port {port}: Address already in use" in ended.stderr
    assert "Choose another port with --probe-port" in ended.stderr
