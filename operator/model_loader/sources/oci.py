"""OCI artifacts (OCI distribution specification 1.1). Each layer is a file with a digest."""

import hashlib
import json
import os
import re
import threading
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from model_loader.download import PART_BYTES, Readable
from model_loader.errors import LoaderError, Reason
from model_loader.http_client import HttpClient, encode_basic_login, has_origin, http_error, http_status_error
from model_loader.manifest import Chunk, Entry, Listing
from model_loader.request import Request, bad_uri_error
from model_loader.sources.https import HttpFileReader
from model_loader.sources.ranges import read_chunks
from model_loader.text import as_list, as_object, decode_json, size_field, text_field

_OK, _PARTIAL, _UNAUTHORIZED = 200, 206, 401
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json,"
    " application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"
)
_TITLE_ANNOTATION = "org.opencontainers.image.title"
"""Annotation with the file name of a layer (OCI image specification, annotations)."""
_FILE_PATH_ANNOTATION = "org.cncf.model.filepath"
"""Annotation with the file name of a layer (CNCF ModelPack specification, annotations)."""
_TOOLS = {"vnd.docker.ai.": "docker model", "vnd.kitops.": "kit", "ml.kitops": "kit", "vnd.cncf.model.": "modctl"}
"""Parts of media types, and the tools whose packages have them."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Names of the kernel, and those of GOARCH, which an index has."""
_UNPACK_ANNOTATION = "io.deis.oras.content.unpack"
"""Annotation of a layer that is a directory, which oras packed as tar and gzip."""
_REFERENCE = re.compile(
    r"oci\+artifact://(?P<host>(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?)/(?P<name>[a-z0-9._/-]+?)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_DIGEST = re.compile("sha256:[0-9a-f]{64}")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_DOCKER_HUB_API = "registry-1.docker.io"
_SHORT_SUFFIX = re.compile(r"[a-z]{1,3}\.[a-z]{2}")
"""Domains such as co.uk and com.au, below which names are registered."""
_CLIENT_ID = "model-loader"
_MAX_QUOTED_MANIFESTS = 5


@dataclass(frozen=True, slots=True)
class _Login:
    """Login of a Docker configuration."""

    basic: str = ""
    """Base64 of user:password; empty without a login."""
    identity_token: str = ""
    """Refresh token (OAuth 2), used in place of a password."""
    named_hosts: frozenset[str] = frozenset()
    """Hosts that the configuration names."""

    @property
    def exists(self) -> bool:
        return bool(self.basic or self.identity_token)


class OciArtifactSource:
    """An artifact in a registry."""

    def __init__(self, request: Request) -> None:
        self.supports_parallel_reads = False
        found = _REFERENCE.fullmatch(request.uri)
        if found is None:
            raise bad_uri_error(
                request.uri, "write it as oci+artifact://REGISTRY/NAME:TAG or oci+artifact://REGISTRY/NAME@DIGEST"
            )
        self._host, self._name = found["host"], found["name"]
        if request.revision and (found["tag"] or found["digest"]):
            raise bad_uri_error(request.uri, "it already contains a tag or digest: remove model.revision")
        self._reference = found["digest"] or found["tag"] or request.revision or "latest"
        self._extract = request.extract
        self._hide = request.hide
        self._http = HttpClient(request)
        self._login = _read_login(request.environment, self._host, self._name)
        self._headers: dict[str, str] = {}
        self._challenge = ""
        self._renewal = threading.Lock()
        self._scheme = "http" if request.environment.get("OCI_PLAIN_HTTP") == "true" else "https"

    @property
    def _url(self) -> str:
        host = _DOCKER_HUB_API if self._host in _DOCKER_HUB else self._host
        return f"{self._scheme}://{host}/v2/{self._name}"

    @property
    def _subject(self) -> str:
        return f"oci+artifact://{self._host}/{self._name} ({self._reference})"

    def list_files(self) -> Listing:
        """List the layers as files. An index is resolved to its manifest for this platform."""
        digest, body = self._get_manifest(self._reference)
        if (chosen := choose_manifest(body, self._subject, os.uname().machine)) is not None:
            digest, body = self._get_manifest(chosen)
        entries = parse_manifest(body, self._subject, is_archive=self._extract)
        self.supports_parallel_reads = self._supports_ranges(entries)
        resolved = f"oci+artifact://{self._host}/{self._name}@{digest}"
        return Listing(entries=entries, resolved_uri=resolved, commit=digest)

    def _supports_ranges(self, entries: Iterable[Entry]) -> bool:
        """Return True if the registry sends parts of its layers; without large ones there is no request."""
        large = next((entry for entry in entries if (entry.size or 0) > PART_BYTES), None)
        if large is None:
            return False
        headers = {"Range": "bytes=0-0", **self._headers}
        with self._http.get(f"{self._url}/blobs/{large.key}", headers, file=large.key) as response:
            return response.status == _PARTIAL

    def _get_manifest(self, reference: str) -> tuple[str, bytes]:
        """Return a manifest and its digest, which is compared with the requested one."""
        body = self._request_manifest(reference)
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if reference.startswith("sha256:") and reference != digest:
            message = f"The registry returned the manifest {digest} instead of {reference}."
            raise LoaderError(Reason.DIGEST_MISMATCH, message)
        return digest, body

    def _request_manifest(self, reference: str) -> bytes:
        """Return a manifest, after a login if the registry requires one."""
        url = f"{self._url}/manifests/{reference}"
        for attempt in (1, 2):
            with self._http.get(url, {"Accept": _MANIFESTS, **self._headers}) as response:
                if response.status == _OK:
                    return response.read()
            # A host that the registry redirects to may ask for a login, but does not get that of the registry.
            may_log_in = response.status == _UNAUTHORIZED and has_origin(response, self._url)
            if not may_log_in or attempt == 2:  # noqa: PLR2004
                break
            self._challenge = response.headers.get("www-authenticate", "")
            self._headers = self._authorize()
        raise http_error(response, self._subject)

    def _authorize(self) -> dict[str, str]:
        """Return the header for the challenge: the login, or a token that the registry issues for it."""
        scheme, _, parameters = self._challenge.partition(" ")
        if scheme.lower() == "basic" and self._login.basic:
            return {"Authorization": f"Basic {self._login.basic}"}
        values = dict(_CHALLENGE.findall(parameters))
        if scheme.lower() != "bearer" or not values.get("realm"):
            raise http_status_error(_UNAUTHORIZED, self._subject)
        realm = values["realm"]
        wanted = {name: values[name] for name in ("service", "scope") if name in values}
        self._http.check_url(realm)
        if self._login.exists:
            self._check_realm(realm)
        if self._login.identity_token:
            form = {"grant_type": "refresh_token", "refresh_token": self._login.identity_token, "client_id": _CLIENT_ID}
            request = self._http.post_form(realm, form | wanted)
        else:
            headers = {"Authorization": f"Basic {self._login.basic}"} if self._login.basic else {}
            request = self._http.get(add_query(realm, wanted), headers)
        with request as response:
            if response.status != _OK:
                raise http_error(response, self._subject)
            body = response.read()
        token = parse_token(body, self._subject)
        self._hide(token)
        return {"Authorization": f"Bearer {token}"}

    def _check_realm(self, realm: str) -> None:
        """Raise LoaderError if the login may not be sent to the host that issues tokens."""
        host = urlsplit(realm).hostname or ""
        registry = urlsplit(self._url).hostname or ""
        if not is_same_domain(registry, host) and host not in self._login.named_hosts:
            message = (
                f"{self._subject}: the registry wants its login to be sent to {host!r}, which is another domain."
                f" If this is intended, add {host!r} to the Docker configuration."
            )
            raise LoaderError(Reason.INVALID_CREDENTIALS, message)

    @contextmanager
    def open(self, entry: Entry, start: int, stop: int | None) -> Iterator[Readable]:
        """Yield the bytes of a layer. Its digest is verified at the end."""
        with ExitStack() as stack:
            headers = self._headers
            try:
                opened = stack.enter_context(self._open(entry, start, stop, headers))
            except LoaderError as error:
                if error.reason is not Reason.INVALID_CREDENTIALS or not self._challenge:
                    raise
                # Tokens last a few minutes, a download may take longer.
                self._renew(headers)
                opened = stack.enter_context(self._open(entry, start, stop, self._headers))
            yield opened

    def _open(
        self, entry: Entry, start: int, stop: int | None, headers: Mapping[str, str]
    ) -> AbstractContextManager[Readable]:
        fixed = Entry(path=entry.path, key=entry.key, size=entry.size)
        return HttpFileReader(self._http, headers).open(f"{self._url}/blobs/{entry.key}", fixed, start, stop)

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        """Yield the bytes of a layer in chunks."""
        with self.open(entry, start, stop) as opened:
            yield from read_chunks(opened)

    def _renew(self, expired: Mapping[str, str]) -> None:
        """Get a new token, unless another thread has one already."""
        with self._renewal:
            if self._headers == expired:
                self._headers = self._authorize()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def choose_manifest(body: bytes, subject: str, machine: str) -> str | None:
    """Return the digest of the manifest that an index has for a machine; None for a manifest.

    Raises LoaderError.
    """
    try:
        index = as_object(decode_json(body))
        if "manifests" not in index:
            return None
        found = [(_parse_platform(one), text_field(one, "digest")) for one in as_list(index["manifests"])]
    except (ValueError, RecursionError):
        raise _not_an_artifact_error(subject) from None
    models = [(name, digest) for name, digest in found if name != "unknown/unknown" and _DIGEST.fullmatch(digest)]
    wanted = f"linux/{_ARCHITECTURES.get(machine, machine)}"
    chosen = models if len(models) == 1 else [one for one in models if one[0] == wanted]
    if len(chosen) == 1:
        return chosen[0][1]
    names = ", ".join(f"{name or 'no platform'} ({digest})" for name, digest in models[:_MAX_QUOTED_MANIFESTS])
    message = f"{subject} is an index with {len(models)} manifests, and not exactly one of them is for {wanted}."
    hint = f" Name one by its digest: {names}." if names else ""
    raise LoaderError(Reason.UNSUPPORTED_KEY, message + hint)


def _parse_platform(manifest: Any) -> str:  # noqa: ANN401 - JSON of any type
    """Return OS/ARCHITECTURE, or an empty text. Attestations of BuildKit have unknown/unknown."""
    found = as_object(as_object(manifest).get("platform") or {})
    return f"{text_field(found, 'os')}/{text_field(found, 'architecture')}" if found else ""


def parse_manifest(body: bytes, subject: str, *, is_archive: bool) -> tuple[Entry, ...]:
    """Return the layers of a manifest as files; `is_archive`: its layer is unpacked as a whole. Raises LoaderError."""
    try:
        layers = as_list(as_object(decode_json(body)).get("layers"))
        return tuple(_parse_layer(layer, subject, is_archive=is_archive) for layer in layers)
    except (ValueError, RecursionError):
        raise _not_an_artifact_error(subject) from None


def _not_an_artifact_error(subject: str) -> LoaderError:
    return LoaderError(Reason.MODEL_NOT_FOUND, f"{subject} is not an artifact with layers. Use oci:// for an image.")


def _parse_title(layer: Mapping[str, Any], annotations: Mapping[str, Any], subject: str) -> str:
    """Return the file name of a layer. Raises LoaderError if it has none, as in packages of some tools."""
    media_type = str(layer.get("mediaType") or "")
    is_file = media_type.endswith(".raw") or "vnd.docker.ai." in media_type
    title = annotations.get(_TITLE_ANNOTATION) or (annotations.get(_FILE_PATH_ANNOTATION) if is_file else None)
    if isinstance(title, str) and title:
        return title
    tool = next((name for mark, name in _TOOLS.items() if mark in media_type), None)
    if tool is not None:
        message = f"{subject} is a package of {tool}, whose layers are not files with names. Download it with {tool},"
        hint = " then push its files: run `oras push REGISTRY/NAME:TAG $(find . -type f)` in their directory."
        raise LoaderError(Reason.UNSUPPORTED_KEY, message + hint)
    message = f"{subject} has a layer without a file name ({_TITLE_ANNOTATION}). Push it with oras, or use oci:// for"
    raise LoaderError(Reason.UNSUPPORTED_KEY, f"{message} an image.")


def _parse_layer(layer: Any, subject: str, *, is_archive: bool) -> Entry:  # noqa: ANN401 - JSON of any type
    digest, size = text_field(layer, "digest"), size_field(layer, "size")
    annotations = as_object(layer.get("annotations") or {})
    if not _DIGEST.fullmatch(digest) or size is None:
        raise LoaderError(
            Reason.UNSUPPORTED_KEY, f"{subject} has a layer without a SHA-256 digest. Push the artifact again."
        )
    title = _parse_title(layer, annotations, subject)
    is_directory = annotations.get(_UNPACK_ANNOTATION) == "true" and not is_archive
    return Entry(
        path=(title.removeprefix("./").rstrip("/") or ".") if is_directory else title,
        key=digest,
        size=size,
        version=digest,
        sha256=digest.removeprefix("sha256:"),
        is_packed_directory=is_directory,
    )


def parse_token(body: bytes, subject: str) -> str:
    """Return the token of a response of a token service (Docker registry v2 authentication). Raises LoaderError."""
    try:
        answer = as_object(decode_json(body))
        return text_field(answer, "token" if answer.get("token") else "access_token")
    except (ValueError, RecursionError):
        message = f"{subject}: the registry's token service responded without a token."
        raise LoaderError(Reason.INVALID_CREDENTIALS, f"{message} Check the Secret of model.credentials.") from None


def add_query(url: str, parameters: Mapping[str, str]) -> str:
    """Return a URL with additional parameters; it may have a query already."""
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *parameters.items()])
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def is_same_domain(registry: str, realm: str) -> bool:
    """Return True if the login of a registry may be sent to the host `realm`.

    Allowed are the registry's host and hosts below it. If it has at least three labels, its parent domain and all hosts
    below that are allowed too, as registry.example.com and auth.example.com; not if the parent looks like a suffix
    below which names are registered, as co.uk does. An address has no domain.
    """
    registry, realm = registry.lower().rstrip("."), realm.lower().rstrip(".")
    if registry == realm:
        return True
    if not registry or _is_address(registry) or _is_address(realm):
        return False
    parent = registry.partition(".")[2]
    is_shared = "." in parent and not _SHORT_SUFFIX.fullmatch(parent)
    return realm.endswith(f".{registry}") or (is_shared and (realm == parent or realm.endswith(f".{parent}")))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _read_login(environment: Mapping[str, str], host: str, name: str) -> _Login:
    """Return the login for an artifact, from two variables or from a Docker configuration."""
    text = environment.get(".dockerconfigjson") or environment.get("DOCKER_CONFIG_JSON") or ""
    user = environment.get("OCI_USERNAME", "").strip()
    try:
        logins = _parse_docker_config(text) if text.strip() else {}
        named = frozenset(_normalize_key(key).partition("/")[0].partition(":")[0] for key in logins)
        if user:
            return _Login(encode_basic_login(user, environment.get("OCI_PASSWORD", "").strip()), named_hosts=named)
        return _parse_login(_find_login(logins, host, name), named)
    except (ValueError, RecursionError):
        message = "The registry login (.dockerconfigjson) cannot be read. Recreate the Secret."
        raise LoaderError(Reason.INVALID_CREDENTIALS, message) from None


