from typing import Any

import pytest

from modelservice_cli.view import pods
from modelservice_operator.resources import metadata
from tests.support.pods import PodBuilder, new_pod


def with_spec(pod: PodBuilder, **spec: Any) -> dict[str, Any]:
    body = pod.body()
    return body | {"spec": body["spec"] | spec}


@pytest.mark.parametrize(
    ("pod", "state"),
    [
        (new_pod(), "Running"),
        (new_pod().being_deleted(), "Terminating"),
        (new_pod().unschedulable("0/1 nodes"), "Pending"),
        (new_pod().waiting("ErrImagePull"), "ErrImagePull"),
        (new_pod().crashed(), "CrashLoopBackOff"),
        (new_pod().crashed(waits=False, reason="OOMKilled"), "OOMKilled"),
        (new_pod().waiting("ErrImagePull", name="model-loader", init=True), "Init:ErrImagePull"),
        (new_pod().crashed(name="model-loader", init=True, waits=False), "Init:Error"),
        (new_pod().waiting("PodInitializing", name="model-loader", init=True), "Init:0/1"),
        (new_pod().in_phase("Failed", reason="Evicted"), "Evicted"),
    ],
    ids=["running", "deleted", "pending", "image", "crash", "ended", "loader image", "loader", "loading", "evicted"],
)
def test_state_is_that_of_kubectl(pod: PodBuilder, state: str) -> None:
    assert pods.state(pod.body()) == state


def test_sidecar_that_runs_is_not_an_init_state() -> None:
    pod = new_pod().container("proxy", init=True, started=True, state={"running": {}}).in_phase("Running")
    assert pods.state(with_spec(pod, initContainers=[{"name": "proxy", "restartPolicy": "Always"}])) == "Running"
    assert pods.state(with_spec(pod, initContainers=[{"name": "proxy"}])) == "Init:0/1"


def test_newest_failure_is_the_last_termination() -> None:
    pod = new_pod().crashed(finishedAt="2026-01-02T03:02:00Z", message="old")
    pod = pod.crashed(name="proxy", finishedAt="2026-01-02T03:03:00Z", exitCode=2, message="new")
    last = pods.last_termination(pod.body())
    assert last is not None
    assert (last.container, last.exit_code, last.message) == ("proxy", 2, "new")
    assert pods.restarts(pod.body()) == 14
    assert pods.last_termination(new_pod().body()) is None


def test_completed_container_is_not_a_failure() -> None:
    pod = new_pod().crashed(name="model-loader", init=True, waits=False, exitCode=0, reason="Completed")
    assert pods.last_termination(pod.body()) is None


@pytest.mark.parametrize(("name", "expected"), [("model-loader", True), ("model-loader-sql", True), ("model", False)])
def test_loaders_are_known_by_their_names(name: str, *, expected: bool) -> None:
    assert pods.is_loader(name) is expected


def test_names_of_containers_are_those_of_the_operator() -> None:
    """They are written twice: the module that has them imports the models of the API, which would slow each start."""
    assert (pods.MODEL_CONTAINER, pods.LOADER_PREFIX) == (metadata.CONTAINER_NAME, metadata.LOADER_NAME)
    for name in (metadata.LOADER_NAME, f"{metadata.EXTRA_LOADER_PREFIX}tokenizer", metadata.RESOLVER_NAME, "model"):
        assert pods.is_loader(name) is metadata.is_loader_name(name)
