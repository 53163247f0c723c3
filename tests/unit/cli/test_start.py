"""Start-up of a command that uses a cluster, until it reaches the network. CPU time: a busy machine does not matter."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from modelservice_cli.errors import ExitCode

MAX_SECONDS = 0.15
HEAVY = ("kubernetes", "pydantic", "orjson", "urllib3", "requests", "websocket", "asyncio", "aiohttp")


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """A kubeconfig with a server that refuses connections."""
    path = tmp_path / "config"
    context = {"name": "a", "context": {"cluster": "c", "user": "u"}}
    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    user = {"name": "u", "user": {"token": "t"}}
    path.write_text(json.dumps({"current-context": "a", "clusters": [cluster], "users": [user], "contexts": [context]}))
    return path


def cpu_seconds(*arguments: str) -> tuple[float, int]:
    """Return the CPU time of a Python process and its exit code."""
    with Path(os.devnull).open("w") as sink:
        actions = [(os.POSIX_SPAWN_DUP2, sink.fileno(), 1), (os.POSIX_SPAWN_DUP2, sink.fileno(), 2)]
        pid = os.posix_spawn(sys.executable, [sys.executable, *arguments], os.environ, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
    return usage.ru_utime + usage.ru_stime, os.waitstatus_to_exitcode(status)


def test_list_reaches_the_network_quickly(kubeconfig: Path, figure: Callable[[str], None]) -> None:
    own, bare = [], []
    for _ in range(5):
        seconds, code = cpu_seconds("-m", "modelservice_cli", "list", "--kubeconfig", str(kubeconfig))
        assert code == ExitCode.UNREACHABLE
        own.append(seconds)
        bare.append(cpu_seconds("-c", "import argparse, pathlib, difflib")[0])
    figure(f"command line: list needs {median(own) * 1000:.0f} ms of CPU, the interpreter {median(bare) * 1000:.0f} ms")
    assert median(own) < max(MAX_SECONDS, 8 * median(bare))


def test_list_imports_no_large_library_before_the_network(kubeconfig: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = (
        "import sys; from modelservice_cli.main import main;"
        f"main(['list', '--kubeconfig', {str(kubeconfig)!r}]);"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], os.environ)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert capfd.readouterr().out.strip() == "[]"
