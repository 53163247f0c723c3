"""Credentials of the loader as a process: files of a Secret, and nothing of them in what others can read."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from model_loader.redaction import Redactor, redact_url
from tests.environment.stores.web import Handler, Web, dripping
from tests.loader.conftest import LOOPBACK, OPERATOR, Loader

# ruff: noqa: S105 - the values exist only here
PASSWORD = "canary+pass/word=?#&%\"'\\ end"
TOKEN = 'canary-token?a=b#c"d\\e%2F+/='
KEY_LINES = "-----BEGIN PRIVATE KEY-----\nMIIcanaryLineOne+/\nMIIcanaryLineTwo==\n-----END PRIVATE KEY-----\n"
DOCKER_PASSWORD = "canary-docker\n?pass:word"
SECRET = {
    "MLFLOW_TRACKING_USERNAME": "canary-user@example.com",
    "MLFLOW_TRACKING_PASSWORD": PASSWORD,
    "HF_TOKEN": TOKEN,
    "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps({"client_email": "reader@example.com", "private_key": KEY_LINES}),
    "AZURE_STORAGE_SAS_TOKEN": "sv=2024-11-04&sp=rl&sig=canary%2Bsignature%3D",
    ".dockerconfigjson": json.dumps(
        {
            "auths": {
                "r.example.com": {"auth": b64encode(f"robot:{DOCKER_PASSWORD}".encode()).decode()},
                "s.example.com": {"username": "canary-robot", "password": "canary-inner", "identitytoken": "canary-id"},
            }
        }
    ),
}
SENT = (
    *(PASSWORD, TOKEN, DOCKER_PASSWORD, "canary-inner", "canary-id", "canary+signature="),
    *("canary-user@example.com", "MIIcanaryLineOne+/", "MIIcanaryLineTwo=="),
)
"""Texts that a store may repeat."""


def forms(text: str) -> Iterator[str]:
    """Yield the forms in which a text may come back: as sent, quoted, encoded, and as parts of URLs."""
    data = text.encode()
    yield from (text, json.dumps(text), repr(text), quote(text), quote(text, safe=""), quote_plus(text))
    yield from (b64encode(data).decode(), urlsafe_b64encode(b"x:" + data).decode(), b64encode(b"xy" + data).decode())
    yield f"https://host.example/a/{text}/b"
    yield f"https://u:{quote(text, safe='')}@host.example/a"
    yield f"https://host.example/a?token={text}#{text}"


def needles() -> set[str]:
    """Return what must not be found: a word of each secret, and the middle of its Base64 forms."""
    encoded = (b64encode(b"xy"[:offset] + text.encode()).decode()[4:-4] for text in SENT for offset in range(3))
    return {"canary", *encoded}


@pytest.mark.parametrize("text", SENT)
def test_reflected_credential_is_not_printed(load: Loader, web: Web, text: str) -> None:
    def reflect(handler: Handler) -> None:
        body = json.dumps({"artifact_uri": f"ftp://host/{text}"})
        handler.answer(200, body.encode(), Content_Type="application/json")

    web.page("/api/2.0/mlflow/model-versions/get-download-uri", reflect)
    outcome = load("models:/iris/1", {**web.environment, **SECRET, "MLFLOW_TRACKING_URI": web.url})
    assert (outcome.code, outcome.reason) == (1, "BadURI")
    assert not [needle for needle in needles() if needle in outcome.log]


@pytest.mark.parametrize("text", SENT)
def test_no_form_of_a_credential_is_left(text: str) -> None:
    redact = Redactor.from_environment(SECRET).redact
    for form in forms(text):
        for printed in (form, redact_url(form), f"The store sent {form!r}."):
            assert not [needle for needle in needles() if needle in redact(printed)], form


def test_running_loader_shows_no_credential(load: Loader, web: Web) -> None:
    """Neither its arguments nor its environment, its log and its files contain one."""
    web.page("/dripping", dripping())
    process = load.start(f"{web.url}/dripping", {**web.environment, **SECRET, "HTTP_BEARER_TOKEN": TOKEN})
    while not (load.volume / ".model.partial").exists():
        time.sleep(0.02)
    proc = Path("/proc") / str(process.pid)
    shown = {name: (proc / name).read_bytes().decode(errors="replace") for name in ("environ", "cmdline", "limits")}
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=10)
    limits = {line[:25].strip(): line[25:].split() for line in shown["limits"].splitlines()}
    assert limits["Max core file size"][:2] == ["0", "0"]
    texts = "".join([shown["environ"], shown["cmdline"], output, errors])
    assert not [needle for needle in needles() if needle in texts]
    assert f"Bearer {TOKEN}" in {headers.get("Authorization") for _, headers in web.asked}


def test_crash_writes_no_core_file(load: Loader, web: Web, tmp_path: Path) -> None:
    """Its limits allow it; the loader lowers them before it reads a credential."""
    web.page("/dripping", dripping())
    environment = load.environment(f"{web.url}/dripping", {**web.environment, "HTTP_BEARER_TOKEN": TOKEN})

    def allow_core_files() -> None:
        limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))

    process = subprocess.Popen(
        [sys.executable, "-m", "model_loader"],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        preexec_fn=allow_core_files,  # noqa: PLW1509 - no threads
    )
    while not (load.volume / ".model.partial").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGABRT)
    assert process.wait(timeout=10) == -signal.SIGABRT
    assert [path.name for path in tmp_path.iterdir() if "core" in path.name] == []


UNPRIVILEGED = 65_534


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_other_processes_of_the_user_cannot_look_inside() -> None:
    """The sidecars of a pod may run as the same user: /proc of the loader belongs to root."""
    program = (
        "import os, sys; from model_loader.process import protect_process\n"
        "child = os.fork()\n"
        "if not child: os.execv('/bin/sleep', ['sleep', '30'])\n"
        "protect_process()\n"
        "print(os.getpid(), child, flush=True); sys.stdin.read(); os.kill(child, 9)"
    )
    with subprocess.Popen(
        ["/usr/bin/python3", "-c", program],
        env={"PYTHONPATH": str(OPERATOR)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        user=UNPRIVILEGED,
        group=UNPRIVILEGED,
        extra_groups=[],
        cwd="/",
    ) as process:
        assert process.stdout is not None
        loader, other = (Path("/proc") / number for number in process.stdout.readline().split())
        assert ((loader / "environ").stat().st_uid, (other / "environ").stat().st_uid) == (0, UNPRIVILEGED)


@pytest.mark.parametrize("name", ["LD_PRELOAD", "MODEL_ALLOWED_CIDRS", "https_proxy", "SSL_CERT_FILE", "PYTHONPATH"])
def test_dangerous_key_ends_the_load(load: Loader, plain_web: Web, name: str) -> None:
    plain_web.asked.clear()
    secret = load.write_secret({name: "canary", "HTTP_BEARER_TOKEN": "token"})
    outcome = load(plain_web.file("/m", b"weights"), credentials_dir=str(secret))
    assert (outcome.code, outcome.reason) == (1, "InvalidCredentials")
    assert f"The Secret of model.credentials has the key {name}, which " in outcome.message
    assert "canary" not in outcome.log
    assert plain_web.asked == []


def test_unknown_keys_are_named_in_one_line(load: Loader, plain_web: Web) -> None:
    secret = load.write_secret({"hf_token": "canary", "tls.crt": b"\xff", "HTTP_BEARER_TOKEN": "token\n"})
    outcome = load(plain_web.file("/m", b"weights"), credentials_dir=str(secret))
    assert (outcome.code, outcome.files) == (0, {"m": b"weights"})
    assert plain_web.asked[-1][1]["Authorization"] == "Bearer token"
    [line] = [json.loads(line) for line in outcome.log.splitlines() if "ignored-keys" in line]
    assert line == {"event": "ignored-keys", "keys": "hf_token, tls.crt", "count": 2}
    assert "canary" not in outcome.log


def test_denied_access_names_the_unknown_keys(load: Loader, plain_web: Web) -> None:
    url = plain_web.page("/private", lambda handler: handler.answer(401))
    outcome = load(url, credentials_dir=str(load.write_secret({"http_bearer_token": "canary"})))
    assert (outcome.code, outcome.reason) == (1, "InvalidCredentials")
    assert outcome.message.endswith("These keys of the Secret are unknown and were ignored: http_bearer_token.")
    assert "canary" not in outcome.log


def test_missing_bundle_of_authorities_is_named(load: Loader, web: Web, plain_web: Web, tmp_path: Path) -> None:
    """The ConfigMap is optional: a namespace without it can load public models."""
    file = str(tmp_path / "ca-bundle.crt")
    found = load(plain_web.file("/public", b"weights"), key="a", ca_bundle=file)
    assert (found.code, '"event": "ca-bundle-missing"' in found.log) == (0, True)
    private = load(web.file("/private", b"weights"), key="b", ca_bundle=file)
    assert private.reason == "Unreachable"
    assert private.message.endswith(f"The certificate authorities of --loader-ca-bundle are missing: {file}.")


STRANGE: Mapping[str, str] = {
    "HTTP_BEARER_TOKEN": "canary",
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/canary",
    "HTTPS_PROXY": "http://127.0.0.1:9",
}


def test_environment_of_a_pod_is_no_credential(load: Loader, plain_web: Web) -> None:
    """A webhook or an image sets variables, which the ModelService has not declared."""
    environment = {**load.environment(plain_web.file("/m", b"weights")), **STRANGE}
    done = subprocess.run(
        [sys.executable, "-m", "model_loader"], env=environment, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "Authorization" not in plain_web.asked[-1][1]


@pytest.mark.parametrize("given", [{"HTTP_BEARER_TOKEN": TOKEN}, {"HTTP_BEARER_TOKEN": "canary two"}])
def test_tool_reads_the_environment_of_its_user(plain_web: Web, tmp_path: Path, given: dict[str, str]) -> None:
    plain_web.asked.clear()
    url = plain_web.file("/tool", b"weights")
    done = subprocess.run(
        [sys.executable, "-m", "model_loader", "--allow-cidr", LOOPBACK, "--uri", url],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(OPERATOR), "HTTPS_PROXY": "http://127.0.0.1:9", **given},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if given["HTTP_BEARER_TOKEN"] == TOKEN:
        assert done.returncode == 0, done.stderr
        assert plain_web.asked[-1][1]["Authorization"] == f"Bearer {TOKEN}"
    else:
        assert "The value of HTTP_BEARER_TOKEN in the environment is not visible ASCII" in done.stderr
        assert plain_web.asked == []
    assert "canary" not in done.stdout + done.stderr
