"""Credentials from the files of a Secret: names by an allow-list, values by their form."""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_loader.credentials import MAX_FILE_BYTES, SETTINGS, Credentials, read_credentials, read_token_files
from model_loader.errors import LoaderError, Reason
from model_loader.redaction import Redactor
from tests.support.secret_volume import write_secret_volume

Secret = Callable[[Mapping[str, str | bytes]], Path]
IDENTITY = {"MODEL_IDENTITY": "ServiceAccount"}
EKS = {
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/reader",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
    "AWS_REGION": "eu-west-1",
}
POD_IDENTITY = {
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/token",
}
AZURE = {
    "AZURE_CLIENT_ID": "0f0e0d0c-0b0a-0908-0706-050403020100",
    "AZURE_TENANT_ID": "00010203-0405-0607-0809-0a0b0c0d0e0f",
    "AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/azure/tokens/azure-identity-token",
    "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
}


@pytest.fixture
def secret(tmp_path: Path) -> Secret:
    """Writes the volume of a Secret."""
    return partial(write_secret_volume, tmp_path)


def read(directory: Path, **environment: str) -> Credentials:
    return read_credentials({"MODEL_CREDENTIALS_DIR": str(directory), **environment})


def stores(found: Credentials) -> dict[str, str]:
    return {name: value for name, value in found.environment.items() if not name.startswith("MODEL_")}


RIGHT = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY=",
    "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2VjE//////////wEaDmFwLW5vcnRoZWFzdC0x==",
    "AWS_REGION": "us-gov-west-1",
    "AWS_DEFAULT_REGION": "RegionOne",
    "AWS_ENDPOINT_URL": "https://minio.example.com:9000",
    "AWS_ENDPOINT_URL_S3": "http://[fd00::7]:9000/tenant",
    "AWS_ENDPOINT_URL_STS": "https://sts.eu-west-1.amazonaws.com",
    "AWS_ROLE_ARN": "arn:aws-cn:iam::123456789012:role/team/reader",
    "AWS_ROLE_SESSION_NAME": "loader@iris",
    "AWS_S3_ADDRESSING_STYLE": "virtual",
    "AWS_REQUEST_PAYER": "requester",
    "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps({"private_key": "-----BEGIN\nx"}, indent=1),
    "GOOGLE_APPLICATION_CREDENTIALS": "{}",
    "GOOGLE_CREDENTIALS": "{}",
    "GOOGLE_BASE_URL": "http://10.1.2.3:4443",
    "GOOGLE_CLOUD_QUOTA_PROJECT": "example.com:models-1",
    "STORAGE_EMULATOR_HOST": "fake-gcs:4443",
    "AZURE_STORAGE_ACCOUNT_NAME": "devstoreaccount1",
    "AZURE_STORAGE_ACCOUNT": "models-secondary",
    "AZURE_STORAGE_ACCOUNT_KEY": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHB==",
    "AZURE_STORAGE_KEY": "d3Jvbmc=",
    "AZURE_STORAGE_SAS_TOKEN": "?sv=2024-11-04&sp=rl&sig=a%2Bb%3D",
    "AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:10000/devstoreaccount1",
    "AZURE_CLIENT_ID": AZURE["AZURE_CLIENT_ID"],
    "AZURE_CLIENT_SECRET": "abc8Q~.-_x",
    "AZURE_TENANT_ID": "contoso.onmicrosoft.com",
    "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us/",
    "HTTP_BEARER_TOKEN": "a.b.c",
    "HTTP_URL": "https://models.example.com/iris/model.bin?X-Amz-Signature=ab%2Bc&x=(y)",
    "HF_TOKEN": "hf_abc",
    "HUGGING_FACE_HUB_TOKEN": "hf_abc",
    "HF_ENDPOINT": "https://hub.example.com/proxy/",
    "MLFLOW_TRACKING_URI": "https://mlflow.example.com/team",
    "MLFLOW_TRACKING_TOKEN": "dapi123",
    "MLFLOW_TRACKING_USERNAME": "ann@example.com",
    "MLFLOW_TRACKING_PASSWORD": 'p "ä#?',
    "OCI_USERNAME": "_json_key",
    "OCI_PASSWORD": '{\n "private_key": "x"\n}',
    "OCI_PLAIN_HTTP": "true",
    ".dockerconfigjson": '{"auths": {}}',
    "DOCKER_CONFIG_JSON": '{"auths": {}}',
}


