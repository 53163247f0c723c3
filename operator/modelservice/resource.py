"""A ModelService as an object of Python: its name, its spec, and what the API server returned last. Sends nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from modelservice import types
from modelservice.cluster import Cluster, default_cluster
from modelservice.errors import ModelServiceError, converted
from modelservice.html import table
from modelservice.operations import Body
from modelservice.status import Status
from modelservice_cli.documents import read
from modelservice_cli.errors import CliError
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE


class Resource:
    """A ModelService: change `spec`, `labels` and `annotations`, then apply it."""

    name: str
    spec: types.ModelServiceSpec
    """Desired state. Fields that are None are left out, and have their defaults."""
    labels: dict[str, str]
    annotations: dict[str, str]

    def __init__(
        self,
        name: str,
        spec: types.ModelServiceSpec,
        *,
        namespace: str | None,
        labels: Mapping[str, str] | None,
        annotations: Mapping[str, str] | None,
        cluster: Cluster | None,
    ) -> None:
        self.name = name
        self.spec = spec
        self.labels = dict(labels or {})
        self.annotations = dict(annotations or {})
        self._namespace = namespace
        self._cluster = cluster
        self._body: Body = {}

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any], *, cluster: Cluster | None = None) -> Self:
        """Return the object for a manifest, with the API's names. Raises ModelServiceError for another kind."""
        metadata = manifest.get("metadata") or {}
        expected = (MODEL_SERVICE.api_version, MODEL_SERVICE.kind)
        if (manifest.get("apiVersion"), manifest.get("kind")) != expected or not metadata.get("name"):
            raise ModelServiceError(f"The manifest is not a {expected[1]} of {expected[0]} with a name.")
        created = cls.__new__(cls)
        Resource.__init__(
            created,
            str(metadata["name"]),
            types.ModelServiceSpec.from_dict(manifest.get("spec") or {}),
            namespace=metadata.get("namespace"),
            labels=metadata.get("labels"),
            annotations=metadata.get("annotations"),
            cluster=cluster,
        )
        return created

    @classmethod
    def from_file(cls, path: str | Path, *, cluster: Cluster | None = None) -> Self:
        """Return the object for a file of YAML or JSON with one ModelService. Raises ModelServiceError."""
        try:
            found = [document.value for document in read([str(path)])]
        except CliError as error:
            raise converted(error) from error
        services = [body for body in found if isinstance(body, Mapping) and body.get("kind") == MODEL_SERVICE.kind]
        if len(services) != 1:
            raise ModelServiceError(f"{path} has {len(services)} ModelServices instead of one.")
        return cls.from_manifest(services[0], cluster=cluster)

    @classmethod
    def _of(cls, body: Body, cluster: Cluster) -> Self:
        """Return the object for a response of the API server."""
        created = cls.from_manifest(body, cluster=cluster)
        created.annotations = {
            key: value for key, value in created.annotations.items() if not key.startswith("kubectl.kubernetes.io/")
        }
        created._body = body  # noqa: SLF001
        return created

    @property
    def namespace(self) -> str:
        """Namespace; without an own one, that of the cluster."""
        return self._namespace or self.cluster.namespace

    @property
    def cluster(self) -> Cluster:
        """Cluster to which requests are sent."""
        return self._cluster or default_cluster()

    def _keep(self, body: Body) -> Body:
        """Remember what the API server returned."""
        self._body = body
        self._namespace = body["metadata"]["namespace"]
        return body

    def manifest(self) -> dict[str, Any]:
        """Return the manifest, as `apply` sends it."""
        metadata: dict[str, Any] = {"name": self.name}
        if self._namespace:
            metadata["namespace"] = self._namespace
        if self.labels:
            metadata["labels"] = dict(self.labels)
        if self.annotations:
            metadata["annotations"] = dict(self.annotations)
        return {
            "apiVersion": MODEL_SERVICE.api_version,
            "kind": MODEL_SERVICE.kind,
            "metadata": metadata,
            "spec": self.spec.to_dict(),
        }

    def __repr__(self) -> str:
        place = f"{self._namespace}/{self.name}" if self._namespace else self.name
        return f"<{type(self).__name__} {place}: {self._state()}>"

    def _state(self) -> str:
        return str(Status.of(self._body)) if self._body else "not read from the cluster"

    def _repr_html_(self) -> str:
        """Return a table for notebooks, of what was read last: displaying an object sends no request."""
        return table(f"ModelService {self.name}", HEADING, [row_of(self)])


HEADING = ("namespace", "name", "ready", "reason", "replicas", "url", "message")


def row_of(service: Resource) -> tuple[object, ...]:
    """Return the row of a ModelService in a table."""
    body = service._body  # noqa: SLF001 - of this module
    if not body:
        return (service._namespace, service.name, "", "", "", "", service._state())  # noqa: SLF001
    status = Status.of(body)
    replicas = f"{status.ready_replicas or 0}/{status.desired_replicas or 0}"
    ready = "yes" if status.is_ready else "no"
    return (service._namespace, service.name, ready, status.reason, replicas, status.url, status.message)  # noqa: SLF001
