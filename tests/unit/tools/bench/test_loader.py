"""The servers and programs of the loader benchmark, and its table."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.loader import LoaderRun, format_table
from bench.loader_cases import LOADER, ROOT, Case

from tests.environment.cluster.pki import Authority

CONTENT = os.urandom(300_000)


@pytest.fixture(params=["http", "https"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "files" / "a").mkdir(parents=True)
    (tmp_path / "files" / "a" / "b.bin").write_bytes(CONTENT)
    authority = Authority.create("test")
    authority.issue("server", names=("localhost",)).write(tmp_path, "server")
    (tmp_path / "authority.crt").write_bytes(authority.pair.certificate)
    command = [sys.executable, str(ROOT / "bench" / "file_server.py"), str(tmp_path / "files"), str(port)]
    if request.param == "https":
        command += ["--certificate", str(tmp_path / "server.crt"), "--key", str(tmp_path / "server.key")]
    with subprocess.Popen(command) as server:
        deadline = time.monotonic() + 20
        while not is_open(port) and time.monotonic() < deadline:
            time.sleep(0.02)
        yield f"{request.param}://localhost:{port}"
        server.kill()


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def copy(tmp_path: Path, *ranges: str, tls: bool) -> subprocess.CompletedProcess[str]:
    (tmp_path / "ranges").write_text("".join(f"{line}\n" for line in ranges))
    command = [sys.executable, str(ROOT / "bench" / "network_copy.py"), str(tmp_path / "ranges"), "2"]
    command += [str(tmp_path / "authority.crt")] if tls else []
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_network_copy_receives_all_ranges(tmp_path: Path, url: str) -> None:
    file, is_tls = f"{url}/a/b.bin?x=1", url.startswith("https")
    done = copy(tmp_path, f"{file} 0 300000", f"{file} 5 6", f"{file} 100 300000", tls=is_tls)
    assert (done.returncode, done.stderr) == (0, "")
    assert copy(tmp_path, f"{url}/missing 0 10", tls=is_tls).returncode == 1


def test_loader_table_compares_with_the_reference() -> None:
    case = Case("one", 1024, "s5cmd", {LOADER: lambda _: [], "s5cmd": lambda _: []})
    runs = {LOADER: [LoaderRun(2.0, 1.5, 30.0)], "s5cmd": [LoaderRun(1.0, 1.0, 16.0)]}
    table = format_table(case, runs)
    assert "speed, s5cmd = 1" in table
    assert "0.50x" in table
    assert "1.50" in table
