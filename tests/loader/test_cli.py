"""The loader as a command on a terminal, and its termination by a signal."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from base64 import b64decode, b64encode
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
