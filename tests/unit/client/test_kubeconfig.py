"""Every field of a kubeconfig is used or refused with a sentence, and a damaged file yields only CredentialsError."""

import base64
import json
import logging
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.kubeconfig import WITHOUT_EFFECT, Cluster, KubeconfigLoader, User
from modelservice_operator.errors import CredentialsError
from tests.environment.cluster import pki

AUTHORITY = pki.Authority.create("kubeconfig-tests")
PAIR = AUTHORITY.issue("operator")
CA = AUTHORITY.pair.certificate
FIRST_CLUSTER = {"server": "https://10.0.0.1:6443", "certificate-authority-data": base64.b64encode(CA).decode()}


def config(cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a kubeconfig; a value of None removes a field."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": without_none(FIRST_CLUSTER | (cluster or {}))}],
        "users": [{"name": "u", "user": without_none({"token": "secret-token"} | (user or {}))}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    } | changes


def without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "ca.crt").write_bytes(CA)
    PAIR.write(tmp_path, "client")
    (tmp_path / "token").write_text("file-token\n")
    return tmp_path / "config"


def load(path: Path, content: dict[str, Any]) -> Credentials:
    path.write_text(yaml.safe_dump(content))
    return KubeconfigLoader([path])()


CERTIFICATE = {"client-certificate": "client.crt", "client-key": "client.key", "token": None}
CERTIFICATE_DATA = {
    "client-certificate-data": base64.b64encode(PAIR.certificate).decode(),
    "client-key-data": base64.b64encode(PAIR.key).decode(),
    "token": None,
}
PLUGIN = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin"}
BEARER = ("Authorization", "Bearer secret-token")

