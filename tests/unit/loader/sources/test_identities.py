"""Identities for object stores: complete, absent, or refused by the name of a variable; and their renewal."""

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import chain, combinations
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from model_loader.errors import LoaderError
from model_loader.http_client import HttpClient
from model_loader.request import Request
from model_loader.sources import aws_identity, azure_identity, google_identity
from model_loader.sources.identities import RenewableToken, read_token_file

AWS = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_SESSION_NAME"),
    *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
)
AZURE = {
    "AZURE_STORAGE_ACCOUNT_KEY": "a2V5",
    "AZURE_STORAGE_SAS_TOKEN": "?sv=2021-12-02&se=2099-01-01T00:00:00Z&sp=r&sig=c2ln",
    "AZURE_CLIENT_ID": "client",
    "AZURE_TENANT_ID": "tenant",
    "AZURE_CLIENT_SECRET": "secret",
    "AZURE_FEDERATED_TOKEN_FILE": "/token",
}
AZURE_APPLICATION = {"AZURE_CLIENT_ID", "AZURE_TENANT_ID"}


def subsets(names: Mapping[str, str]) -> Iterator[dict[str, str]]:
    chosen = chain.from_iterable(combinations(names, count) for count in range(len(names) + 1))
    return ({name: names[name] for name in one} for one in chosen)


def build_request(environment: Mapping[str, str], uri: str = "s3://models/iris") -> Request:
    return Request(uri=uri, target=Path("/x"), environment=environment)


def has_complete_aws(given: Mapping[str, str]) -> bool:
    """Every identity of which a variable is set is complete."""
    groups = ((AWS[:2], AWS[:3]), (AWS[3:5], AWS[3:6]), (AWS[6:], AWS[6:]))
    return all(set(required) <= set(given) or not set(every) & set(given) for required, every in groups)


def test_every_set_of_aws_variables_is_decided() -> None:
    for given in subsets(dict.fromkeys(AWS, "value")):
        request = build_request({**given, "MODEL_IDENTITY": "ServiceAccount"})
        with closing(HttpClient(request)) as http:
            if has_complete_aws(given):
                token = aws_identity.open_credentials(request, http, "us-east-1")
                is_anonymous = not isinstance(token, RenewableToken) and token.get() is None
                assert is_anonymous is (not given)
                continue
            with pytest.raises(LoaderError) as error:
                aws_identity.open_credentials(request, http, "us-east-1")
        assert error.value.reason == "InvalidCredentials"
        assert any(name in error.value.message for name in AWS if name not in given), error.value.message


