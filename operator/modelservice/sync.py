"""`ModelService`: deploys a model, waits for it, calls it."""

import builtins
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Self, TypeVar

from modelservice import operations
from modelservice.cluster import Cluster, default_cluster
from modelservice.declaration import Declaration
from modelservice.errors import UnreachableError
from modelservice.html import table
from modelservice.operations import Body, Wait
from modelservice.resource import HEADING, Resource, row_of
from modelservice.status import Status
from modelservice_cli.cluster.calls import Answer

Params = Mapping[str, object] | Sequence[tuple[str, object]]
Service = TypeVar("Service", bound=Resource)


class Services(builtins.list[Service], Generic[Service]):
    """A list of ModelServices, shown as a table in notebooks."""

    def _repr_html_(self) -> str:
        return table(f"{len(self)} ModelServices", HEADING, [row_of(one) for one in self])


def _poll(wait: Wait, is_over: Callable[[], bool]) -> None:
    while True:
        try:
            if is_over():
                return
        except UnreachableError as error:
            wait.check_outage(error)
        time.sleep(operations.POLL_SECONDS)


class ModelService(Declaration):
    """A model endpoint. Every method raises a ModelServiceError with one sentence."""

    def apply(self, *, force: bool = False, dry_run: bool = False) -> Self:
        """Create the ModelService, or change it to this spec. Fields that were applied and now are None are reset.

        Raises ConflictError if another client has set a field, unless `force` takes it over, and InvalidError if the
        API server rejects the spec. `dry_run` only checks.
        """
        body = self.cluster.call(lambda it: operations.apply(it, self.manifest(), force=force, dry_run=dry_run))
        if not dry_run:
            self._keep(body)
        return self

    def wait(self, condition: str = "Ready", *, timeout: float = 300) -> Self:
        """Wait until a condition is True for the applied spec; `timeout` is in seconds.

        Raises NotReadyError as soon as no waiting helps, with the cause, and WaitTimeoutError.
        """
        wait = Wait(self.name, condition, timeout)
        _poll(wait, lambda: wait.is_over(self._read()))
        return self

    def predict(
        self,
        data: object = None,
        *,
        path: str = "/",
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
        url: str | bool = False,
        timeout: float = 60,
    ) -> Any:
        """Send a request to the model and return its answer: decoded JSON, text, or bytes.

        The request is a POST of `data` as JSON, without data a GET. It goes to a ready pod, with the user's right to
        forward a port; with `url=True` to the URL of the ModelService, or to the URL that is given.

        Raises PredictionError for a status of 400 or above, and NotReadyError if no pod is ready.
        """
        answer = self.request(
            data, path=path, params=params, headers=headers, method=method, url=url, timeout=timeout
        )  # fmt: skip
        return operations.result_of(answer, self.name)

    def request(
        self,
        data: object = None,
        *,
        path: str = "/",
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
        url: str | bool = False,
        timeout: float = 60,
    ) -> Answer:
        """Send a request as `predict` does, and return the whole answer, whatever its status: headers, body, time."""
        request = operations.build_request(data, path=path, params=params, headers=headers, method=method)
        return self.cluster.call(
            lambda it: operations.send(it, self.name, self._namespace, request, url=url, timeout=timeout)
        )

    def status(self) -> Status:
        """Read the status. Raises NotFoundError."""
        return Status.of(self._read())

    def delete(self, *, wait: bool = True, missing_ok: bool = False, timeout: float = 120) -> None:
        """Delete the ModelService, and wait until it is gone; its children follow.

        Raises NotFoundError if there is none, unless `missing_ok`.
        """
        self.cluster.call(lambda it: operations.delete(it, self.name, self._namespace, missing_ok=missing_ok))
        if wait:
            deletion = Wait(self.name, "", timeout, has_answered=True)
            _poll(deletion, lambda: deletion.is_gone(exists=self._exists()))
        self._body = {}

    @classmethod
    def get(cls, name: str, *, namespace: str | None = None, cluster: Cluster | None = None) -> Self:
        """Read a ModelService. Raises NotFoundError, with similar names."""
        chosen = cluster or default_cluster()
        return cls._of(chosen.call(lambda it: operations.read(it, name, namespace)), chosen)

    @classmethod
    def list(
        cls, *, namespace: str | None = None, selector: str | None = None, cluster: Cluster | None = None
    ) -> Services[Self]:
        """Read the ModelServices of a namespace, of all with `namespace=""`; `selector` selects by labels."""
        chosen = cluster or default_cluster()
        found = chosen.call(lambda it: operations.find_all(it, namespace, selector))
        return Services(cls._of(body, chosen) for body in found)

    def _exists(self) -> bool:
        return self.cluster.call(lambda it: operations.exists(it, self.name, self._namespace))

    def _read(self) -> Body:
        return self._keep(self.cluster.call(lambda it: operations.read(it, self.name, self._namespace)))
