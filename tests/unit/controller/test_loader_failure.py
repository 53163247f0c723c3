"""Cases in which a revision counts as failed to load: only then, other settings of the loader may replace its pods."""

from typing import Any

import pytest

from modelservice_operator.controller.loader_failure import has_failed_to_load
from tests.support.pods import OLD_HASH, PodBuilder, new_pod
from tests.support.snapshots import snapshot


def loader(name: str = "model-loader", **state: Any) -> PodBuilder:
    """Return a pod whose loader is in a state, and whose server waits for it."""
    waiting = {"waiting": {"reason": "PodInitializing"}}
    return new_pod().container(name, init=True, **state).container(state=waiting)


def not_pulled(name: str = "model-loader", reason: str = "ImagePullBackOff") -> PodBuilder:
    return loader(name, state={"waiting": {"reason": reason, "message": "not found"}})


FAILED = {"terminated": {"exitCode": 1, "reason": "Error"}}
LOADED = {"terminated": {"exitCode": 0, "reason": "Completed"}}
CRASHES = loader(state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=FAILED)
SERVES = new_pod().named("other")


@pytest.mark.parametrize(
    "pods",
    [
        (not_pulled(),),
        (not_pulled(reason="ErrImagePull"),),
        (not_pulled("model-loader-base"),),
        (loader(state=FAILED),),
        (CRASHES,),
        (not_pulled(), loader(state={"running": {}}).named("other")),
        (not_pulled(), SERVES.of_revision(OLD_HASH)),
        (not_pulled(), SERVES.being_deleted()),
    ],
    ids=[
        "image",
        "first pull",
        "extra loader",
        "exit code",
        "crash loop",
        "another one loads",
        "older pods serve",
        "a pod that serves is being deleted",
    ],
)
def test_revision_that_cannot_load_has_failed(pods: tuple[PodBuilder, ...]) -> None:
    assert has_failed_to_load(snapshot(*pods))


@pytest.mark.parametrize(
    "pods",
    [
        (),
        (loader(state={"running": {}}),),
        (loader(state={"running": {}}, lastState=FAILED),),
        (loader(state=LOADED),),
        (not_pulled(), SERVES),
        (not_pulled(), SERVES.container(state={"running": {}})),
        (not_pulled(), SERVES.crashed()),
        (not_pulled("other-init"),),
        (not_pulled().of_revision(OLD_HASH),),
    ],
    ids=[
        "no pod",
        "loads",
        "another attempt",
        "loaded",
        "one is ready",
        "one runs",
        "one has run",
        "another init container",
        "older revision",
    ],
)
def test_revision_that_may_serve_has_not_failed(pods: tuple[PodBuilder, ...]) -> None:
    assert not has_failed_to_load(snapshot(*pods))
