"""Address of the API server and identity of the user: the context of kubeconfig files, or the service account of a pod.

Files are merged as client-go does (tools/clientcmd): the first value wins, and paths are relative to their file.
"""

import base64
import binascii
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import yaml

from modelservice_cli.errors import CliError, ExitCode

Entry = Mapping[str, Any]
DEFAULT_PATH = "~/.kube/config"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Token, authorities and namespace of a pod's service account."""
_PATHS = {
    "clusters": ("certificate-authority",),
    "users": ("client-certificate", "client-key", "tokenFile"),
}
"""Fields that are paths."""
_UNESCAPED_CHARACTERS = "!#$&'*+^`|"
"""Characters of a header name that are not escaped, besides letters, digits and -._~ (RFC 9110, 5.6.2)."""
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Identity of the user: a client certificate, and headers of authentication and impersonation."""

    certificate: bytes | None = None
    """PEM, with intermediate certificates."""
    key: bytes | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An API server, and the identity to use."""

    server: str
    """URL without a final slash."""
    identity: Identity = Identity()
    namespace: str = "default"
    authorities: bytes | None = None
    """PEM; None trusts the authorities of the system."""
    server_name: str | None = None
    """Name in the server's certificate, if it is not that of the URL."""
    insecure: bool = False
    proxy: str | None = None
    user: str = ""
    """Name of the user in the kubeconfig, for messages."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Choices of the command line; None and empty leave the choice to the kubeconfig."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    impersonate: str | None = None
    impersonate_groups: tuple[str, ...] = ()


def load_endpoint(choice: Choice, environment: Mapping[str, str] = os.environ) -> Endpoint:
    """Return the API server and the identity. Raises CliError with a sentence."""
    if choice.impersonate_groups and not choice.impersonate:
        raise CliError("--as-group needs --as: a group is impersonated together with a user.", ExitCode.USAGE)
    paths = kubeconfig_paths(choice, environment)
    if not any(path.exists() for path in paths) and choice.kubeconfig is None and choice.context is None:
        endpoint = _service_account(environment)
        if endpoint is not None:
            return _with_choice(endpoint, choice)
    return _with_choice(_from_files(paths, choice.context), choice)


def kubeconfig_paths(choice: Choice, environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the kubeconfig files: that of the command line, else those of $KUBECONFIG, else ~/.kube/config."""
    if choice.kubeconfig is not None:
        return [choice.kubeconfig.expanduser()]
    names = [name for name in environment.get("KUBECONFIG", "").split(os.pathsep) if name]
    return [Path(name).expanduser() for name in names or [DEFAULT_PATH]]


def context_names(paths: Sequence[Path]) -> list[str]:
    """Return the names of the contexts, for completion."""
    return [str(entry["name"]) for entry in _read(paths).entries["contexts"]]


@dataclass(frozen=True, slots=True)
class _Merged:
    """Merged files: entries by kind, each with absolute paths."""

    description: str
    current: str | None
    entries: Mapping[str, Sequence[Entry]]

    def find(self, kind: str, name: str) -> Entry:
        """Return the body of an entry, such as that of the user `name`."""
        for entry in self.entries[kind]:
            if entry["name"] == name:
                body: Entry = entry[kind.removesuffix("s")] or {}
                return body
        names = ", ".join(sorted(str(entry["name"]) for entry in self.entries[kind])) or "none"
        raise CliError(
            f"The kubeconfig {self.description} ({kind}: {names}) has no {kind.removesuffix('s')} {name!r}.",
            ExitCode.UNREACHABLE,
        )


def _from_files(paths: Sequence[Path], context_name: str | None) -> Endpoint:
    merged = _read(paths)
    name = context_name or merged.current
    if not name:
        raise CliError(
            f"Cannot use the kubeconfig {merged.description}: it has no current context; choose one with --context.",
            ExitCode.UNREACHABLE,
        )
    context = merged.find("contexts", name)
    cluster = merged.find("clusters", str(context.get("cluster") or ""))
    user = merged.find("users", str(context["user"])) if context.get("user") else {}
    server = _checked_server(str(cluster.get("server") or ""), merged.description)
    return Endpoint(
        server=server,
        identity=_identity(user, paths, name),
        namespace=str(context.get("namespace") or "default"),
        authorities=_content(cluster, "certificate-authority"),
        server_name=cluster.get("tls-server-name") or None,
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        proxy=cluster.get("proxy-url") or None,
        user=str(context.get("user") or ""),
    )


def _checked_server(server: str, description: str) -> str:
    try:
        parts = urlsplit(server)
        is_valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise CliError(
            f"The server of the kubeconfig {description} is not an http or https URL: {server!r}.", ExitCode.UNREACHABLE
        )
    return server.rstrip("/")


def _identity(user: Entry, paths: Sequence[Path], context: str) -> Identity:
    """Return the identity of a user entry. The official client calls an exec plugin or identity provider."""
    if user.get("exec") or user.get("auth-provider"):
        from modelservice_cli.cluster.login import log_in

        issued = log_in(paths, context, user)
        return Identity(
            certificate=issued.certificate, key=issued.key, headers=(*issued.headers, *_impersonation(user))
        )
    certificate, key = _content(user, "client-certificate"), _content(user, "client-key")
    if (certificate is None) != (key is None):
        raise CliError(
            "The kubeconfig has a client certificate without its key, or a key without it.", ExitCode.UNREACHABLE
        )
    return Identity(certificate=certificate, key=key, headers=(*_authorization(user), *_impersonation(user)))


