"""Kubeconfigs: contexts, merging, paths, impersonation, and login programs by the official client."""

import base64
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelservice_cli.cluster.kubeconfig import Choice, context_names, load_endpoint
from modelservice_cli.errors import CliError, ExitCode

SERVER = "https://api.example.com:6443/"
EMPTY_CREDENTIAL = """
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {}}))
"""
NO_URL = """
current-context: x
contexts: [{name: x, context: {cluster: c}}]
clusters: [{name: c, cluster: {server: "ftp://x"}}]
"""
CA = b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"


def write(
    path: Path, *, user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None, **more: Any
) -> Path:
    body = {
        "current-context": "dev",
        "clusters": [{"name": "c", "cluster": {"server": SERVER, **(cluster or {})}}],
        "users": [{"name": "alice", "user": user or {"token": "secret-token"}}],
        "contexts": [{"name": "dev", "context": {"cluster": "c", "user": "alice", "namespace": "ml"}}],
        **more,
    }
    path.write_text(yaml.safe_dump(body))
    return path


def failure(choice: Choice, environment: dict[str, str] | None = None) -> str:
    with pytest.raises(CliError) as caught:
        load_endpoint(choice, environment or {})
    assert caught.value.code in {ExitCode.UNREACHABLE, ExitCode.USAGE}
    assert "secret-token" not in str(caught.value)
    return str(caught.value)


def test_context_chooses_server_user_and_namespace(tmp_path: Path) -> None:
    found = load_endpoint(Choice(write(tmp_path / "config")), {})
    assert (found.server, found.namespace, found.user) == ("https://api.example.com:6443", "ml", "alice")
    assert found.identity.headers == (("Authorization", "Bearer secret-token"),)


def test_files_of_the_environment_are_merged_first_wins(tmp_path: Path) -> None:
    first = write(tmp_path / "first")
    other = [{"name": "prod", "context": {"cluster": "c", "user": "alice"}}]
    second = write(tmp_path / "second", user={"token": "other"}, contexts=other)
    names = os.pathsep.join([str(tmp_path / "missing"), str(first), str(second)])
    found = load_endpoint(Choice(context="prod"), {"KUBECONFIG": names})
    assert found.identity.headers == (("Authorization", "Bearer secret-token"),)
    assert found.namespace == "default"
    assert context_names([first, second]) == ["dev", "prod"]


def test_paths_are_relative_to_their_file(tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "ca.crt").write_bytes(CA)
    (tmp_path / "pki" / "token").write_text("from-a-file\n")
    user = {"tokenFile": "pki/token", "token": "older"}
    found = load_endpoint(
        Choice(write(tmp_path / "config", user=user, cluster={"certificate-authority": "pki/ca.crt"}))
    )
    assert found.authorities == CA
    assert found.identity.headers == (("Authorization", "Bearer from-a-file"),)


def test_password_is_basic_authentication(tmp_path: Path) -> None:
    found = load_endpoint(Choice(write(tmp_path / "config", user={"username": "a", "password": "b"})))
    assert found.identity.headers == (("Authorization", f"Basic {base64.b64encode(b'a:b').decode()}"),)


def test_impersonation_of_the_kubeconfig_becomes_headers(tmp_path: Path) -> None:
    user = {
        "token": "t",
        "as": "bob",
        "as-uid": "7",
        "as-groups": ["dev", "ops"],
        "as-user-extra": {"example.com/Team A": ["x"]},
    }
    assert load_endpoint(Choice(write(tmp_path / "config", user=user))).identity.headers[1:] == (
        ("Impersonate-User", "bob"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "dev"),
        ("Impersonate-Group", "ops"),
        ("Impersonate-Extra-example.com%2FTeam%20A", "x"),
    )


def test_impersonation_of_the_command_line_replaces_it(tmp_path: Path) -> None:
    path = write(tmp_path / "config", user={"token": "t", "as": "bob", "as-groups": ["dev"]})
    found = load_endpoint(Choice(path, impersonate="carol", impersonate_groups=("sre",)))
    assert found.identity.headers[1:] == (("Impersonate-User", "carol"), ("Impersonate-Group", "sre"))
    assert "--as-group needs --as" in failure(Choice(path, impersonate_groups=("sre",)))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("a: [", "it is damaged or half-written"),
        ("- a", "it is damaged or half-written"),
        ("users: [{user: {token: secret-token}}]", "it is damaged or half-written"),
        ("contexts: []", "it has no current context; choose one with --context"),
        ("current-context: x", "(contexts: none) has no context 'x'"),
        ("current-context: x\ncontexts: [{name: x, context: {cluster: c}}]", "(clusters: none) has no cluster 'c'"),
        (
            NO_URL,
            "is not an http or https URL: 'ftp://x'",
        ),
    ],
    ids=["not YAML", "a list", "no name", "no context", "unknown context", "unknown cluster", "no URL"],
)
def test_damaged_kubeconfig_is_one_sentence(tmp_path: Path, body: str, sentence: str) -> None:
    path = tmp_path / "config"
    path.write_text(body)
    text = failure(Choice(path))
    assert sentence in text
    assert text.endswith(".")
    assert str(path) in text