def test_every_setting_is_read_from_its_file(secret: Secret) -> None:
    assert RIGHT.keys() == SETTINGS.keys()
    assert stores(read(secret(RIGHT))) == RIGHT


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n"])
def test_line_break_at_the_end_is_removed(secret: Secret, ending: str) -> None:
    found = read(secret({name: f"{value}{ending}" for name, value in RIGHT.items()}))
    assert stores(found) == RIGHT


@pytest.mark.parametrize("value", ["", "\n"])
def test_empty_value_counts_as_not_set(secret: Secret, value: str) -> None:
    assert stores(read(secret({"HF_TOKEN": value}))) == {}


TEXTS = {"MLFLOW_TRACKING_PASSWORD", "OCI_PASSWORD"}
"""Passwords are sent as Base64: they may contain any printable character."""


@pytest.mark.parametrize("name", sorted(SETTINGS.keys() - TEXTS))
@pytest.mark.parametrize("bad", ["canary\nX-Evil: 1", "canary\0", "canary\x7f", "canary\r\nHost: x"])
def test_value_with_a_line_break_is_refused(secret: Secret, name: str, bad: str) -> None:
    """The message names the key, and never contains the value."""
    with pytest.raises(LoaderError) as caught:
        read(secret({name: bad}))
    assert caught.value.reason is Reason.INVALID_CREDENTIALS
    assert name in caught.value.message
    assert "canary" not in caught.value.message


WRONG = {
    "a host instead of a region": ("AWS_REGION", "x@localhost:9443/#"),
    "a path in a region": ("AWS_REGION", "eu/../west"),
    "a host instead of an account": ("AZURE_STORAGE_ACCOUNT_NAME", "localhost:9443/#."),
    "capitals in an account": ("AZURE_STORAGE_ACCOUNT_NAME", "Models"),
    "a path in a tenant": ("AZURE_TENANT_ID", "common/../evil"),
    "a login in an endpoint": ("AWS_ENDPOINT_URL", "https://me:canary@example.com"),
    "a query in an endpoint": ("HF_ENDPOINT", "https://example.com/?token=canary"),
    "a backslash in an endpoint": ("AWS_ENDPOINT_URL", "https://in.example\\@out.example"),
    "another scheme": ("MLFLOW_TRACKING_URI", "file:///etc/passwd"),
    "a key that is not Base64": ("AZURE_STORAGE_ACCOUNT_KEY", "!canary!"),
    "a key that is not JSON": ("GOOGLE_SERVICE_ACCOUNT_KEY", '{"type": "canary"'),
    "a path instead of a key": ("GOOGLE_APPLICATION_CREDENTIALS", "/var/canary.json"),
    "JSON of a list": (".dockerconfigjson", '["canary"]'),
    "deep JSON": (".dockerconfigjson", '{"a":' * 100_000 + "}"),
    "a byte order mark": ("HF_TOKEN", "\ufeffcanary"),
    "no ASCII": ("HF_TOKEN", "canary-ä"),
    "a space": ("AWS_SECRET_ACCESS_KEY", "canary two"),
    "a colon in a user name": ("OCI_USERNAME", "canary:two"),
    "another word": ("OCI_PLAIN_HTTP", "canary"),
}


@pytest.mark.parametrize(("name", "value"), WRONG.values(), ids=WRONG)
def test_wrong_value_names_its_key(secret: Secret, name: str, value: str) -> None:
    with pytest.raises(LoaderError, match=f"The value of {name} in the Secret of model.credentials is not ") as caught:
        read(secret({name: value}))
    assert "canary" not in caught.value.message


@pytest.mark.parametrize("content", [b"\xff\xfecanary", b"canary\xc3"])
def test_value_that_is_not_text_is_refused(secret: Secret, content: bytes) -> None:
    with pytest.raises(LoaderError, match=r"The value of HF_TOKEN is not UTF-8 text\."):
        read(secret({"HF_TOKEN": content}))


def test_long_value_is_refused(secret: Secret) -> None:
    with pytest.raises(LoaderError, match="The value of HF_TOKEN is longer than 1048576 bytes"):
        read(secret({"HF_TOKEN": b"a" * (MAX_FILE_BYTES + 1)}))


