"""Protection of the loader's process. It is tried in another process: it cannot be undone."""

import json
import subprocess
import sys
from pathlib import Path

from model_loader.process import take_environment

OPERATOR = Path(__file__).parents[3] / "operator"
PROGRAM = """
import ctypes, json, os, resource
from model_loader.process import protect_process
given = protect_process()
print(json.dumps({
    "given": given, "left": dict(os.environ), "core": resource.getrlimit(resource.RLIMIT_CORE),
    "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), "native": ctypes.CDLL(None).getenv(b"AWS_SECRET_ACCESS_KEY"),
}))
"""


def test_environment_is_taken_away() -> None:
    environment = {"PATH": "/bin", "LD_PRELOAD": "x", "HTTPS_PROXY": "y", "AWS_ACCESS_KEY_ID": "z", "MODEL_URI": "u"}
    given = dict(environment)
    assert take_environment(environment) == given
    assert environment == {"PATH": "/bin"}


def test_process_leaves_no_dump_and_no_environment() -> None:
    environment = {"PATH": "/bin", "PYTHONPATH": str(OPERATOR), "AWS_SECRET_ACCESS_KEY": "canary", "TERM": "xterm"}
    output = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=True, text=True, timeout=60
    ).stdout
    found = json.loads(output)
    assert environment.items() <= found["given"].items()
    assert found["left"].keys() <= {"PATH", "TERM", "LC_CTYPE"}
    assert (found["core"], found["dumpable"], found["native"]) == ([0, 0], 0, 0)
