"""Credentials from kubeconfig files (client-go, tools/clientcmd/api/v1), which are read again at each call.

Each field is used, or refused with a sentence, or has no effect here; an unknown one is logged. A field that is ignored
silently would leave the operator without its identity.
"""

import base64
import binascii
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import quote, urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modelservice_operator.client.credentials import Credentials
from modelservice_operator.client.exec_plugin import EXEC_EXTENSION, ClusterInfo, ExecConfig, ExecPlugin
from modelservice_operator.client.tls import TLSMaterial, build_ssl_context
from modelservice_operator.errors import CredentialsError

logger = logging.getLogger(__name__)

WITHOUT_EFFECT = frozenset({"disable-compression", "extensions"})
"""Known fields that change nothing: the client never compresses, and extensions are those of other programs."""
_UNESCAPED_CHARACTERS = "!#$&'*+^`|"
"""Characters of a header name that are not escaped, besides letters, digits and -._~ (RFC 9110, 5.6.2)."""


class Entry(BaseModel):
    """A part of a kubeconfig. Values never appear in errors: they may be secrets."""

    model_config = ConfigDict(
        alias_generator=lambda name: name.replace("_", "-"), hide_input_in_errors=True, extra="allow", frozen=True
    )
    paths: ClassVar[tuple[str, ...]] = ()
    """Fields that are paths, relative to the directory of the kubeconfig."""

    def resolve_paths(self, directory: Path) -> Self:
        """Return the entry with absolute paths."""
        found = {name: str(directory / value) for name in self.paths if (value := getattr(self, name))}
        return self.model_copy(update=found)


class Cluster(Entry):
    """Address and trust of an API server."""

    paths = ("certificate_authority",)
    server: str = ""
    tls_server_name: str | None = None
    insecure_skip_tls_verify: bool = False
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None
    proxy_url: str | None = None
    extensions: list[dict[str, Any]] = []


class User(Entry):
    """Identity of a user."""

    paths = ("client_certificate", "client_key", "token_file")
    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: str | None = None
    token: str | None = None
    token_file: str | None = Field(default=None, alias="tokenFile")
    impersonate: str | None = Field(default=None, alias="as")
    as_uid: str | None = None
    as_groups: list[str] = []
    as_user_extra: dict[str, list[str]] = {}
    username: str | None = None
    password: str | None = None
    auth_provider: dict[str, Any] | None = None
    exec: ExecConfig | None = None


class _Context(Entry):
    cluster: str
    user: str = ""
    namespace: str | None = None


class _Named(Entry):
    name: str
    cluster: Cluster | None = None
    user: User | None = None
    context: _Context | None = None


class _File(Entry):
    current_context: str | None = None
    clusters: list[_Named] | None = None
    users: list[_Named] | None = None
    contexts: list[_Named] | None = None


@dataclass(frozen=True, slots=True)
class _Selected:
    """The current context of merged files."""

    cluster: Cluster
    user: User


class KubeconfigLoader:
    """Loads credentials from kubeconfig files; call it for each load. It runs an exec plugin only when needed."""

    def __init__(self, paths: Sequence[Path], *, context: str | None = None) -> None:
        """`context` is used in place of the current one."""
        self._paths = paths
        self._context = context
        self._plugin: ExecPlugin | None = None
        self._reported: set[str] = set()

    def __call__(self) -> Credentials:
        """Read the files and return the credentials of the context.

        Raises CredentialsError, with a sentence, if they are missing, damaged or of an unsupported kind.
        """
        selected = self._select(_read(self._paths))
        cluster, user = selected.cluster, selected.user
        _check(cluster, user)
        if user.exec is not None:
            return self._with_plugin(cluster, user, user.exec)
        certificate = _content(user.client_certificate_data, user.client_certificate, "client-certificate")
        key = _content(user.client_key_data, user.client_key, "client-key")
        credentials = _credentials(cluster, user, certificate=certificate, key=key, token=_token(user))
        _check_identity(credentials, has_certificate=certificate is not None)
        return credentials

    def _with_plugin(self, cluster: Cluster, user: User, config: ExecConfig) -> Credentials:
        if self._plugin is None or self._plugin.config != config:
            self._plugin = ExecPlugin(config, directory=self._paths[0].parent)
        issued = self._plugin.get(_cluster_info(cluster))
        made = _credentials(cluster, user, certificate=issued.certificate, key=issued.key, token=issued.token)
        return replace(made, discard=self._plugin.discard)

    def _select(self, merged: _File) -> _Selected:
        """Return the cluster and the user of the context."""
        name = self._context or merged.current_context
        if not name:
            raise CredentialsError(f"{self._description} has no current-context.")
        context = self._find(merged.contexts, name, "context").context or _Context(cluster="")
        cluster = self._find(merged.clusters, context.cluster, "cluster").cluster or Cluster()
        user = (self._find(merged.users, context.user, "user").user if context.user else None) or User()
        for entry in (cluster, user, *([user.exec] if user.exec else [])):
            self._report_unknown(entry)
        return _Selected(cluster, user)

    def _find(self, entries: Sequence[_Named] | None, name: str, kind: str) -> _Named:
        found = next((entry for entry in entries or () if entry.name == name), None)
        if found is None:
            raise CredentialsError(f"{self._description} has no {kind} with the name {name!r}.")
        return found

    def _report_unknown(self, entry: BaseModel) -> None:
        for name in set(entry.model_extra or {}) - WITHOUT_EFFECT - self._reported:
            logger.warning("Ignoring the unknown field %s of %s", name, self._description)
            self._reported.add(name)

    @property
    def _description(self) -> str:
        return f"The kubeconfig {':'.join(map(str, self._paths))}"