REFUSED = {
    "is a setting of the operator": ("MODEL_ALLOWED_CIDRS", "MODEL_IDENTITY", "MODEL_URI", "MODEL_CREDENTIALS_DIR"),
    "is a proxy": ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "NO_PROXY"),
    "is a certificate authority": ("SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"),
    "is part of the identity of a ServiceAccount": (
        *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AZURE_FEDERATED_TOKEN_FILE"),
        *("AWS_EC2_METADATA_SERVICE_ENDPOINT", "AZURE_MSI_ENDPOINT", "IDENTITY_ENDPOINT"),
    ),
    "can change how programs run": (
        *(
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "LD_AUDIT",
            "PYTHONPATH",
            "PYTHONSTARTUP",
            "OPENSSL_CONF",
            "OPENSSL_MODULES",
        ),
        *("GCONV_PATH", "PATH", "HOME", "TMPDIR", "MALLOC_PERTURB_", "GLIBC_TUNABLES", "LOCPATH", "BASH_ENV"),
        *("HOSTALIASES", "RES_OPTIONS", "LC_ALL"),
    ),
}


@pytest.mark.parametrize(("why", "name"), [(why, name) for why, names in REFUSED.items() for name in names])
def test_dangerous_name_is_refused(secret: Secret, why: str, name: str) -> None:
    with pytest.raises(LoaderError, match=rf"has the key {name}, which {why}.* Remove the key\.") as caught:
        read(secret({"HF_TOKEN": "hf_abc", name: "canary"}))
    assert caught.value.reason is Reason.INVALID_CREDENTIALS
    assert "canary" not in caught.value.message


def test_unknown_name_is_not_read(secret: Secret) -> None:
    directory = secret({"HF_TOKEN": "hf_abc", "tls.crt": b"\xff", "aws_region": "x", "-._a": "y", "AWS_ENDPOINT": "z"})
    found = read(directory)
    assert stores(found) == {"HF_TOKEN": "hf_abc"}
    assert found.ignored == ("-._a", "AWS_ENDPOINT", "aws_region", "tls.crt")


def test_directory_without_links_is_read(tmp_path: Path) -> None:
    (tmp_path / "HF_TOKEN").write_text("hf_abc\n")
    assert stores(read(tmp_path)) == {"HF_TOKEN": "hf_abc"}


def test_only_the_current_version_is_read(secret: Secret) -> None:
    """While the kubelet updates the volume, both versions and a temporary link are there."""
    directory = secret({"HF_TOKEN": "hf_old"})
    newer = directory / "..2026_01_02_00_00_00.1"
    newer.mkdir()
    (newer / "HF_TOKEN").write_text("hf_new")
    (directory / "..data_tmp").symlink_to(newer.name)
    assert stores(read(directory)) == {"HF_TOKEN": "hf_old"}
    (directory / "..data_tmp").replace(directory / "..data")
    assert stores(read(directory)) == {"HF_TOKEN": "hf_new"}


def test_version_that_is_replaced_is_read_again(secret: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = secret({"HF_TOKEN": "hf_old"})
    open_file, calls = os.open, []

    def replacing_open(path: str, flags: int, **rest: int) -> int:
        calls.append(path)
        if calls.count("HF_TOKEN") == 1 and path == "HF_TOKEN":
            raise FileNotFoundError(2, "No such file or directory")
        return open_file(path, flags, **rest)

    monkeypatch.setattr(os, "open", replacing_open)
    assert stores(read(directory)) == {"HF_TOKEN": "hf_old"}


def test_missing_directory_is_reported(tmp_path: Path) -> None:
    with pytest.raises(LoaderError, match=r"cannot be read from .*/none: No such file or directory\. Check runAsUser"):
        read(tmp_path / "none")


def test_value_that_is_not_a_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "HF_TOKEN")
    with pytest.raises(LoaderError, match=r"HF_TOKEN in the Secret of model\.credentials is not a file"):
        read(tmp_path)


def test_environment_of_a_pod_has_no_credentials() -> None:
    """Neither those of an image, nor those of a webhook for a ServiceAccount that the ModelService does not name."""
    environment = {**RIGHT, **EKS, **POD_IDENTITY, **AZURE, "MODEL_URI": "s3://a/b", "SSL_CERT_FILE": "/ca"}
    assert read_credentials(environment).environment == {"MODEL_URI": "s3://a/b", "SSL_CERT_FILE": "/ca"}


