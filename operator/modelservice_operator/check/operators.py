"""The Deployments that run an operator: what they serve, and with which image, account and Lease. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from modelservice_operator.apimachinery.objects import Json, NamespacedName, Object, key_of
from modelservice_operator.settings import FIELD_MANAGER

SELECTOR = f"app.kubernetes.io/name={FIELD_MANAGER}"
"""Labels of the Deployments of every install: those of manifests/ and of the chart."""
CONTAINER_NAME = "operator"
_VARIABLE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
"""A reference in `args` (core/v1, Container.args); $$ is a single $."""


class ArgumentsError(ValueError):
    """The operator would not start with these arguments; the text is the sentence of the command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorArguments:
    """The options of `run` that say what an operator serves."""

    namespaces: tuple[str, ...] = ()
    """Empty means all of them."""
    lease: NamespacedName | None = None
    loader_image: str = ""
    has_secure_metrics: bool = False
    """Clients of /metrics are reviewed (--secure-metrics-port)."""


ParseArguments = Callable[[Sequence[str]], OperatorArguments]
"""Parses the arguments of the container. Raises ArgumentsError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """One Deployment of the operator."""

    key: NamespacedName
    image: str
    replicas: int
    ready_replicas: int
    account: NamespacedName
    selector: str
    arguments: OperatorArguments
    arguments_error: str = ""
    """Why the operator does not start with its arguments; empty if it does."""
    is_observed: bool = True
    """The status is that of the newest generation."""

    @property
    def user(self) -> str:
        """User name of the service account."""
        return f"system:serviceaccount:{self.account.namespace}:{self.account.name}"

    @property
    def image_version(self) -> str:
        """Tag of the image, if it is a version; else empty."""
        tag = self.image.partition("@")[0].rpartition("/")[2].partition(":")[2]
        return tag.removeprefix("v") if re.fullmatch(r"v?\d+(\.\d+)+\S*", tag) else ""

    def __str__(self) -> str:
        return f"Deployment {self.key}"


def install_of(deployment: Object, parse: ParseArguments) -> Install | None:
    """Return the install that a Deployment is; None if it has no container of the operator."""
    key, spec = key_of(deployment), deployment["spec"]
    pod = spec["template"]["spec"]
    container = next((one for one in pod["containers"] if one["name"] == CONTAINER_NAME), None)
    if container is None:
        return None
    arguments, error = _parse(container, key.namespace, parse)
    status = deployment.get("status") or {}
    return Install(
        key=key,
        image=container.get("image", ""),
        replicas=spec.get("replicas", 1),
        ready_replicas=status.get("readyReplicas", 0),
        account=NamespacedName(key.namespace, pod.get("serviceAccountName", "default")),
        selector=",".join(f"{name}={value}" for name, value in spec["selector"].get("matchLabels", {}).items()),
        arguments=arguments,
        arguments_error=error,
        is_observed=status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0),
    )


def _parse(container: Json, namespace: str, parse: ParseArguments) -> tuple[OperatorArguments, str]:
    variables = dict(_variables(container, namespace))
    words = [_expand(word, variables) for word in container.get("args") or ("run",)]
    try:
        arguments = parse(words)
    except ArgumentsError as error:
        return OperatorArguments(), str(error)
    has_option = any(word.partition("=")[0] == "--loader-image" for word in words)
    image = arguments.loader_image if has_option else variables.get("LOADER_IMAGE", arguments.loader_image)
    return replace(arguments, loader_image=image), ""


def _variables(container: Json, namespace: str) -> Iterator[tuple[str, str]]:
    """Yield the environment of the container, as far as it is known without its pod."""
    for entry in container.get("env") or ():
        path = ((entry.get("valueFrom") or {}).get("fieldRef") or {}).get("fieldPath")
        if path == "metadata.namespace":
            yield entry["name"], namespace
        elif "valueFrom" not in entry:
            yield entry["name"], entry.get("value", "")


def _expand(word: str, variables: Mapping[str, str]) -> str:
    """Replace references to variables; those of unknown ones stay, as in Kubernetes."""

    def value_of(found: re.Match[str]) -> str:
        return "$" if found[1] is None else variables.get(found[1], found[0])

    return _VARIABLE.sub(value_of, word)


def overlap(one: Sequence[str], other: Sequence[str]) -> bool:
    """Return True if two installs serve a namespace in common; an empty list means all namespaces."""
    return not one or not other or not set(one).isdisjoint(other)