def test_every_set_of_azure_variables_is_decided() -> None:
    kinds = {
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_CLIENT_SECRET",
        "AZURE_FEDERATED_TOKEN_FILE",
    }
    for given in subsets(AZURE):
        names = set(given)
        uses_application = bool(names & {"AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE"})
        is_complete = (
            not names >= {"AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN"}
            and (not uses_application or names >= AZURE_APPLICATION)
            and (bool(names & kinds) or not names)
        )
        with closing(HttpClient(build_request({}))) as http:
            if is_complete:
                found = azure_identity.open_identity(given, http)
                is_anonymous = found.account_key is None and not found.signature and found.token is None
                assert is_anonymous is (not given)
                continue
            with pytest.raises(LoaderError) as error:
                azure_identity.open_identity(given, http)
        assert any(name in error.value.message for name in AZURE), error.value.message


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"}, "AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN"),
        ({"AWS_SECRET_ACCESS_KEY": "s"}, "AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID"),
        ({"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": " \n"}, "without AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_missing_variable_is_named(environment: dict[str, str], named: str) -> None:
    with closing(HttpClient(build_request({}))) as http, pytest.raises(LoaderError, match=named):
        aws_identity.open_credentials(build_request(environment), http, "us-east-1")


def test_pod_identity_needs_a_declared_account() -> None:
    """EKS puts these variables into all pods of an account; without serviceAccountName they are not used."""
    environment = dict.fromkeys(AWS[6:], "value")
    with closing(HttpClient(build_request({}))) as http:
        assert aws_identity.open_credentials(build_request(environment), http, "us-east-1").get() is None


@pytest.fixture(scope="module")
def google_key() -> dict[str, str]:
    key = generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {
        "type": "service_account",
        "client_email": "reader@project.iam.gserviceaccount.com",
        "private_key_id": "1",
        "private_key": pem,
        "token_uri": "https://evil.example.com/token",
    }


def test_every_set_of_google_variables_is_decided(google_key: dict[str, str], tmp_path: Path) -> None:
    """The first variable counts; a key may be given as JSON or as a file."""
    file = tmp_path / "key.json"
    file.write_text(json.dumps(google_key))
    values = dict.fromkeys(google_identity.KEY_VARIABLES, json.dumps(google_key))
    for given in subsets(values | {google_identity.KEY_VARIABLES[1]: str(file), "MODEL_IDENTITY": "ServiceAccount"}):
        token = google_identity.open_token(build_request(given, "gs://models/iris"))
        assert isinstance(token, RenewableToken) is bool(given)
        if set(given) & set(google_identity.KEY_VARIABLES):
            assert token.get().count(".") == 2


def test_google_token_is_signed_by_the_key(google_key: dict[str, str]) -> None:
    """It needs no request to a token service, so the one that a key file names is never contacted."""
    token, expires = google_identity.ServiceAccountKey(google_key, "NAME").issue_token()
    header, claims, signature = (urlsafe_b64decode(f"{one}==") for one in token.split("."))
    private = load_pem_private_key(google_key["private_key"].encode(), None)
    assert isinstance(private, RSAPrivateKey)
    private.public_key().verify(signature, token.rpartition(".")[0].encode(), PKCS1v15(), SHA256())
    assert json.loads(header) == {"alg": "RS256", "typ": "JWT", "kid": "1"}
    fields = json.loads(claims)
    assert fields["iss"] == fields["sub"] == google_key["client_email"]
    assert fields["scope"].endswith("devstorage.read_only")
    assert fields["exp"] == expires
    assert time.time() + 3000 < expires < time.time() + 3600


@pytest.mark.parametrize("field", ["client_email", "private_key", "private_key_id"])
def test_incomplete_google_key_names_its_field(google_key: dict[str, str], field: str) -> None:
    key = {name: value for name, value in google_key.items() if name != field}
    with pytest.raises(LoaderError, match=f"without {field}"):
        google_identity.ServiceAccountKey(key, "NAME")


@pytest.mark.parametrize("kind", ["external_account", "authorized_user", "impersonated_service_account"])
def test_other_google_credentials_are_refused(google_key: dict[str, str], kind: str) -> None:
    with pytest.raises(LoaderError, match=f"{kind}.*Only the key of a service account"):
        google_identity.ServiceAccountKey({**google_key, "type": kind}, "NAME")


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("sv=1&se=2", "no sig"),
        ("sig=1&se=2", "no sv"),
        ("sv=1&sig=2", "neither an end"),
        ("sv=1&se=2&sig=3&sig=4", "twice"),
        ("sv=1&se=2&sig=3&comp=list", "a field that no signature has"),
        ("sv=1&se=2&sig=3&x y=1", "a field that no signature has"),
        ("canary", "no sv and no sig"),
    ],
)
def test_invalid_signature_is_refused(token: str, problem: str) -> None:
    with pytest.raises(LoaderError, match=problem) as error:
        azure_identity.parse_signature(token)
    assert "canary" not in error.value.message


def test_signature_may_be_encoded_or_not() -> None:
    expected = (("sv", "1"), ("si", "policy"), ("sig", "a+b/c="))
    assert azure_identity.parse_signature("?sv=1&si=policy&sig=a%2Bb%2Fc%3D") == expected
    assert azure_identity.parse_signature("sv=1&si=policy&sig=a+b/c=") == expected


def test_token_is_renewed_before_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    fetched: list[float] = []

    def fetch() -> tuple[str, float]:
        fetched.append(now[0])
        return f"token {len(fetched)}", now[0] + 3600

    token = RenewableToken(fetch)
    assert [token.get(), token.get()] == ["token 1", "token 1"]
    now[0] += 3200
    assert token.get() == "token 1"
    now[0] += 200
    assert token.get() == "token 2"
    assert token.discard("token 1")  # another thread has renewed it already
    assert token.get() == "token 2"
    assert token.discard("token 2")
    assert token.get() == "token 3"


def test_short_token_is_not_renewed_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    fetched: list[float] = []

    def fetch() -> tuple[str, float]:
        fetched.append(now[0])
        return "token", now[0] + 60

    token = RenewableToken(fetch)
    for _ in range(60):
        token.get()
        now[0] += 1
    assert len(fetched) == 2


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"\n"])
def test_unusable_token_file_names_its_variable(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(LoaderError, match="AWS_WEB_IDENTITY_TOKEN_FILE names a file"):
        read_token_file("AWS_WEB_IDENTITY_TOKEN_FILE", str(file))