USED: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[tuple[str, str], ...]]] = {
    "server": ({"server": "https://h/prefix/"}, {}, (BEARER,)),
    "certificate-authority": (
        {"certificate-authority": "ca.crt", "certificate-authority-data": None},
        {},
        (BEARER,),
    ),
    "certificate-authority-data": ({}, {}, (BEARER,)),
    "tls-server-name": ({"tls-server-name": "other"}, {}, (BEARER,)),
    "insecure-skip-tls-verify": ({"insecure-skip-tls-verify": True}, {}, (BEARER,)),
    "proxy-url": ({"proxy-url": "http://proxy:3128"}, {}, (BEARER,)),
    "client-certificate": ({}, CERTIFICATE, ()),
    "client-key": ({}, CERTIFICATE, ()),
    "client-certificate-data": ({}, CERTIFICATE_DATA, ()),
    "client-key-data": ({}, CERTIFICATE_DATA, ()),
    "token": ({}, {}, (BEARER,)),
    "tokenFile": ({}, {"tokenFile": "token"}, (("Authorization", "Bearer file-token"),)),
    "username": (
        {},
        {"username": "me", "password": "pw", "token": None},
        (("Authorization", "Basic bWU6cHc="),),
    ),
    "password": (
        {},
        {"username": "me", "password": "", "tokenFile": "token", "token": None, **CERTIFICATE_DATA}
        | {"tokenFile": None},
        (),
    ),
    "as": ({}, {"as": "jane"}, (("Impersonate-User", "jane"), BEARER)),
    "as-uid": ({}, {"as": "jane", "as-uid": "7"}, (("Impersonate-User", "jane"), ("Impersonate-Uid", "7"), BEARER)),
    "as-groups": (
        {},
        {"as": "jane", "as-groups": ["a", "b"]},
        (("Impersonate-User", "jane"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b"), BEARER),
    ),
    "as-user-extra": (
        {},
        {"as": "jane", "as-user-extra": {"a/b": ["1"]}},
        (("Impersonate-User", "jane"), ("Impersonate-Extra-a%2Fb", "1"), BEARER),
    ),
    "disable-compression": ({"disable-compression": True}, {}, (BEARER,)),
    "extensions": ({"extensions": []}, {"extensions": []}, (BEARER,)),
}
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "auth-provider": ({}, {"token": None, "auth-provider": {"name": "gcp"}}, "auth-provider .* use an exec plugin"),
    "socks-proxy": ({"proxy-url": "socks5://h:1"}, {}, "proxy-url .* use an http:// proxy"),
    "tls-proxy": ({"proxy-url": "https://h:1"}, {}, "proxy-url .* use an http:// proxy"),
    "no-server": ({"server": None}, {}, "not an http or https URL"),
    "bad-server": ({"server": "https://[::1"}, {}, "not an http or https URL"),
    "no-credentials": ({}, {"token": None}, "no credentials that the operator can use"),
    "two-methods": ({}, {"exec": PLUGIN}, "more than one of"),
    "key-missing": ({}, {**CERTIFICATE, "client-key": None}, "without its key"),
    "group-alone": ({}, {"as-groups": ["a"]}, "without a user"),
    "ca-missing": (
        {"certificate-authority": "none.crt", "certificate-authority-data": None},
        {},
        "certificate-authority of the kubeconfig cannot be read",
    ),
    "ca-damaged": ({"certificate-authority-data": "LS0t"}, {}, "certificate or key is damaged"),
    "ca-not-base64": ({"certificate-authority-data": "LS0"}, {}, "not base64"),
    "other-key": (
        {},
        {**CERTIFICATE_DATA, "client-key-data": base64.b64encode(AUTHORITY.pair.key).decode()},
        "do not match",
    ),
    "exec-v1alpha1": (
        {},
        {"token": None, "exec": PLUGIN | {"apiVersion": "client.authentication.k8s.io/v1alpha1"}},
        "exec.*apiVersion",
    ),
    "exec-interactive": ({}, {"token": None, "exec": PLUGIN | {"interactiveMode": "Always"}}, "interactiveMode"),
    "exec-missing": ({}, {"token": None, "exec": PLUGIN}, "exec plugin ./plugin is not installed"),
    "header-injection": ({}, {"token": "a\nb"}, "characters that no header can have"),
}


@pytest.mark.parametrize("field", USED)
def test_kubeconfig_field_is_used(path: Path, field: str) -> None:
    cluster, user, headers = USED[field]
    credentials = load(path, config(cluster, user))
    assert sorted(credentials.auth_headers()) == sorted(headers)
    assert credentials.server == cluster.get("server", FIRST_CLUSTER["server"]).rstrip("/")
    assert credentials.proxy == cluster.get("proxy-url")
    assert credentials.tls is not None
    assert getattr(credentials.tls, "server_name", None) == cluster.get("tls-server-name")
    verifies = credentials.tls.verify_mode is ssl.CERT_REQUIRED
    assert verifies is not bool(cluster.get("insecure-skip-tls-verify"))


@pytest.mark.parametrize("case", REFUSED)
def test_kubeconfig_is_refused_with_a_sentence(path: Path, case: str) -> None:
    cluster, user, message = REFUSED[case]
    with pytest.raises(CredentialsError, match=message) as caught:
        load(path, config(cluster, user))
    assert "secret" not in str(caught.value)


def test_every_field_has_a_case() -> None:
    fields = {
        field.alias or name.replace("_", "-") for entry in (Cluster, User) for name, field in entry.model_fields.items()
    }
    assert fields | WITHOUT_EFFECT == set(USED) | {"auth-provider", "exec"}


def test_unknown_field_is_logged_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text(yaml.safe_dump(config({}, {"api-token": "x"})))
    loader = KubeconfigLoader([path])
    with caplog.at_level(logging.WARNING):
        loader()
        loader()
    assert [record.getMessage() for record in caplog.records] == [
        f"Ignoring the unknown field api-token of The kubeconfig {path}"
    ]


def test_same_certificates_have_the_same_context(path: Path) -> None:
    first = load(path, config())
    second = load(path, config({}, {"token": "other-token"}))
    assert second != first
    assert second.uses_connections_of(first)
    renewed = base64.b64encode(pki.Authority.create("next").pair.certificate).decode()
    assert not load(path, config({"certificate-authority-data": renewed})).uses_connections_of(first)


def test_first_of_several_files_wins_and_one_may_be_missing(path: Path) -> None:
    other = path.with_name("other")
    other.write_text(yaml.safe_dump(config({}, {"token": "other-token"})))
    path.write_text(yaml.safe_dump({"users": config()["users"]}))
    loader = KubeconfigLoader([path.with_name("missing"), path, other])
    assert loader().auth_headers() == (BEARER,)


@pytest.mark.parametrize("dump", [yaml.safe_dump, json.dumps])
def test_half_written_kubeconfig_is_refused_or_valid(tmp_path: Path, dump: Any) -> None:
    text = dump(config({}, CERTIFICATE_DATA))
    path = tmp_path / "config"
    refused = 0
    for length in range(0, len(text), 7):
        path.write_text(text[:length])
        try:
            KubeconfigLoader([path])()
        except CredentialsError:
            refused += 1
    assert refused > len(text) / 7 * 0.8


@given(st.binary(max_size=200), st.integers(0, 2000))
def test_damaged_kubeconfig_raises_only_credentials_errors(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, position: int
) -> None:
    text = yaml.safe_dump(config()).encode()
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(text[:position] + noise + text[position + len(noise) :])
    with suppress(CredentialsError):
        KubeconfigLoader([path])()
