"""Extra models in status.model, ModelLoaded and Ready."""

import json
from typing import Any

import pytest

from modelservice_operator.status.load_progress import LoadProgress
from modelservice_operator.status.model_status import ModelStatus, compute_model_status, find_loading_pods
from tests.support.builders import model_service
from tests.support.pods import PodBuilder, new_pod
from tests.support.snapshots import computed_status, deployment_status, reported, snapshot

S3 = "s3://models/llama"
EXTRA = [{"name": "sql", "uri": "s3://adapters/sql"}, {"name": "chat", "uri": "s3://adapters/chat"}]
SERVICE = model_service().with_spec(model={"uri": S3, "extra": EXTRA})
RUNNING: dict[str, Any] = {"state": {"running": {}}}


def done(uri: str) -> dict[str, Any]:
    report = {"reason": "Loaded", "resolvedURI": uri, "digest": f"blake3:{uri[-3:]}", "files": 1, "bytes": 7}
    ended = {"exitCode": 0, "reason": "Completed", "message": json.dumps(report)}
    return {"ready": True, "state": {"terminated": ended}}


DONE = {"model-loader": done(S3), **{f"model-loader-{one['name']}": done(one["uri"]) for one in EXTRA}}


def pod_with(**loaders: dict[str, Any]) -> PodBuilder:
    """Return a pod with the states of its loaders: `main`, `chat` and `sql`."""
    pod = new_pod()
    for name, state in loaders.items():
        pod = pod.container("model-loader" if name == "main" else f"model-loader-{name}", init=True, **state)
    return pod.waiting("PodInitializing")


def failed(message: str, reason: str = "AccessDenied") -> dict[str, Any]:
    ended = {"exitCode": 1, "reason": "Error", "message": json.dumps({"reason": reason, "message": message})}
    return {"state": {"terminated": ended}}


LOADED = {"main": DONE["model-loader"], "chat": DONE["model-loader-chat"], "sql": DONE["model-loader-sql"]}


def computed(*pods: PodBuilder, service: Any = SERVICE, **more: Any) -> ModelStatus:
    found = compute_model_status(snapshot(*pods, service=service, **more), {})
    assert found is not None
    return found


def test_all_loaded_models_are_reported() -> None:
    found = computed(pod_with(**LOADED))
    assert found.loaded
    assert found.explanation.message == (
        f"The model was loaded from {S3} (1 file, 7 bytes). Extra models loaded: chat, sql."
    )
    assert found.status["extra"] == [
        {"name": name, "uri": uri, "resolvedURI": uri, "digest": f"blake3:{uri[-3:]}", "state": "Loaded"}
        for name, uri in (("chat", "s3://adapters/chat"), ("sql", "s3://adapters/sql"))
    ]


def test_running_extra_loader_is_reported() -> None:
    found = computed(pod_with(**LOADED | {"chat": RUNNING, "sql": {"state": {"waiting": {}}}}))
    assert not found.loaded
    assert (str(found.explanation.reason), found.explanation.message) == (
        "ModelLoading",
        "The extra model chat is being loaded.",
    )
    assert found.status["state"] == "Loaded"
    assert [(one["state"], one["reason"]) for one in found.status["extra"]] == [
        ("Loading", "ModelLoading"),
        ("Pending", "ModelPending"),
    ]


def test_failed_extra_model_is_reported_before_running_ones() -> None:
    other = pod_with(**LOADED | {"chat": RUNNING}).named("aaaaa")
    found = computed(other, pod_with(**LOADED | {"sql": failed("Check model.uri, or others in model.credentials.")}))
    assert (str(found.explanation.reason), found.explanation.message) == (
        "AccessDenied",
        (
            "1 of 2 pods: the extra model sql cannot be loaded: Check model.extra[sql].uri, or others in"
            " model.extra[sql].credentials."
        ),
    )
    assert [(one["state"], one.get("reason")) for one in found.status["extra"]] == [
        ("Loaded", None),
        ("Failed", "AccessDenied"),
    ]


def test_failures_are_reported_by_name_after_the_model() -> None:
    broken = {name: failed(f"no {name}") for name in ("main", "chat", "sql")}
    for expected in ("the model cannot", "the extra model chat cannot", "the extra model sql cannot"):
        assert expected in computed(pod_with(**LOADED | broken)).explanation.message
        broken.pop(next(iter(broken)))


def test_failed_extra_loader_makes_ready_false() -> None:
    pod = pod_with(main=LOADED["main"]).crashed(
        name="model-loader-sql", init=True, message='{"reason": "ModelNotFound", "message": "There is no file."}'
    )
    expected = ("False", "ModelNotFound", "The only pod: the extra model sql cannot be loaded: There is no file.")
    assert reported(snapshot(pod.waiting("PodInitializing"), service=SERVICE)) == expected


def test_extra_loader_without_memory_names_its_field() -> None:
    pod = new_pod().crashed(name="model-loader-sql", init=True, reason="OOMKilled", code=137).waiting("PodInitializing")
    found = reported(snapshot(pod, service=SERVICE))
    assert found is not None
    assert "Raise model.loader.resources.limits.memory." in found[2]


@pytest.mark.parametrize("uri", ["file:///app/llama", None])
def test_extra_models_beside_a_model_in_the_image(uri: str | None) -> None:
    model = {"extra": EXTRA, **({"uri": uri} if uri else {})}
    service = model_service().with_spec(model=model)
    found = computed(pod_with(chat=LOADED["chat"], sql=LOADED["sql"]), service=service)
    assert found.loaded
    assert found.explanation.message == "Extra models loaded: chat, sql."
    assert "state" not in found.status
    assert found.status.get("uri") == uri


def test_extra_model_waits_beside_a_mounted_one() -> None:
    service = model_service().with_spec(model={"uri": "pvc://models/llama", "extra": EXTRA})
    found = computed(new_pod().in_phase("Pending").unready(), service=service)
    assert not found.loaded
    assert found.explanation.reason == "ModelPending"


def test_progress_is_of_the_loader_that_runs() -> None:
    pod = pod_with(main=LOADED["main"], chat=RUNNING)
    found = snapshot(pod, service=SERVICE)
    assert [one.name for one in find_loading_pods(found)] == [pod.name]
    status = computed_status(found.with_load_progress(LoadProgress(loaded_bytes=5, total_bytes=10)))
    assert status["model"]["progress"]["percent"] == 50


def test_no_progress_is_read_after_all_loads() -> None:
    assert find_loading_pods(snapshot(pod_with(**LOADED), service=SERVICE)) == ()
    added = pod_with(main=LOADED["main"], chat=RUNNING).named("aaaaa")
    assert find_loading_pods(snapshot(pod_with(**LOADED), added, service=SERVICE)) == ()


def test_status_is_retained_without_pods_for_the_same_models() -> None:
    entries = [{"name": "chat", "uri": "s3://adapters/chat"}, {"name": "sql", "uri": "s3://adapters/sql"}]
    previous = {"model": {"uri": S3, "state": "Loaded", "extra": entries}}
    counts = dict.fromkeys(("desired", "replicas", "ready", "updated", "available"), 0)
    empty = snapshot(service=SERVICE, rollout=deployment_status(**counts))
    same = compute_model_status(empty, previous)
    assert same is not None
    assert same.status == previous["model"]
    previous["model"]["extra"] = entries[:1]
    other = compute_model_status(empty, previous)
    assert other is not None
    assert other.status["state"] == "Pending"
