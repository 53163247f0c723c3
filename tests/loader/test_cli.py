"""The loader as a command on a terminal, and its termination by a signal."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.environment.stores.web import Handler, Web, dripping
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


def paced(chunks: int, size: int, seconds: float) -> Callable[[Handler], None]:
    """A body in chunks of `size` bytes, with a pause before each."""

    def answer(handler: Handler) -> None:
        handler.begin(200, length=chunks * size)
        for _ in range(chunks):
            time.sleep(seconds)
            handler.wfile.write(bytes(range(256)) * (size // 256))

    return answer


def read_terminal(terminal: int) -> str:
    """Return what was shown until the program closed its end of the terminal."""
    shown = b""
    with suppress(OSError):  # EIO: the end is closed (pty(7))
        while chunk := os.read(terminal, 65_536):
            shown += chunk
    return shown.decode()


def test_progress_bar_shows_share_rate_and_time_left(web: Web, tmp_path: Path) -> None:
    url = web.page("/models/bar.bin", paced(20, 1 << 20, 0.1))
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 100))
    with subprocess.Popen(
        [sys.executable, "-m", "model_loader", "--allow-cidr", LOOPBACK, "--uri", url],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(OPERATOR), "TERM": "xterm", **web.environment},
        stdout=subprocess.DEVNULL,
        stderr=slave,
    ) as process:
        os.close(slave)
        frames = re.split(r"[\r\n]+", read_terminal(master))
    os.close(master)
    assert process.returncode == 0
    bars = [found for frame in frames if (found := BAR.search(frame))]
    shares = [int(bar["percent"]) for bar in bars]
    assert len(bars) >= 5, frames
    assert shares == sorted(shares)
    assert 0 < shares[len(shares) // 2] < 100
    assert all(frame.startswith("Loaded 1 file") for frame in frames if "Loaded" in frame), "the bar is removed"
    assert "Loaded 1 file" in "".join(frames)


BAR = re.compile(
    r"(?P<percent>\d+)%\|.*\| +(?P<done>[\d.]+[kM]?)/20\.0M \[\d+:\d+<(?P<left>\d+:\d+), +[\d.]+[kM]?B/s, \d files?\]"
)
"""Share, bytes, time since the start, time left, rate and files."""


def test_pod_log_and_port_show_share_rate_and_time(load: Loader, web: Web) -> None:
    """One line each 5 seconds in the log, and the same figures for each connection to the port."""
    url = web.page("/models/pod.bin", paced(80, 1 << 18, 0.1))
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    process = load.start(url, web.environment, progress_port=str(port))
    read: list[dict[str, int]] = []
    while process.poll() is None:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
            read.append(json.loads(peer.makefile().read()))
        time.sleep(1)
    output, _ = process.communicate()
    lines = [json.loads(line) for line in output.splitlines()]
    logged = [line for line in lines if line.get("event") == "progress"]
    assert lines[-1]["reason"] == "Loaded"
    assert len(logged) == 1, "a load of 8 seconds has one line"
    assert logged[0]["total"] == 20 << 20
    assert 0 < logged[0]["percent"] < 100
    assert 2e6 < logged[0]["bytesPerSecond"] < 3e6
    assert 1 <= logged[0]["secondsLeft"] <= 6
    assert len(read) >= 4
    loaded = [figures["bytes"] for figures in read]
    assert loaded == sorted(loaded)
    assert read[-1].keys() == logged[0].keys() - {"event"}


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


SECRETS = {
    "MLFLOW_TRACKING_USERNAME": "canary-user",
    "MLFLOW_TRACKING_PASSWORD": 'canary"pass\\word',
    "HF_TOKEN": "canary-token'with#a?quote",
    ".dockerconfigjson": json.dumps({"auths": {"r.io": {"auth": b64encode(b"u:canary-docker").decode()}}}),
}


@pytest.mark.parametrize("interactive", [False, True])
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_reflected_credentials_are_not_printed(
    load: Loader, web: Web, tmp_path: Path, locale: str, *, interactive: bool
) -> None:
    """A server repeats what it received, in every form, and adds text that UTF-8 cannot carry."""
    password, token = SECRETS["MLFLOW_TRACKING_PASSWORD"], SECRETS["HF_TOKEN"]

    def reflect(handler: Handler) -> None:
        login = handler.headers["Authorization"]
        forms = [login, b64decode(login.partition(" ")[2]).decode(), quote(password, safe=""), repr(password)]
        forms += [
            json.dumps(password),
            b64encode(b"x" + password.encode()).decode(),
            "u:canary-docker",
            "\ud800\u00e9",
            token,
        ]
        body = json.dumps({"artifact_uri": f"ftp://host/{' '.join(forms)}"}).encode()
        handler.answer(200, body, Content_Type="application/json")

    web.page("/api/2.0/mlflow/model-versions/get-download-uri", reflect)
    uri = "models:/iris/1"
    environment = {**web.environment, **SECRETS, "MLFLOW_TRACKING_URI": web.url, "LC_ALL": locale, "PYTHONUTF8": "0"}
    arguments = ("--uri", uri, "--to", str(tmp_path / "x"), "--allow-cidr", LOOPBACK) if interactive else ()
    process = load.start(uri, environment, program=("-m", "model_loader", *arguments))
    output, errors = process.communicate(timeout=60)
    report = json.loads(output.splitlines()[-1])
    assert (process.returncode, report["reason"]) == (1, "BadURI"), output + errors
    assert "which only the tracking server can read" in report["message"]
    assert "\ufffd\u00e9" in report["message"]
    sent = b64encode(f"canary-user:{password}".encode()).decode()
    for secret in ("canary", sent, sent[4:-4], "pass%5Cword", "word"):
        assert secret not in output + errors


def test_sigterm_ends_the_loader(load: Loader, web: Web) -> None:
    process = load.start(web.page("/dripping", dripping()), web.environment)
    while not (load.volume / ".model.partial").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 128 + signal.SIGTERM
    process.communicate()
    assert not (load.volume / "model").exists()
