"""Credentials and endpoints of stores: read by name from the files of a Secret, never from the environment of a pod.

The kubelet mounts each key of the Secret of model.credentials as a file of that name below MODEL_CREDENTIALS_DIR. Only
the names of `SETTINGS` are read, and only values of their form. So a Secret can neither change how the loader runs nor
what an administrator allows, and no process inherits it. A tool on a terminal reads the same names from the
environment of its user.

The identity of a ServiceAccount is different: webhooks of the clouds put its variables into the environment of the pod,
also for the account `default`. They are read only if the ModelService names a ServiceAccount (MODEL_IDENTITY).
"""

import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from model_loader.errors import LoaderError, Reason

MAX_FILE_BYTES = 1 << 20
"""A Secret has at most 1 MiB (core/v1, Secret)."""


class Form(NamedTuple):
    """Form of a value."""

    pattern: str
    """Regular expression. It is compiled when a value has this form: a Secret has few of them."""
    text: str
    """Description in an error message."""
    is_json: bool = False
    """The value must also be a JSON object."""


_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
_PATH = r"(?:/[A-Za-z0-9._~%!$&'()*+,;=:@/-]{0,2048})?"
_URL = Form(rf"(?i:https?)://{_HOST}{_PATH}", "an http(s) URL without user name, query and fragment")
_PRESIGNED = Form(rf"(?i:https?)://{_HOST}/(?:(?!#)[!-~]){{1,8192}}", "a whole http(s) URL without user name")
_EMULATOR = Form(rf"(?:(?i:https?)://)?{_HOST}{_PATH}", "HOST:PORT or an http(s) URL")
_TOKEN = Form(r"[!-~]{1,16384}", "visible ASCII characters without spaces and line breaks")
_ACCESS_KEY = Form(r"(?:(?![/,=])[!-~]){1,128}", "an access key ID: visible ASCII characters without '/', ',' and '='")
_REGION = Form(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", "a region such as eu-west-1")
_ROLE = Form(r"arn:[a-z0-9-]{1,32}:iam::[0-9]{0,12}:role/[A-Za-z0-9+=,.@_/-]{1,512}", "the ARN of an IAM role")
_SESSION = Form(r"[A-Za-z0-9_+=,.@-]{2,64}", "a role session name: 2 to 64 letters, digits and _+=,.@-")
_ACCOUNT = Form(r"[a-z0-9]{3,24}(?:-secondary)?", "a storage account name: 3 to 24 lower-case letters and digits")
_ACCOUNT_KEY = Form(r"[A-Za-z0-9+/]{4,512}={0,2}", "the Base64 text of an account key")
_SIGNATURE = Form(r"(?:(?!#)[!-~]){1,4096}", "a shared access signature such as sv=...&sig=...")
_TENANT = Form(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?", "a tenant ID or a domain name")
_CLIENT = Form(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?", "an application ID")
_USER = Form(r"[^\x00-\x1f\x7f:]{1,1024}", "a user name without ':' and control characters")
_PASSWORD = Form(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]{1,16384}", "a password without control characters")
_BOOLEAN = Form("true|false", "true or false")
_KEY_FILE = Form(r"(?s:\{.*\})", "the JSON key of a service account", is_json=True)
_DOCKER = Form(r"(?s:\{.*\})", "the JSON of a Docker configuration", is_json=True)
_FILE = Form(r"(?:/(?!\.\.(?:/|$))[^\x00-\x1f\x7f/]{1,255}){1,64}", "the absolute path of a file")

SETTINGS: Mapping[str, Form] = {
    "AWS_ACCESS_KEY_ID": _ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": _TOKEN,
    "AWS_SESSION_TOKEN": _TOKEN,
    "AWS_REGION": _REGION,
    "AWS_DEFAULT_REGION": _REGION,
    "AWS_ENDPOINT_URL": _URL,
    "AWS_ENDPOINT_URL_S3": _URL,
    "AWS_ENDPOINT_URL_STS": _URL,
    "AWS_ROLE_ARN": _ROLE,
    "AWS_ROLE_SESSION_NAME": _SESSION,
    "AWS_S3_ADDRESSING_STYLE": Form("auto|path|virtual", "auto, path or virtual"),
    "AWS_REQUEST_PAYER": Form("requester", "requester"),
    "GOOGLE_SERVICE_ACCOUNT_KEY": _KEY_FILE,
    "GOOGLE_APPLICATION_CREDENTIALS": _KEY_FILE,
    "GOOGLE_CREDENTIALS": _KEY_FILE,
    "GOOGLE_BASE_URL": _URL,
    "GOOGLE_CLOUD_QUOTA_PROJECT": Form("[a-z0-9](?:[a-z0-9.:-]{0,98}[a-z0-9])?", "a project ID"),
    "STORAGE_EMULATOR_HOST": _EMULATOR,
    "AZURE_STORAGE_ACCOUNT_NAME": _ACCOUNT,
    "AZURE_STORAGE_ACCOUNT": _ACCOUNT,
    "AZURE_STORAGE_ACCOUNT_KEY": _ACCOUNT_KEY,
    "AZURE_STORAGE_KEY": _ACCOUNT_KEY,
    "AZURE_STORAGE_SAS_TOKEN": _SIGNATURE,
    "AZURE_STORAGE_ENDPOINT": _URL,
    "AZURE_CLIENT_ID": _CLIENT,
    "AZURE_CLIENT_SECRET": _TOKEN,
    "AZURE_TENANT_ID": _TENANT,
    "AZURE_AUTHORITY_HOST": _URL,
    "HTTP_BEARER_TOKEN": _TOKEN,
    "HTTP_URL": _PRESIGNED,
    "HF_TOKEN": _TOKEN,
    "HUGGING_FACE_HUB_TOKEN": _TOKEN,
    "HF_ENDPOINT": _URL,
    "MLFLOW_TRACKING_URI": _URL,
    "MLFLOW_TRACKING_TOKEN": _TOKEN,
    "MLFLOW_TRACKING_USERNAME": _USER,
    "MLFLOW_TRACKING_PASSWORD": _PASSWORD,
    "OCI_USERNAME": _USER,
    "OCI_PASSWORD": _PASSWORD,
    "OCI_PLAIN_HTTP": _BOOLEAN,
    ".dockerconfigjson": _DOCKER,
    "DOCKER_CONFIG_JSON": _DOCKER,
}
"""Names that are read from a Secret, with the form of their value."""

_AWS_IDENTITY: Mapping[str, Form] = {
    "AWS_ROLE_ARN": _ROLE,
    "AWS_ROLE_SESSION_NAME": _SESSION,
    "AWS_WEB_IDENTITY_TOKEN_FILE": _FILE,
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": _URL,
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": _FILE,
    "AWS_REGION": _REGION,
    "AWS_DEFAULT_REGION": _REGION,
}
_AZURE_IDENTITY: Mapping[str, Form] = {
    "AZURE_CLIENT_ID": _CLIENT,
    "AZURE_TENANT_ID": _TENANT,
    "AZURE_FEDERATED_TOKEN_FILE": _FILE,
    "AZURE_AUTHORITY_HOST": _URL,
}
_AWS_CREDENTIALS = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
_AZURE_CREDENTIALS = frozenset(
    {"AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_CLIENT_SECRET"}
)
_IDENTITIES = ((_AWS_IDENTITY, _AWS_CREDENTIALS), (_AZURE_IDENTITY, _AZURE_CREDENTIALS))
"""Variables of a cloud identity, as the webhooks of EKS and Azure set them, and the names that replace all of it."""

_PROCESS_SETTINGS = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE"})
"""Certificate authorities: set by an image or an administrator, never by a Secret."""

_REFUSED: tuple[tuple[str, str], ...] = (
    (r"MODEL_.*", "is a setting of the operator"),
    (r"(?i:.*_PROXY)", "is a proxy, which an administrator sets with --loader-proxy"),
    (
        r"SSL_CERT_.*|SSLKEYLOGFILE|.*_CA_(BUNDLE|FILE|CERT).*",
        "is a certificate authority, which an administrator sets with --loader-ca-bundle",
    ),
    (
        r"AWS_WEB_IDENTITY_.*|AWS_CONTAINER_.*|AZURE_FEDERATED_.*|(AZURE_)?MSI_.*|IDENTITY_.*|.*_METADATA_.*",
        "is part of the identity of a ServiceAccount, which serviceAccountName selects",
    ),
    (
        (
            r"LD_.*|PYTHON.*|OPENSSL_.*|GCONV_PATH|(NLS|LOC)?PATH|MALLOC_.*|GLIBC_.*|HOME|TMPDIR|TEMP|TMP|SHELL|IFS|ENV"
            r"|BASH_.*|LANG|LANGUAGE|LC_.*|TZ|TZDIR|HOSTALIASES|LOCALDOMAIN|RES_OPTIONS|RESOLV_.*|NSS_.*|XDG_.*|RUST_.*"
        ),
        "can change how programs run",
    ),
)
"""Names that a Secret must not have, with the reason. They have no effect, which its author would not expect."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The environment for `Request`, and the keys that were not read."""

    environment: Mapping[str, str]
    """Variables of the operator, and those of the stores."""
    ignored: tuple[str, ...] = ()
    """Keys of the Secret that no store reads, sorted."""


def read_credentials(environment: Mapping[str, str], *, is_tool: bool = False) -> Credentials:
    """Return the settings for a process with this environment, which is not changed. Raises LoaderError.

    `is_tool` reads the names of `SETTINGS` from the environment itself, unless MODEL_CREDENTIALS_DIR is set.
    """
    given = {name: text for name, text in environment.items() if name.startswith("MODEL_") or name in _PROCESS_SETTINGS}
    names: tuple[str, ...] = ()
    secret: dict[str, str] = {}
    if directory := environment.get("MODEL_CREDENTIALS_DIR"):
        names, secret = _read_directory(directory)
        secret = _check_values(secret, "in the Secret of model.credentials")
    elif is_tool:
        found = {name: environment[name] for name in SETTINGS if name in environment}
        secret = _check_values(_read_key_files(found), "in the environment")
    ignored = tuple(sorted(name for name in names if name not in SETTINGS))
    return Credentials(given | _read_identity(environment, secret) | secret, ignored)


def _read_identity(environment: Mapping[str, str], secret: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the ServiceAccount's identity, for clouds for which the Secret has no credentials."""
    if environment.get("MODEL_IDENTITY") != "ServiceAccount":
        return {}
    found: dict[str, str] = {}
    for forms, credentials in _IDENTITIES:
        if credentials.isdisjoint(secret):
            found |= {name: environment[name] for name in forms if environment.get(name)}
    for name, value in found.items():
        form = _AWS_IDENTITY.get(name) or _AZURE_IDENTITY[name]
        _check_form(name, value, form, "in the environment, for the identity of the ServiceAccount,")
    return found


def read_token_files(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the tokens of the identity, as variables without _FILE. What cannot be read now is left out."""
    found: dict[str, str] = {}
    for name in environment.keys() & (_AWS_IDENTITY.keys() | _AZURE_IDENTITY.keys()):
        if name.endswith("_FILE"):
            with suppress(OSError, LoaderError):
                found[name.removesuffix("_FILE")] = _read_file(environment[name], None, name).strip()
    return found


def _check_values(values: Mapping[str, str], where: str) -> dict[str, str]:
    """Return the values without line breaks at their end, and without empty ones. Raises LoaderError."""
    stripped = {name: value.rstrip("\r\n") for name, value in values.items()}
    present = {name: value for name, value in stripped.items() if value}
    for name, value in present.items():
        _check_form(name, value, SETTINGS[name], where)
    return present


def _check_form(name: str, value: str, form: Form, where: str) -> None:
    """Raise LoaderError if a value has another form. The message never contains it."""
    if re.fullmatch(form.pattern, value) is None or (form.is_json and not _is_json_object(value)):
        raise _error(f"The value of {name} {where} is not {form.text}. Correct it.")


def _is_json_object(value: str) -> bool:
    try:
        return isinstance(json.loads(value), dict)
    except (ValueError, RecursionError):
        return False


def _read_key_files(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a tool, with the content of the key file that GOOGLE_APPLICATION_CREDENTIALS names."""
    name = "GOOGLE_APPLICATION_CREDENTIALS"
    file = environment.get(name, "").strip()
    if not file or file.startswith("{"):
        return dict(environment)
    try:
        return {**environment, name: _read_file(file, None, name)}
    except OSError as error:
        raise _error(f"The file that {name} names cannot be read: {error.strerror}.") from None


def _read_directory(directory: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the names of all files, and the content of those in `SETTINGS`. Raises LoaderError."""
    try:
        try:
            return _read_version(directory)
        except FileNotFoundError:
            return _read_version(directory)  # the kubelet has replaced the version that was being read
    except OSError as error:
        message = f"The Secret of model.credentials cannot be read from {directory}: {error.strerror}."
        raise LoaderError(Reason.LOADER_FAILED, f"{message} Check runAsUser, runAsGroup and fsGroup.") from None


def _read_version(directory: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Read one version of the Secret.

    In a volume of the kubelet, `..data` is a link to the directory with the current version, which one rename replaces
    (k8s.io/kubernetes, pkg/volume/util/atomic_writer.go). Reading that directory never mixes two versions.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    base = os.open(directory, flags)
    try:
        try:
            version = os.open("..data", flags, dir_fd=base)
        except FileNotFoundError:
            version = os.dup(base)
        try:
            with os.scandir(version) as entries:
                names = tuple(entry.name for entry in entries if not entry.name.startswith(".."))
            _refuse_names(names)
            return names, {name: _read_file(name, version, name) for name in sorted(names) if name in SETTINGS}
        finally:
            os.close(version)
    finally:
        os.close(base)


def _refuse_names(names: Iterable[str]) -> None:
    """Raise LoaderError for a name that must not come from a Secret."""
    for name in sorted(names):
        if name in SETTINGS:
            continue
        for pattern, why in _REFUSED:
            if re.fullmatch(pattern, name):
                raise _error(f"The Secret of model.credentials has the key {name}, which {why}. Remove the key.")


def _read_file(path: str, directory: int | None, name: str) -> str:
    """Return the text of a file, read once. Raises LoaderError or OSError."""
    # O_NONBLOCK: opening a named pipe would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=directory)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _error(f"{name} in the Secret of model.credentials is not a file.")
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise _error(f"The value of {name} is longer than {MAX_FILE_BYTES} bytes.")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise _error(f"The value of {name} is not UTF-8 text. Correct it.") from None


def _error(message: str) -> LoaderError:
    return LoaderError(Reason.INVALID_CREDENTIALS, message)
