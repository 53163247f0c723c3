"""The scenarios S1 to S11: the initial state, the action of a user, and the condition that ends it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bench.api_client import MERGE_PATCH, ApiClient

from modelservice_operator.apimachinery.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, MODEL_SERVICE, ResourceKind
from modelservice_operator.client.rest import APPLY
from tests.environment.faults.state import Place
from tests.support.builders import ModelServiceBuilder, model_service

CONVERGENCE_TIMEOUT = 90.0
"""Seconds: 60 to converge, and the longest back-off of what was tried again once or twice (30)."""
GARBAGE_COLLECTION_TIMEOUT = 120.0
"""Seconds for the garbage collector, which looks for new custom resources every 30 s."""
_BY_A_PERSON = "?fieldManager=tests&force=true"


@dataclass(frozen=True, slots=True)
class Stage:
    """The stage of a scenario: one name, and requests with an administrator's rights."""

    client: ApiClient
    place: Place

    async def apply(self, service: ModelServiceBuilder) -> None:
        """Apply as a user would, on the server."""
        body = service.named(self.place.name, namespace=self.place.namespace).manifest()
        await self._seen(await self.client.request("PATCH", self._path() + _BY_A_PERSON, body, content_type=APPLY))

    async def delete(self) -> None:
        """Delete the ModelService, and wait until it is gone; its children are not waited for."""
        await self.client.request("DELETE", self._path())
        await self.until(lambda: self.place.service is None, "the end of the ModelService")

    async def scale(self, replicas: int) -> None:
        """Scale the ModelService as `kubectl scale` does."""
        body = {"spec": {"replicas": replicas}}
        await self._seen(await self.client.request("PATCH", self._path() + "/scale", body, content_type=MERGE_PATCH))

    async def scale_deployment(self, replicas: int) -> None:
        """Scale the Deployment as an autoscaler does."""
        path = DEPLOYMENT.path(namespace=self.place.namespace, name=self.place.name, subresource="scale")
        await self.client.request("PATCH", path, {"spec": {"replicas": replicas}}, content_type=MERGE_PATCH)

    async def mark(self, kind: ResourceKind) -> None:
        """Put a label and an annotation on the ModelService or a child, as any client may: the operator ignores it."""
        path = kind.path(namespace=self.place.namespace, name=self.place.name)
        mark = {"example.com/theirs": "1"}
        body = {"metadata": {"labels": mark, "annotations": mark}}
        await self.client.request("PATCH", path, body, content_type=MERGE_PATCH)

    async def until(self, condition: Callable[[], bool], what: str, *, seconds: float = CONVERGENCE_TIMEOUT) -> None:
        """Wait for something of this place."""
        what = f"{what}: {self.place.name} in {self.place.namespace}"
        await self.place.history.until(condition, seconds=seconds, what=what)

    async def until_ready(self) -> None:
        """Wait until the newest generation is ready."""
        await self.until(lambda: self.place.is_ready, "readiness")

    async def _seen(self, answer: dict[str, Any]) -> None:
        """Wait until the history contains the last write, so that later questions include it."""
        number = int(answer["metadata"]["resourceVersion"])
        await self.until(lambda: any(version.number >= number for version in self.place.versions()), "own write")

    def _path(self) -> str:
        return MODEL_SERVICE.path(namespace=self.place.namespace, name=self.place.name)


Step = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`prepare` sets the stage, `act` is what a user does, `finish` returns when it is over without faults."""

    number: str
    title: str
    prepare: Step
    act: Step
    finish: Step

    def __str__(self) -> str:
        return f"{self.number} {self.title}"


_IMAGE = "registry.example.com/iris:2"
_URI = {"uri": "file:///app/model"}
_SERVICE = model_service().with_spec(model=_URI)
_SCALED = _SERVICE.with_spec(replicas=2).autoscaled(max_replicas=5)
# Accepted by the CRD, and refused by the Deployment: more than one number cannot be compared with.
_TWO_BOUNDS = {"key": "example.com/cores", "operator": "Gt", "values": ["1", "2"]}
_NO_NODES: dict[str, Any] = {
    "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [_TWO_BOUNDS]}]}
}


def _applied(service: ModelServiceBuilder) -> Step:
    return lambda stage: stage.apply(service)


def _standing(service: ModelServiceBuilder) -> Step:
    async def prepare(stage: Stage) -> None:
        await stage.apply(service)
        await stage.until_ready()

    return prepare


async def _nothing(_: Stage) -> None:
    pass


async def _ready(stage: Stage) -> None:
    await stage.until_ready()


async def _scaled_by_its_autoscaler(stage: Stage) -> None:
    await _standing(_SCALED)(stage)
    await stage.scale_deployment(4)
    await stage.until(lambda: _counts(stage.place) == (4, 4), "4 ready replicas")


async def _ready_without_autoscaler(stage: Stage) -> None:
    await stage.until(
        lambda: stage.place.is_ready and stage.place.child(HORIZONTAL_POD_AUTOSCALER) is None, "a fixed count"
    )


async def _gone(stage: Stage) -> None:
    await stage.until(lambda: stage.place.is_empty, "the end of the children", seconds=GARBAGE_COLLECTION_TIMEOUT)


async def _made_again(stage: Stage) -> None:
    await stage.delete()
    await stage.apply(_SCALED.with_spec(image=_IMAGE))


async def _invalid_then_fixed(stage: Stage) -> None:
    await stage.apply(_SERVICE.with_spec(affinity={"nodeAffinity": _NO_NODES}))
    await stage.until(lambda: stage.place.condition().get("reason") == "Rejected", "a complaint")
    await stage.apply(_SERVICE)


def _counts(place: Place) -> tuple[int, int]:
    status = (place.service or {}).get("status") or {}
    return status.get("readyReplicas", 0), status.get("desiredReplicas", 0)


S1 = Scenario("S1", "create", _nothing, _applied(_SCALED), _ready)
S2 = Scenario("S2", "image", _standing(_SERVICE), _applied(_SERVICE.with_spec(image=_IMAGE)), _ready)
S3 = Scenario("S3", "URI", _standing(_SERVICE), _applied(_SERVICE.with_spec(model={"uri": "file:///app/2"})), _ready)
S4 = Scenario("S4", "scale", _standing(_SERVICE), lambda stage: stage.scale(3), _ready)
S5 = Scenario("S5", "HPA on", _standing(_SERVICE.with_spec(replicas=2)), _applied(_SCALED), _ready)
S6 = Scenario(
    "S6", "HPA off", _scaled_by_its_autoscaler, _applied(_SERVICE.with_spec(replicas=2)), _ready_without_autoscaler
)
S7 = Scenario("S7", "port", _standing(_SERVICE), _applied(_SERVICE.with_spec(containerPort=9000)), _ready)
S8 = Scenario(
    "S8", "env", _standing(_SERVICE), _applied(_SERVICE.with_spec(env=[{"name": "LEVEL", "value": "debug"}])), _ready
)
S9 = Scenario("S9", "delete", _standing(_SCALED), Stage.delete, _gone)
S10 = Scenario("S10", "delete and make again", _standing(_SCALED), _made_again, _ready)
S11 = Scenario("S11", "invalid, then fixed", _nothing, _invalid_then_fixed, _ready)
SCENARIOS = (S1, S2, S3, S4, S5, S6, S7, S8, S9, S10, S11)