def _read(paths: Sequence[Path]) -> _File:
    """Read and merge files as client-go does: the first value wins, and one of several files may be missing."""
    existing = [path for path in paths if path.exists()]
    if not existing:
        raise CredentialsError(f"There is no kubeconfig {':'.join(map(str, paths))}.")
    files = [_read_file(path) for path in existing]
    return _File.model_construct(
        current_context=next((file.current_context for file in files if file.current_context), None),
        clusters=[entry for file in files for entry in file.clusters or ()],
        users=[entry for file in files for entry in file.users or ()],
        contexts=[entry for file in files for entry in file.contexts or ()],
    )


def _read_file(path: Path) -> _File:
    try:
        file = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise CredentialsError(f"The kubeconfig {path} is not valid: {place}: {first['msg']}.") from None
    except (yaml.YAMLError, ValueError):  # their messages quote the text
        raise CredentialsError(f"The kubeconfig {path} is not YAML; it may be half-written.") from None
    return file.model_copy(
        update={
            "clusters": [_with_paths(entry, path.parent) for entry in file.clusters or ()],
            "users": [_with_paths(entry, path.parent) for entry in file.users or ()],
        }
    )


def _with_paths(entry: _Named, directory: Path) -> _Named:
    parts = {"cluster": entry.cluster, "user": entry.user}
    return entry.model_copy(update={name: part.resolve_paths(directory) for name, part in parts.items() if part})


def _check(cluster: Cluster, user: User) -> None:
    """Raise CredentialsError for what is missing, contradictory or not supported."""
    if _scheme(cluster.server) not in {"http", "https"}:
        raise CredentialsError("The server of the kubeconfig is not an http or https URL.")
    if cluster.proxy_url and _scheme(cluster.proxy_url) != "http":
        raise CredentialsError("The proxy-url of the kubeconfig is not supported: use an http:// proxy.")
    if user.auth_provider is not None:
        raise CredentialsError(
            "The auth-provider of the kubeconfig is not supported, as in kubectl since 1.26: use an exec plugin."
        )
    if not user.impersonate and (user.as_groups or user.as_uid or user.as_user_extra):
        raise CredentialsError("The kubeconfig impersonates a group, UID or extra field without a user (as).")
    methods = [user.exec, user.token or user.token_file, user.username]
    if sum(bool(method) for method in methods) > 1:
        raise CredentialsError("The user of the kubeconfig has more than one of token, exec and username.")


def _scheme(url: str) -> str:
    """Return the scheme of a URL with a host; empty if it has none, or is not a URL."""
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return ""
    return parts.scheme if is_whole else ""


def _check_identity(credentials: Credentials, *, has_certificate: bool) -> None:
    if credentials.tls is not None and not has_certificate and "Authorization" not in dict(credentials.auth_headers()):
        raise CredentialsError(
            "The user of the kubeconfig has no credentials that the operator can use: no token, client certificate,"
            " exec plugin, or username with password."
        )


def _credentials(
    cluster: Cluster, user: User, *, certificate: bytes | None, key: bytes | None, token: str | None
) -> Credentials:
    if (certificate is None) != (key is None):
        raise CredentialsError("The kubeconfig has a client certificate without its key, or a key without it.")
    tls = None
    if _scheme(cluster.server) == "https":
        material = TLSMaterial(
            _authorities(cluster), certificate, key, cluster.tls_server_name, cluster.insecure_skip_tls_verify
        )
        tls = build_ssl_context(material)
    return Credentials(cluster.server.rstrip("/"), tls, token, tuple(_headers(user)), cluster.proxy_url or None)


def _headers(user: User) -> Iterator[tuple[str, str]]:
    """Yield the headers of basic authentication and impersonation (client-go, transport/round_trippers.go)."""
    if user.username and user.password:
        encoded = base64.b64encode(f"{user.username}:{user.password}".encode()).decode()
        yield "Authorization", f"Basic {encoded}"
    if user.impersonate:
        yield "Impersonate-User", user.impersonate
    if user.as_uid:
        yield "Impersonate-Uid", user.as_uid
    yield from (("Impersonate-Group", group) for group in user.as_groups)
    for key, values in user.as_user_extra.items():
        yield from ((f"Impersonate-Extra-{quote(key, safe=_UNESCAPED_CHARACTERS)}", value) for value in values)


def _authorities(cluster: Cluster) -> bytes | None:
    return _content(cluster.certificate_authority_data, cluster.certificate_authority, "certificate-authority")


def _token(user: User) -> str | None:
    """Return the bearer token; that of a file wins, because it is newer."""
    if user.token_file:
        content = _content(None, user.token_file, "tokenFile")
        return content.decode(errors="replace").strip() if content else None
    return user.token or None


def _content(data: str | None, path: str | None, field: str) -> bytes | None:
    """Return the content that is given as base64 or as a path; None if there is neither."""
    try:
        if data:
            return base64.b64decode(data, validate=True)
        return Path(path).read_bytes() if path else None
    except binascii.Error:
        raise CredentialsError(f"The {field}-data of the kubeconfig is not base64; it may be half-written.") from None
    except (OSError, ValueError) as error:
        raise CredentialsError(f"The {field} of the kubeconfig cannot be read: {error}.") from error


def _cluster_info(cluster: Cluster) -> ClusterInfo:
    authorities = _authorities(cluster)
    return ClusterInfo(
        server=cluster.server,
        tls_server_name=cluster.tls_server_name,
        insecure_skip_tls_verify=cluster.insecure_skip_tls_verify,
        certificate_authority_data=authorities and base64.b64encode(authorities).decode(),
        proxy_url=cluster.proxy_url,
        config=next((it.get("extension") for it in cluster.extensions if it.get("name") == EXEC_EXTENSION), None),
    )
