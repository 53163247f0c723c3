"""Changes of objects without end: a watch that is restarted whenever it ends."""

import time
from collections.abc import Iterator

from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.cluster.failures import ApiError
from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.kinds import ResourceKind
from modelservice_operator.apimachinery.objects import NamespacedName, Object, key_of

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"
_GONE = 410
_PAUSE_SECONDS = 1.0


def follow(
    cluster: Cluster,
    kind: ResourceKind,
    *,
    namespace: str | None = None,
    selector: str | None = None,
    fields: str | None = None,
) -> Iterator[tuple[str, Object]]:
    """Yield each object as ADDED, then each change. A connection that ends is opened again; nothing is yielded twice.

    Raises CliError if the first list fails; later the API server may be away for a while.
    """
    versions: dict[NamespacedName, str] = {}
    is_first = True
    while True:
        try:
            found, version = cluster.snapshot(kind, namespace=namespace, selector=selector, fields=fields)
            yield from _differences(found, versions)
            is_first = False
            for event, body in _watch(
                cluster, kind, namespace=namespace, selector=selector, fields=fields, version=version
            ):
                if event == DELETED:
                    versions.pop(key_of(body), None)
                else:
                    versions[key_of(body)] = body["metadata"]["resourceVersion"]
                yield event, body
        except CliError as error:
            is_lost = error.code is ExitCode.UNREACHABLE and not isinstance(error, ApiError)
            if is_first or not is_lost:
                raise
            time.sleep(_PAUSE_SECONDS)


def _watch(
    cluster: Cluster,
    kind: ResourceKind,
    *,
    namespace: str | None,
    selector: str | None,
    fields: str | None,
    version: str,
) -> Iterator[tuple[str, Object]]:
    """Yield changes until the history of `version` is gone. The API server ends a watch after 5 to 10 minutes."""
    while True:
        try:
            for event, body in cluster.watch(
                kind, version=version, namespace=namespace, selector=selector, fields=fields
            ):
                version = body["metadata"]["resourceVersion"]
                yield event, body
        except ApiError as error:
            if error.http_code == _GONE:
                return
            raise


def _differences(found: list[Object], versions: dict[NamespacedName, str]) -> Iterator[tuple[str, Object]]:
    """Yield what differs from the known versions, and remember the new ones."""
    current = {key_of(body): body for body in found}
    for key in versions.keys() - current.keys():
        del versions[key]
        yield DELETED, {"metadata": {"namespace": key.namespace, "name": key.name}}
    for key, body in current.items():
        version = body["metadata"]["resourceVersion"]
        if versions.get(key) != version:
            event = MODIFIED if key in versions else ADDED
            versions[key] = version
            yield event, body