def _authorization(user: Entry) -> Iterator[tuple[str, str]]:
    """Yield the header of a static token or password. The token of a file wins, because it is newer."""
    token = _content(user, "tokenFile", data=None)
    text = token.decode(errors="replace").strip() if token else user.get("token")
    if text:
        yield "Authorization", f"Bearer {text}"
    elif user.get("username") and user.get("password"):
        pair = base64.b64encode(f"{user['username']}:{user['password']}".encode()).decode()
        yield "Authorization", f"Basic {pair}"


def _impersonation(user: Entry) -> Iterator[tuple[str, str]]:
    """Yield the headers of impersonation (client-go, transport/round_trippers.go)."""
    if not user.get("as"):
        return
    yield "Impersonate-User", str(user["as"])
    if user.get("as-uid"):
        yield "Impersonate-Uid", str(user["as-uid"])
    yield from (("Impersonate-Group", str(group)) for group in user.get("as-groups") or ())
    for key, values in (user.get("as-user-extra") or {}).items():
        yield from ((f"Impersonate-Extra-{quote(key, safe=_UNESCAPED_CHARACTERS)}", str(value)) for value in values)


def _with_choice(endpoint: Endpoint, choice: Choice) -> Endpoint:
    """Return the endpoint with the namespace and the impersonated user of the command line."""
    identity = endpoint.identity
    if choice.impersonate:
        own = tuple((name, value) for name, value in identity.headers if not name.startswith("Impersonate-"))
        chosen = _impersonation({"as": choice.impersonate, "as-groups": choice.impersonate_groups})
        identity = Identity(certificate=identity.certificate, key=identity.key, headers=(*own, *chosen))
    return Endpoint(
        server=endpoint.server,
        identity=identity,
        namespace=choice.namespace or endpoint.namespace,
        authorities=endpoint.authorities,
        server_name=endpoint.server_name,
        insecure=endpoint.insecure,
        proxy=endpoint.proxy,
        user=choice.impersonate or endpoint.user,
    )


def _service_account(environment: Mapping[str, str]) -> Endpoint | None:
    """Return the API server of the pod that this runs in, as in a notebook; None outside of a pod."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
    token = ACCOUNT / "token"
    if not host or not token.exists():
        return None
    namespace = ACCOUNT / "namespace"
    return Endpoint(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        identity=Identity(headers=(("Authorization", f"Bearer {token.read_text().strip()}"),)),
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
        authorities=(ACCOUNT / "ca.crt").read_bytes(),
        user="the service account of the pod",
    )


def _read(paths: Sequence[Path]) -> _Merged:
    """Read and merge files; one of several may be missing."""
    description = os.pathsep.join(map(str, paths))
    existing = [path for path in paths if path.exists()]
    if not existing:
        raise CliError(
            f"There is no kubeconfig {description}: name one with --kubeconfig or $KUBECONFIG.", ExitCode.UNREACHABLE
        )
    files = [(path, _read_file(path)) for path in existing]
    entries = {
        kind: [_with_paths(kind, entry, path.parent) for path, body in files for entry in body.get(kind) or ()]
        for kind in ("clusters", "users", "contexts")
    }
    current = next((body["current-context"] for _, body in files if body.get("current-context")), None)
    return _Merged(description, current, entries)


def _read_file(path: Path) -> Entry:
    try:
        body = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader) or {}  # noqa: S506 - a safe loader
        kinds = [body.get(kind) or () for kind in ("clusters", "users", "contexts")]
        is_valid = all(isinstance(entry, dict) and entry.get("name") for kind in kinds for entry in kind)
    except OSError as error:
        raise CliError(f"Cannot read the kubeconfig {path}: {error.strerror}.", ExitCode.UNREACHABLE) from error
    except (yaml.YAMLError, ValueError, AttributeError, TypeError):  # messages of YAML quote the text, with its tokens
        is_valid, body = False, {}
    if not is_valid:
        raise CliError(f"Cannot use the kubeconfig {path}: it is damaged or half-written.", ExitCode.UNREACHABLE)
    valid: Entry = body
    return valid


def _with_paths(kind: str, entry: Entry, directory: Path) -> Entry:
    """Return an entry with absolute paths, and without null as its body."""
    singular = kind.removesuffix("s")
    body = dict(entry.get(singular) or {})
    body |= {name: str(directory / str(body[name])) for name in _PATHS.get(kind, ()) if body.get(name)}
    return {"name": entry["name"], singular: body}


def _content(entry: Entry, name: str, *, data: str | None = "-data") -> bytes | None:
    """Return the content that is given as base64 or as a path; None if there is neither."""
    encoded = entry.get(name + data) if data else None
    try:
        if encoded:
            return base64.b64decode(str(encoded), validate=True)
        return Path(str(entry[name])).read_bytes() if entry.get(name) else None
    except binascii.Error:
        raise CliError(
            f"{name}-data of the kubeconfig is not base64; it may be half-written.", ExitCode.UNREACHABLE
        ) from None
    except OSError as error:
        raise CliError(
            f"{name} of the kubeconfig cannot be read: {entry[name]}: {error.strerror}.", ExitCode.UNREACHABLE
        ) from error