def test_missing_kubeconfig_is_one_sentence(tmp_path: Path) -> None:
    assert "name one with --kubeconfig or $KUBECONFIG" in failure(Choice(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("user", "sentence"),
    [
        ({"client-certificate-data": "!"}, "client-certificate-data of the kubeconfig is not base64"),
        ({"client-certificate-data": "AA=="}, "a client certificate without its key"),
        ({"client-key": "missing"}, "client-key of the kubeconfig cannot be read"),
    ],
    ids=["not base64", "no key", "no file"],
)
def test_damaged_certificate_is_one_sentence(tmp_path: Path, user: dict[str, Any], sentence: str) -> None:
    assert sentence in failure(Choice(write(tmp_path / "config", user=user)))


def plugin(directory: Path, code: str) -> dict[str, Any]:
    """Return the entry of a user whose credentials a program issues."""
    program = directory / "login"
    program.write_text(f"#!{sys.executable}\nimport json, os, sys\n{code}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    config = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(program),
        "args": ["--cluster", "c"],
        "env": [{"name": "PROFILE", "value": "dev"}],
        "installHint": "Install it with `apt install login`.",
        "interactiveMode": "Never",
    }
    return {"exec": config, "as": "bob"}


def test_login_program_issues_the_token(tmp_path: Path) -> None:
    status = json.dumps({"token": "issued"})
    code = (
        "assert sys.argv[1:] == ['--cluster', 'c'] and os.environ['PROFILE'] == 'dev'\n"
        "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        f"print(json.dumps({{'apiVersion': info['apiVersion'], 'kind': 'ExecCredential', 'status': {status}}}))"
    )
    found = load_endpoint(Choice(write(tmp_path / "config", user=plugin(tmp_path, code))))
    assert found.identity.headers == (("Authorization", "Bearer issued"), ("Impersonate-User", "bob"))


def test_login_program_issues_a_certificate(tmp_path: Path) -> None:
    code = (
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential',"
        " 'status': {'clientCertificateData': 'CERT', 'clientKeyData': 'KEY'}}))"
    )
    found = load_endpoint(Choice(write(tmp_path / "config", user=plugin(tmp_path, code))))
    assert (found.identity.certificate, found.identity.key) == (b"CERT", b"KEY")


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "sys.exit('session expired, run: cloud login')",
            "failed: exec: process returned 1. session expired, run: cloud login.",
        ),
        ("print('no json')", "failed: exec: failed to decode process output"),
        ("print('{}')", "failed: exec: malformed response"),
        (
            EMPTY_CREDENTIAL,
            "Log in again, then repeat the command.",
        ),
    ],
    ids=["expired", "no JSON", "malformed", "empty"],
)
def test_failed_login_program_is_one_sentence(tmp_path: Path, code: str, sentence: str) -> None:
    text = failure(Choice(write(tmp_path / "config", user=plugin(tmp_path, code))))
    assert sentence in text
    assert "\n" not in text
    assert text.endswith("Log in again, then repeat the command.")


def test_missing_login_program_names_the_install_hint(tmp_path: Path) -> None:
    user = plugin(tmp_path, "pass")
    (tmp_path / "login").unlink()
    assert "is not installed: Install it with `apt install login`." in failure(Choice(write(tmp_path / "c", user=user)))


def test_official_client_is_imported_for_logins_only(tmp_path: Path) -> None:
    load_endpoint(Choice(write(tmp_path / "config")))
    code = (
        "import sys; from pathlib import Path; from modelservice_cli.cluster.kubeconfig import Choice, load_endpoint;"
        f"load_endpoint(Choice(Path({str(tmp_path / 'config')!r})));"
        "import modelservice_cli.commands.list;"
        "print([name for name in ('kubernetes', 'pydantic', 'urllib3', 'aiohttp') if name in sys.modules])"
    )
    import subprocess  # noqa: PLC0415

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
