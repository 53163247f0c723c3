"""Cases in which an auto-updated model starts a rollout, and in which it does not."""

import json
from typing import Any

import pytest

from modelservice_operator.controller.model_resolution import resolve_model_revision
from modelservice_operator.resources import build_children
from modelservice_operator.resources.metadata import MODEL_CACHE_KEY_LABEL
from modelservice_operator.resources.model_volume import cache_key
from tests.support.builders import model_service
from tests.support.pods import PodBuilder, new_pod
from tests.support.snapshots import snapshot

SERVICE = model_service().with_spec(model={"uri": "models:/iris@champion", "updatePolicy": "Auto"})
PARSED = SERVICE.parsed()
ONE, TWO = "models:/iris/1", "models:/iris/2"


def key(service: Any = PARSED) -> str:
    return cache_key(service.spec.model, None)


def at(minute: int) -> str:
    return f"2026-01-02T03:{minute:02}:00Z"


def loaded(found: str, minute: int, *, finished: str | None = None) -> PodBuilder:
    """Return a pod that was created in that minute. `finished` is a time by the clock of its node."""
    text = json.dumps({"reason": "Loaded", "message": "x", "resolution": found})
    ended = {"exitCode": 0, "reason": "Completed", "message": text, "finishedAt": finished or at(minute)}
    pod = new_pod().container("model-loader", init=True, ready=True, state={"terminated": ended})
    return pod.created_at(at(minute))


def resolved(
    found: str,
    minute: int,
    *,
    label: str | None = None,
    code: int = 0,
    suffix: str = "look1",
    finished: str | None = None,
) -> PodBuilder:
    text = json.dumps({"reason": "Resolved", "message": "x", "resolution": found})
    ended = {"exitCode": code, "reason": "Completed", "message": text, "finishedAt": finished or at(minute)}
    pod = new_pod().named(suffix).of_revision("").container("model-resolver", state={"terminated": ended})
    labels = {"app.kubernetes.io/instance": "iris", MODEL_CACHE_KEY_LABEL: label or key()}
    return pod.labelled(labels).created_at(at(minute))


def deployment(pinned: str | None) -> dict[str, Any]:
    return build_children(PARSED, resolution=pinned)[0].body


def resolution(*pods: PodBuilder, pinned: str | None = None) -> str | None:
    return resolve_model_revision(PARSED, deployment(pinned), snapshot(*pods, service=SERVICE))


def test_first_revision_is_resolved_by_the_pods() -> None:
    assert resolve_model_revision(PARSED, None, snapshot(service=SERVICE)) is None
    assert resolution(loaded(ONE, 1)) is None


def test_same_resolution_changes_nothing() -> None:
    assert resolution(loaded(ONE, 1), resolved(ONE, 5)) is None


def test_new_resolution_is_used() -> None:
    assert resolution(loaded(ONE, 1), resolved(TWO, 5)) == TWO


def test_latest_resolver_report_wins() -> None:
    assert resolution(loaded(ONE, 1), resolved(TWO, 5), resolved(ONE, 9, suffix="look2")) is None


def test_resolution_stays_after_its_pod_is_deleted() -> None:
    assert resolution(loaded(TWO, 7), pinned=TWO) == TWO
    assert resolution(pinned=TWO) == TWO


def test_resolution_older_than_the_loaded_model_is_ignored() -> None:
    assert resolution(loaded(TWO, 7), resolved(ONE, 5)) is None
    assert resolution(loaded(TWO, 7), resolved(ONE, 5), pinned=TWO) == TWO


def test_failed_resolver_is_ignored() -> None:
    assert resolution(loaded(ONE, 1), resolved(TWO, 5, code=1)) is None


def test_resolver_of_another_model_is_ignored() -> None:
    assert resolution(loaded(ONE, 1), resolved(TWO, 5, label="another")) is None


def test_resolution_of_the_previous_model_is_dropped() -> None:
    other = model_service().with_spec(model={"uri": "models:/rose@champion", "updatePolicy": "Auto"}).parsed()
    assert resolve_model_revision(other, deployment(TWO), snapshot(service=SERVICE)) is None


def test_change_back_is_used() -> None:
    assert resolution(loaded(TWO, 7), resolved(ONE, 9), pinned=TWO) == ONE


@pytest.mark.parametrize("skewed", ["1999-01-01T00:00:00Z", "2044-01-01T00:00:00Z"])
def test_clocks_of_nodes_do_not_matter(skewed: str) -> None:
    """The order is that of the pods' creation, by the clock of the API server."""
    assert resolution(loaded(ONE, 1, finished=skewed), resolved(TWO, 5)) == TWO
    assert resolution(loaded(ONE, 1), resolved(TWO, 5, finished=skewed)) == TWO
    assert resolution(loaded(TWO, 7, finished=skewed), resolved(ONE, 5)) is None
    assert resolution(loaded(TWO, 7), resolved(ONE, 5, finished=skewed)) is None
    newest = resolved(ONE, 9, suffix="look2", finished="2000-01-01T00:00:00Z")
    assert resolution(loaded(ONE, 1), resolved(TWO, 5, finished=skewed), newest) is None
