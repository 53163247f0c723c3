"""Finds ModelServices, and suggests the nearest name for one that does not exist."""

from collections.abc import Sequence
from difflib import get_close_matches

from modelservice_cli.cluster.connection import METADATA_LIST, Cluster
from modelservice_cli.cluster.failures import ApiError
from modelservice_cli.errors import CliError, ExitCode
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import Object

_MAX_SUGGESTIONS = 3


def get_model_service(cluster: Cluster, name: str) -> Object:
    """Return a ModelService in the namespace of the command. Raises CliError with the nearest names."""
    try:
        return cluster.get(MODEL_SERVICE, name)
    except ApiError as error:
        if not error.is_object_missing:
            raise
        raise CliError(_not_found(cluster, name), ExitCode.NOT_FOUND) from error


def model_service_names(cluster: Cluster, *, namespace: str | None = None) -> list[tuple[str, str]]:
    """Return namespace and name of each ModelService; only metadata is read."""
    found, _ = cluster.snapshot(MODEL_SERVICE, namespace=namespace, accept=METADATA_LIST)
    return [(str(one["metadata"].get("namespace", "")), str(one["metadata"]["name"])) for one in found]


def _not_found(cluster: Cluster, name: str) -> str:
    return nearest_sentence(name, cluster.namespace, _readable_names(cluster))


def _readable_names(cluster: Cluster) -> list[tuple[str, str]]:
    """Return the names in all namespaces, else in that of the command, as far as the user may list them."""
    for namespace in ("", cluster.namespace):
        try:
            return model_service_names(cluster, namespace=namespace)
        except ApiError:
            continue
    return []


def nearest_sentence(name: str, namespace: str, known: Sequence[tuple[str, str]]) -> str:
    """Return the sentence about a name that is not in `namespace`; `known` has namespaces and names."""
    text = f"There is no ModelService {name} in namespace {namespace}"
    elsewhere = sorted(place for place, other in known if other == name)
    if elsewhere:
        return f"{text}, but in {', '.join(elsewhere[:_MAX_SUGGESTIONS])}: choose the namespace with -n {elsewhere[0]}."
    names = sorted(other for place, other in known if place == namespace)
    close = get_close_matches(name, names, n=_MAX_SUGGESTIONS)
    close += [other for other in names if other.startswith(name) and other not in close]
    if close:
        return f"{text}: did you mean {' or '.join(close[:_MAX_SUGGESTIONS])}?"
    if names:
        return f"{text}: `list -n {namespace}` shows the {len(names)} that it has."
    return f"{text}, which has none: `list -A` shows those of all namespaces."
