"""The loader as a command on a terminal, and its termination by a signal."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.environment.stores.web import Web, dripping
from tests.loader.conftest import LOOPBACK, OPERATOR, Loader

MODEL = os.urandom(100_000)


def command(web: Web, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "model_loader", "--allow-cidr", LOOPBACK, *arguments],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(OPERATOR), **web.environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_terminal_output_describes_the_load(web: Web, tmp_path: Path) -> None:
    url = web.file("/models/iris.bin", MODEL)
    done = command(web, tmp_path, "--uri", url)
    assert done.returncode == 0, done.stderr
    assert f"Loaded 1 file, {len(MODEL)} bytes from {url}." in done.stderr
    assert (tmp_path / "iris.bin" / "iris.bin").read_bytes() == MODEL
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["digest"] in done.stderr


def test_progress_bar_is_shown_on_a_terminal(web: Web, tmp_path: Path) -> None:
    url = web.file("/models/bar.bin", MODEL)
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "model_loader", "--allow-cidr", LOOPBACK, "--uri", url],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(OPERATOR), "TERM": "xterm", **web.environment},
        stdout=subprocess.DEVNULL,
        stderr=slave,
    )
    assert process.wait(timeout=60) == 0
    os.close(slave)
    shown = os.read(master, 65_536).decode()
    os.close(master)
    assert "Loaded 1 file" in shown


def test_failure_is_reported_without_a_traceback(web: Web, tmp_path: Path) -> None:
    done = command(web, tmp_path, "--uri", f"{web.url}/none", "--to", "here")
    assert done.returncode == 1
    assert done.stderr.strip() == f"ModelNotFound: {web.url}/none does not exist (HTTP 404). Check model.uri."


def test_resolve_reports_the_resolution_of_a_uri(web: Web, tmp_path: Path) -> None:
    url = web.file("/models/ask.bin", MODEL)
    first = json.loads(command(web, tmp_path, "--uri", url, "--resolve").stdout.splitlines()[-1])
    assert (first["reason"], first["bytes"], list(tmp_path.iterdir())) == ("Resolved", len(MODEL), [])
    web.file("/models/ask.bin", MODEL + b"!")
    second = json.loads(command(web, tmp_path, "--uri", url, "--resolve").stdout.splitlines()[-1])
    assert first["resolution"] != second["resolution"]


def test_sigterm_ends_the_loader(load: Loader, web: Web) -> None:
    process = load.start(web.page("/dripping", dripping()), web.environment)
    while not (load.volume / ".model.partial").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 128 + signal.SIGTERM
    process.communicate()
    assert not (load.volume / "model").exists()
