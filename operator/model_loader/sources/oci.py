"""OCI artifacts (OCI distribution specification 1.1). Each layer is a file with a digest."""

import hashlib
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from model_loader.errors import LoaderError, Reason
from model_loader.http_client import HttpClient, http_status_error
from model_loader.manifest import Chunk, Entry, Listing
from model_loader.request import Request, bad_uri_error
from model_loader.sources.https import HttpFileReader

_OK, _UNAUTHORIZED = 200, 401
_MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
_TITLE_ANNOTATION = "org.opencontainers.image.title"
"""Annotation with the file name of a layer (OCI image specification, annotations)."""
_REFERENCE = re.compile(
    r"oci\+artifact://(?P<host>[A-Za-z0-9.-]+(?::[0-9]+)?)/(?P<name>[a-z0-9._/-]+?)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_DIGEST = re.compile("sha256:[0-9a-f]{64}")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class OciArtifactSource:
    """An artifact in a registry."""

    supports_parallel_reads = False

    def __init__(self, request: Request) -> None:
        found = _REFERENCE.fullmatch(request.uri)
        if found is None:
            raise bad_uri_error(
                request.uri, "write it as oci+artifact://REGISTRY/NAME:TAG or oci+artifact://REGISTRY/NAME@DIGEST"
            )
        self._host, self._name = found["host"], found["name"]
        if request.revision and (found["tag"] or found["digest"]):
            raise bad_uri_error(request.uri, "it already contains a tag or digest: remove model.revision")
        self._reference = found["digest"] or found["tag"] or request.revision or "latest"
        self._http = HttpClient(request)
        self._login = _read_login(request.environment, self._host)
        self._headers: dict[str, str] = {}
        self._scheme = "http" if request.environment.get("OCI_PLAIN_HTTP") == "true" else "https"

    @property
    def _url(self) -> str:
        return f"{self._scheme}://{self._host}/v2/{self._name}"

    def list_files(self) -> Listing:
        """List the layers as files."""
        subject = f"oci+artifact://{self._host}/{self._name} ({self._reference})"
        body = self._get_manifest(subject)
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if self._reference.startswith("sha256:") and self._reference != digest:
            message = f"The registry returned the manifest {digest} instead of {self._reference}."
            raise LoaderError(Reason.DIGEST_MISMATCH, message)
        try:
            layers = json.loads(body)["layers"]
            entries = tuple(_parse_layer(layer, subject) for layer in layers)
        except (ValueError, KeyError, TypeError, RecursionError):
            message = f"{subject} is not an artifact with layers. Use oci:// for an image."
            raise LoaderError(Reason.MODEL_NOT_FOUND, message) from None
        resolved = f"oci+artifact://{self._host}/{self._name}@{digest}"
        return Listing(entries=entries, resolved_uri=resolved, commit=digest)

    def _get_manifest(self, subject: str) -> bytes:
        """Return the manifest, after a login if the registry requires one."""
        url = f"{self._url}/manifests/{self._reference}"
        for attempt in (1, 2):
            with self._http.get(url, {"Accept": _MANIFESTS, **self._headers}) as response:
                if response.status_code == _OK:
                    return response.read()
            if response.status_code != _UNAUTHORIZED or attempt == 2:  # noqa: PLR2004
                break
            self._headers = self._authorize(response.headers.get("www-authenticate", ""), subject)
        raise http_status_error(response.status_code, subject)

    def _authorize(self, challenge: str, subject: str) -> dict[str, str]:
        """Return the header for a challenge: the login, or a token that the registry issues for it."""
        scheme, _, parameters = challenge.partition(" ")
        if scheme.lower() == "basic" and self._login:
            return {"Authorization": f"Basic {self._login}"}
        values = dict(_CHALLENGE.findall(parameters))
        if scheme.lower() != "bearer" or "realm" not in values:
            raise http_status_error(_UNAUTHORIZED, subject)
        query = urlencode({name: values[name] for name in ("service", "scope") if name in values})
        headers = {"Authorization": f"Basic {self._login}"} if self._login else {}
        with self._http.get(f"{values['realm']}?{query}", headers) as response:
            if response.status_code != _OK:
                raise http_status_error(response.status_code, subject)
            body = response.read()
        try:
            answer = json.loads(body)
            return {"Authorization": f"Bearer {answer.get('token') or answer['access_token']}"}
        except (ValueError, KeyError, AttributeError, RecursionError):
            raise http_status_error(_UNAUTHORIZED, subject) from None

    def read(self, entry: Entry, start: int, stop: int | None) -> Iterator[Chunk]:
        """Yield the bytes of a layer. Its digest is verified at the end."""
        fixed = Entry(path=entry.path, key=entry.key, size=entry.size)
        return HttpFileReader(self._http, self._headers).read(f"{self._url}/blobs/{entry.key}", fixed, start, stop)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _parse_layer(layer: Mapping[str, Any], subject: str) -> Entry:
    digest, size = str(layer["digest"]), int(layer["size"])
    title = (layer.get("annotations") or {}).get(_TITLE_ANNOTATION)
    if not _DIGEST.fullmatch(digest) or size < 0:
        raise LoaderError(
            Reason.UNSUPPORTED_KEY, f"{subject} has a layer without a SHA-256 digest. Push the artifact again."
        )
    if not title:
        message = (
            f"{subject} has a layer without a file name ({_TITLE_ANNOTATION}). Push it with oras, or use oci:// for an"
            " image."
        )
        raise LoaderError(Reason.UNSUPPORTED_KEY, message)
    return Entry(path=str(title), key=digest, size=size, version=digest, sha256=digest.removeprefix("sha256:"))


def _read_login(environment: Mapping[str, str], host: str) -> str:
    """Return Base64 of user:password for a registry, from a Docker configuration or from two variables."""
    text = environment.get(".dockerconfigjson") or environment.get("DOCKER_CONFIG_JSON") or ""
    user = environment.get("OCI_USERNAME", "").strip()
    if user:
        return b64encode(f"{user}:{environment.get('OCI_PASSWORD', '').strip()}".encode()).decode()
    if not text.strip():
        return ""
    try:
        logins = json.loads(text)["auths"]
        login = logins.get(host) or logins.get(f"https://{host}") or {}
        if login.get("auth"):
            b64decode(login["auth"], validate=True)
            return str(login["auth"])
        if login.get("username"):
            return b64encode(f"{login['username']}:{login.get('password', '')}".encode()).decode()
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        message = "The registry login (.dockerconfigjson) cannot be read. Recreate the Secret."
        raise LoaderError(Reason.INVALID_CREDENTIALS, message) from None
    return ""