def _parse_docker_config(text: str) -> dict[str, Any]:
    return as_object(as_object(json.loads(text)).get("auths"))


def _find_login(logins: Mapping[str, Any], host: str, name: str) -> Mapping[str, Any]:
    """Return the login with the most specific key: HOST/NAMESPACE before HOST."""
    hosts = _DOCKER_HUB if host in _DOCKER_HUB else {host}
    targets = [f"{one}/{name}/".lower() for one in hosts]
    names = {key: _normalize_key(key) for key in logins}
    matching = [key for key in logins if any(one.startswith(f"{names[key]}/") for one in targets)]
    if not matching:
        return {}
    return as_object(logins[max(matching, key=lambda key: len(names[key]))])


def _normalize_key(key: str) -> str:
    """Return HOST or HOST/NAMESPACE of a key, which may be a URL of the API: https://index.docker.io/v1/."""
    return re.sub(r"/v[12]$", "", re.sub("^https?://", "", key.strip().lower()).rstrip("/"))


def _parse_login(login: Mapping[str, Any], named_hosts: frozenset[str]) -> _Login:
    identity_token = text_field(login, "identitytoken") if login.get("identitytoken") else ""
    basic = ""
    if login.get("auth"):
        basic = text_field(login, "auth")
        b64decode(basic, validate=True)
    elif login.get("username"):
        password = text_field(login, "password") if login.get("password") else ""
        basic = encode_basic_login(text_field(login, "username"), password)
    return _Login(basic, identity_token, named_hosts)
