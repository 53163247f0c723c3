"""A namespace of a real cluster: apply, get and wait; a wait that times out dumps all state."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from tests.environment.cluster import Cluster, ClusterError
from tests.environment.cluster.wait import wait_until
from tests.support.builders import ModelServiceBuilder

PLURAL = "modelservices.modelservice.dev"
TIMEOUT = 60.0
"""Seconds after which a test fails that waits for a state: no claim on time, and much on any machine."""


@dataclass(frozen=True)
class NamespaceFixture:
    """One namespace and the operator that serves it; `operator_log` returns the operator's log."""

    cluster: Cluster
    namespace: str
    operator_log: Callable[[], str]

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.cluster.run_kubectl("--namespace", self.namespace, *arguments, stdin=stdin)

    def apply(self, service: ModelServiceBuilder) -> str:
        """Apply an object with kubectl; return what kubectl prints."""
        return self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(self._with_namespace(service).manifest()))

    def rejection_message(self, service: ModelServiceBuilder) -> str:
        """Return the message with which the API server rejects an object. Raises AssertionError if it is accepted."""
        try:
            answer = self.apply(service)
        except ClusterError as error:
            return str(error)
        raise AssertionError(f"The API server accepted an object that it should have rejected: {answer}")

    def get(self, kind: str, name: str) -> Any:
        """Return an object, or None when there is none."""
        try:
            return self.cluster.read(kind, name, namespace=self.namespace)
        except ClusterError:
            text = self.kubectl("get", kind, name, "-o", "json", "--ignore-not-found")
            return json.loads(text) if text else None

    def get_model_service(self, name: str = "iris") -> Any:
        return self.get(PLURAL, name)

    def condition(self, name: str, kind: str = "Ready") -> dict[str, Any]:
        """Return a condition of a ModelService, {} while there is none."""
        return _condition_of(self.get_model_service(name), kind)

    def is_ready(self, name: str = "iris") -> bool:
        """Return True if the newest generation is ready."""
        found = self.get_model_service(name)
        ready = _condition_of(found, "Ready")
        return ready.get("status") == "True" and ready.get("observedGeneration") == found["metadata"]["generation"]

    def wait(
        self, condition: Callable[[], object], description: str, *, within: float = TIMEOUT, name: str = "iris"
    ) -> None:
        """Wait until `condition` holds; a timeout raises AssertionError with objects, Events and the log."""
        try:
            wait_until(condition, seconds=within, what=description, pause=0.05)
        except ClusterError as error:
            raise AssertionError(f"{error}\n{self.dump(name)}") from error

    def wait_ready(self, name: str = "iris", *, within: float = TIMEOUT) -> None:
        self.wait(lambda: self.is_ready(name), f"ready ModelService {name}", within=within, name=name)

    def wait_deleted(self, kind: str, name: str, *, within: float = TIMEOUT) -> None:
        """Wait until an object does not exist."""
        self.wait(lambda: self.get(kind, name) is None, f"deletion of {kind} {name}", within=within, name=name)

    def wait_field(self, kind: str, name: str, field: str, value: object) -> None:
        """Wait until a field of an object's spec has a value."""
        self.wait(lambda: self.get(kind, name)["spec"].get(field) == value, f"{kind} with {field} {value}", name=name)

    def dump(self, name: str) -> str:
        """Return everything that helps to explain a failure: object, children, pods, Events and log."""
        return "\n".join(
            (
                f"--- modelservice {name}",
                self.kubectl("get", PLURAL, name, "-o", "yaml", "--ignore-not-found"),
                "--- children and pods",
                self.kubectl("get", "deployments,replicasets,pods,services,hpa", "-o", "wide"),
                "--- events",
                self.kubectl("get", "events", "--sort-by=.lastTimestamp"),
                "--- operator",
                self.operator_log()[-6000:],
            )
        )

    def _with_namespace(self, service: ModelServiceBuilder) -> ModelServiceBuilder:
        return service.named(service.name, namespace=self.namespace)


def _condition_of(service: Any, kind: str) -> dict[str, Any]:
    conditions = ((service or {}).get("status") or {}).get("conditions") or ()
    return next((entry for entry in conditions if entry["type"] == kind), {})