@pytest.mark.parametrize("identity", [EKS, POD_IDENTITY, AZURE])
def test_identity_of_a_named_service_account_is_read(identity: dict[str, str]) -> None:
    environment = {**identity, **IDENTITY, "HF_TOKEN": "hf_abc", "AWS_METADATA_ENDPOINT": "http://evil"}
    assert stores(read_credentials(environment)) == identity


def test_credentials_replace_the_identity_of_their_cloud(secret: Secret) -> None:
    found = read(secret({"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "x"}), **EKS, **AZURE, **IDENTITY)
    assert stores(found) == {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "x", **AZURE}


def test_identity_is_used_beside_other_credentials(secret: Secret) -> None:
    """MLflow by a token, and the files on S3 by the ServiceAccount; the region of the Secret takes precedence."""
    found = read(secret({"MLFLOW_TRACKING_TOKEN": "dapi", "AWS_REGION": "us-east-2"}), **EKS, **IDENTITY)
    assert stores(found) == {**EKS, "MLFLOW_TRACKING_TOKEN": "dapi", "AWS_REGION": "us-east-2"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("AWS_WEB_IDENTITY_TOKEN_FILE", "/a/../../etc/shadow"), ("AWS_ROLE_ARN", "canary"), ("AWS_REGION", "a@b")],
)
def test_damaged_identity_is_refused(name: str, value: str) -> None:
    with pytest.raises(LoaderError, match=f"The value of {name} in the environment, for the identity"):
        read_credentials({**EKS, **IDENTITY, name: value})


def test_tokens_of_an_identity_are_redacted(tmp_path: Path) -> None:
    """A store may repeat the token that it was sent; the path of its file stays readable."""
    file = tmp_path / "token"
    file.write_text("header.canary-payload.signature\n")
    environment = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(file), "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "none")}
    redactor = Redactor.from_environment({**environment, **read_token_files(environment)})
    assert redactor.redact(f"{file}: header.canary-payload.signature") == f"{file}: [hidden]"


def test_tool_reads_the_same_names_from_its_environment(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.write_text('{"private_key": "x"}\n')
    given = {**RIGHT, "GOOGLE_APPLICATION_CREDENTIALS": str(key)}
    found = read_credentials({**given, "LD_PRELOAD": "x", "HOME": "/root", "HTTPS_PROXY": "http://p"}, is_tool=True)
    assert found == Credentials({**RIGHT, "GOOGLE_APPLICATION_CREDENTIALS": '{"private_key": "x"}'})


def test_tool_reports_an_invalid_variable() -> None:
    with pytest.raises(LoaderError, match="The value of AWS_REGION in the environment is not a region"):
        read_credentials({"AWS_REGION": "a@b"}, is_tool=True)
    with pytest.raises(LoaderError, match="The file that GOOGLE_APPLICATION_CREDENTIALS names cannot be read: No such"):
        read_credentials({"GOOGLE_APPLICATION_CREDENTIALS": "/no/such/file"}, is_tool=True)


def test_every_secret_value_is_redacted() -> None:
    """Each name whose value grants access is known to the redactor by its name."""
    public = {
        *("REGION", "ENDPOINT", "URL", "URI", "ARN", "STYLE", "PAYER", "HOST", "ACCOUNT", "ACCOUNT_NAME", "CLIENT_ID"),
        *("TENANT_ID", "PLAIN_HTTP", "PROJECT", "SESSION_NAME"),
    }
    for name in SETTINGS:
        is_public = any(name.endswith(ending) for ending in public) or "ENDPOINT" in name
        redacted = Redactor.from_environment({name: "canary-value"}).redact("canary-value")
        assert is_public == (redacted == "canary-value"), name


@given(st.sampled_from(sorted(SETTINGS)), st.text(max_size=40))
def test_any_text_is_read_or_refused(name: str, value: str) -> None:
    with suppress(LoaderError):
        found = read_credentials({name: value}, is_tool=True).environment
        assert "\n" not in found.get(name, "") or name in TEXTS or SETTINGS[name].is_json
