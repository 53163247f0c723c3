"""Single objects of a cluster over one kept connection: waiting by kubectl costs a process and a handshake each time.

Resources have the names that kubectl knows them by: plural, singular, short name, or plural.group.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any

import httpx

from tests.environment.cluster.errors import ClusterError
from tests.environment.kubeconfig import KubeconfigError, load_kubeconfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Aggregated discovery (KEP-3352): all resources of a server in two requests.
_DISCOVERY = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
_TIMEOUT = 30.0


@dataclass(frozen=True)
class Resource:
    """Location of a resource, in the version that the server prefers."""

    prefix: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str) -> str:
        """Return the path of an object, or of the collection when `name` is empty."""
        place = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.prefix}{place}/{self.plural}" + (f"/{name}" if name else "")


class ApiReader:
    """Reads objects with the credentials of a kubeconfig. Several threads may use it."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._lock = Lock()
        self._client: httpx.Client | None = None
        self._resources: Mapping[str, Resource] = {}

    def get(self, resource: str, namespace: str, name: str = "") -> dict[str, Any] | None:
        """Return an object (without managedFields, as kubectl shows it) or a list, None if there is none.

        Raise ClusterError if the server does not know the resource or refuses the request.
        """
        client = self._open()
        path = self._find(client, resource).path(namespace, name)
        try:
            answer = client.get(path)
        except httpx.TransportError as error:
            raise ClusterError(f"GET {path} failed: {error!r}") from error
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        if answer.is_error:
            raise ClusterError(f"GET {path} failed: {answer.text}")
        found: dict[str, Any] = answer.json()
        for body in (found, *found.get("items", ())):
            body["metadata"].pop("managedFields", None)
        return found

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None

    def _open(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                try:
                    config = load_kubeconfig(self._kubeconfig)
                except KubeconfigError as error:
                    raise ClusterError(str(error)) from error
                self._client = httpx.Client(
                    base_url=config.server,
                    verify=config.tls,
                    headers=config.headers,
                    trust_env=False,
                    timeout=_TIMEOUT,
                )
            return self._client

    def _find(self, client: httpx.Client, resource: str) -> Resource:
        """Return a resource; an unknown one may be of a CRD that is new."""
        if resource not in self._resources:
            groups = [client.get(path, headers=_DISCOVERY).raise_for_status().json() for path in ("/api", "/apis")]
            self._resources = resources_by_name(groups)
        if resource not in self._resources:
            raise ClusterError(f"The server serves no resource {resource}.")
        return self._resources[resource]


def resources_by_name(groups: list[dict[str, Any]]) -> dict[str, Resource]:
    """Return every name of every resource. If two groups have a name, the first one wins."""
    return dict(_named(groups))


def _named(groups: list[dict[str, Any]]) -> Iterator[tuple[str, Resource]]:
    """Yield names in reverse order, so that the preferred one comes last."""
    items = [item for listed in groups for item in listed["items"]]
    for item in reversed(items):
        group = item["metadata"].get("name", "")
        for version in reversed(item["versions"]):
            prefix = f"/apis/{group}/{version['version']}" if group else f"/api/{version['version']}"
            for entry in version.get("resources", ()):
                found = Resource(prefix, entry["resource"], entry["scope"] == "Namespaced")
                names = (entry["resource"], entry.get("singularResource") or "", *entry.get("shortNames", ()))
                yield from ((name, found) for name in names if name)
                yield f"{entry['resource']}.{group}", found
