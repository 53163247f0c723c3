"""Sources of credentials and their order; those that were checked first are used at the start."""

import os
from pathlib import Path

import pytest

from modelservice_operator.client.client_config import find_credentials, load_now
from modelservice_operator.client.credentials import Credentials
from modelservice_operator.errors import CredentialsError
from modelservice_operator.manager.login import KopfConnection


def write_kubeconfig(path: Path, token: str) -> Path:
    path.write_text(
        "clusters: [{name: c, cluster: {server: 'https://h'}}]\n"
        f"users: [{{name: u, user: {{token: {token}}}}}]\n"
        "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n"
    )
    return path


def token_of(credentials: Credentials) -> str:
    return dict(credentials.auth_headers())["Authorization"].removeprefix("Bearer ")


def test_kubeconfig_of_the_command_line_wins(tmp_path: Path) -> None:
    requested, other = (write_kubeconfig(tmp_path / name, name) for name in ("requested", "other"))
    environment = {"KUBECONFIG": os.pathsep.join([str(tmp_path / "missing"), str(other)])}
    assert token_of(find_credentials(requested, environment)()) == "requested"
    assert token_of(find_credentials(None, environment)()) == "other"


def test_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"There is no kubeconfig .*/missing"):
        find_credentials(tmp_path / "missing")()


def test_first_credentials_are_those_that_were_checked(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "config", "first")
    load = load_now(find_credentials(path))
    write_kubeconfig(path, "second")
    assert [token_of(load()) for _ in range(2)] == ["first", "second"]


def test_kopf_gets_the_same_headers_and_certificates(tmp_path: Path) -> None:
    credentials = find_credentials(write_kubeconfig(tmp_path / "config", "first"))()
    connection = KopfConnection.of(credentials)
    assert connection.as_http_headers() == {"Authorization": "Bearer first"}
    assert connection.as_ssl_context() is credentials.tls
