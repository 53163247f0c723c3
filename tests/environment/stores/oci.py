"""A registry by Debian's docker-registry: TLS, and a password without which nothing can be read."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from tests.environment.cluster.registry import PASSWORD, USER, command, configure
from tests.environment.stores.serving import Place, Store

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_TITLE = "org.opencontainers.image.title"
_UNPACK = "io.deis.oras.content.unpack"
_EMPTY = b"{}"


@dataclass(frozen=True)
class Registry:
    """A running registry."""

    store: Store
    host: str
    trusted: str

    def push(
        self, name: str, tag: str, files: Mapping[str, bytes], *, titled: bool = True, packed: Container[str] = ()
    ) -> str:
        """Push files as an artifact, a layer each, as oras does; return the manifest's digest.

        `packed` are the names of directories, whose content is an archive.
        """
        with httpx.Client(
            base_url=f"https://{self.host}",
            auth=(USER, PASSWORD),
            verify=False,  # noqa: S501 - only the loader has to check certificates
            trust_env=False,
            timeout=30,
        ) as client:
            layers = [_layer(client, name, title if titled else None, content) for title, content in files.items()]
            for layer, title in zip(layers, files, strict=True):
                if title in packed:
                    layer["annotations"] = {_TITLE: title, _UNPACK: "true"}
            manifest = json.dumps(
                {
                    "schemaVersion": 2,
                    "mediaType": _MANIFEST,
                    "artifactType": "application/vnd.example.model",
                    "config": _layer(client, name, None, _EMPTY),
                    "layers": layers,
                }
            ).encode()
            place = f"/v2/{name}/manifests/{tag}"
            client.put(place, content=manifest, headers={"Content-Type": _MANIFEST}).raise_for_status()
        return f"sha256:{hashlib.sha256(manifest).hexdigest()}"

    def login(self, password: str = PASSWORD) -> dict[str, str]:
        """Return the data that a Secret of type kubernetes.io/dockerconfigjson gives to a loader."""
        auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
        return {".dockerconfigjson": json.dumps({"auths": {self.host: {"auth": auth}}})}


def start(place: Place) -> Registry:
    """Start it."""
    folder, port = place.folder / "oci", place.port()
    certificate = configure(folder, address=f"{place.host}:{port}", names=(place.host, "localhost"))
    trusted = folder / "trusted.crt"
    trusted.write_bytes(certificate)
    place.start("oci", command(folder), ready=lambda: place.listens(port))
    host = f"localhost:{port}"
    return Registry(Store(f"https://{host}", {"SSL_CERT_FILE": str(trusted)}), host, str(trusted))


def _layer(client: httpx.Client, name: str, title: str | None, content: bytes) -> dict[str, object]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    begun = client.post(f"/v2/{name}/blobs/uploads/")
    begun.raise_for_status()
    where = httpx.URL(begun.headers["location"])
    client.put(where.copy_merge_params({"digest": digest}), content=content).raise_for_status()
    layer: dict[str, object] = {"mediaType": "application/octet-stream", "digest": digest, "size": len(content)}
    return layer | ({"annotations": {_TITLE: title}} if title is not None else {})
