"""References of OCI artifacts, logins, and the hosts that may receive a login."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_loader.errors import LoaderError
from model_loader.request import Limits, Request
from model_loader.sources.oci import OciArtifactSource, _read_login, add_query, is_same_domain


def source(uri: str) -> OciArtifactSource:
    limits = Limits(max_bytes=1, timeout_seconds=1)
    return OciArtifactSource(Request(uri=uri, target=Path("x"), limits=limits, allowed_networks=(), environment={}))


@pytest.mark.parametrize("host", ["registry.local", "registry.local:5000", "[2001:db8::1]", "[2001:db8::1]:5000"])
def test_registry_may_be_a_name_or_an_address(host: str) -> None:
    assert source(f"oci+artifact://{host}/models/iris:v1")._url == f"https://{host}/v2/models/iris"  # noqa: SLF001 - what is requested


@pytest.mark.parametrize("host", ["2001:db8::1", "[2001:db8::1", "[x]"])
def test_address_without_brackets_is_rejected(host: str) -> None:
    with pytest.raises(LoaderError, match=r"write it as|its host is not valid"):
        source(f"oci+artifact://{host}/models/iris:v1")


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("ghcr.io", "ghcr.io"),
        ("ghcr.io", "auth.ghcr.io"),
        ("registry-1.docker.io", "auth.docker.io"),
        ("registry.gitlab.com", "gitlab.com"),
        ("Registry.Example.com", "login.example.COM."),
        ("registry.example.co.uk", "auth.example.co.uk"),
        ("10.0.0.1", "10.0.0.1"),
        ("localhost", "localhost"),
    ],
)
def test_login_is_sent_within_a_domain(registry: str, realm: str) -> None:
    assert is_same_domain(registry, realm)


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("ghcr.io", "docker.io"),
        ("ghcr.io", "io"),
        ("ghcr.io", "evilghcr.io"),
        ("registry.example.com", "registry.example.com.evil.org"),
        ("registry.example.com", "notexample.com"),
        ("example.co.uk", "evil.co.uk"),
        ("example.com.au", "com.au"),
        ("10.0.0.1", "11.0.0.1"),
        ("10.0.0.1", "evil.0.0.1"),
        ("127.0.0.1", "127.0.0.2"),
        ("localhost", "example.com"),
        ("registry.example.com", ""),
    ],
)
def test_login_is_not_sent_to_other_domains(registry: str, realm: str) -> None:
    assert not is_same_domain(registry, realm)


LABELS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=4, max_size=8)
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)


@given(HOSTS, HOSTS)
def test_unrelated_hosts_share_no_domain(registry: str, realm: str) -> None:
    """A realm outside of the registry's last two labels never gets its login."""
    if registry.split(".")[-2:] != realm.split(".")[-2:]:
        assert not is_same_domain(registry, realm) or realm.endswith(f".{registry}")


LOGIN = b64encode(b"user:password").decode()


@pytest.mark.parametrize(
    ("key", "host", "name"),
    [
        ("registry.example.com", "registry.example.com", "team/iris"),
        ("https://registry.example.com", "registry.example.com", "team/iris"),
        ("https://registry.example.com/v1/", "registry.example.com", "team/iris"),
        ("https://registry.example.com/v2/", "registry.example.com", "team/iris"),
        ("registry.example.com/team", "registry.example.com", "team/iris"),
        ("registry.example.com/team/iris", "registry.example.com", "team/iris"),
        ("registry.example.com:5000/", "registry.example.com:5000", "iris"),
        ("https://index.docker.io/v1/", "docker.io", "library/iris"),
        ("docker.io", "index.docker.io", "library/iris"),
        ("https://index.docker.io/v1/", "registry-1.docker.io", "library/iris"),
    ],
)
def test_login_is_found_by_every_form_of_key(key: str, host: str, name: str) -> None:
    config = {"auths": {"other.example.com": {"auth": "no"}, key: {"auth": LOGIN}}}
    assert _read_login({".dockerconfigjson": json.dumps(config)}, host, name).basic == LOGIN


@pytest.mark.parametrize(
    "key", ["registry.example.com/tea", "my-registry.example.com", "registry.example.com:5000", "https:"]
)
def test_login_of_another_key_is_not_used(key: str) -> None:
    config = {"auths": {key: {"auth": LOGIN}}}
    assert _read_login({".dockerconfigjson": json.dumps(config)}, "registry.example.com", "team/iris").basic == ""


def test_most_specific_login_is_used() -> None:
    first, second = (b64encode(f"user:{name}".encode()).decode() for name in ("host", "namespace"))
    for auths in (
        {"r.io": {"auth": first}, "r.io/team": {"auth": second}},
        {"r.io/team": {"auth": second}, "r.io": {}},
    ):
        config = json.dumps({"auths": auths})
        assert _read_login({".dockerconfigjson": config}, "r.io", "team/iris").basic == second


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["auth", "username", "r.io"]), inner),
    max_leaves=6,
)


@given(JSON)
def test_any_docker_config_is_a_login_or_an_error(value: Any) -> None:
    for config in (value, {"auths": value}, {"auths": {"r.io": value}}):
        try:
            found = _read_login({".dockerconfigjson": json.dumps(config)}, "r.io", "iris")
        except LoaderError as error:
            assert "Recreate the Secret" in error.message  # noqa: PT017 - the other outcome is a login
        else:
            assert isinstance(found.basic, str)


def test_query_is_added_to_a_realm_with_a_query() -> None:
    found = add_query("https://r.io/tok?account=a%20b", {"service": "r.io", "scope": "x:y"})
    assert found == "https://r.io/tok?account=a+b&service=r.io&scope=x%3Ay"
