"""One namespace, object or answer of the API server never delays or loses another object."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from tests.environment.audit import AuditTrail
from tests.environment.cluster import Cluster, ClusterError
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.hanging_webhook import HangingWebhook, hanging_webhook
from tests.support.builders import model_service
from tests.support.namespace import PLURAL, NamespaceFixture
from tests.support.operator import OperatorProcess

HANGING = 30
"""ModelServices behind the webhook: several times the workers of the operator."""
SPARED = "spared"
WEBHOOK_SECONDS = 30.0
"""Time after which the API server gives a call of the webhook up."""
WEBHOOK_FAILURE = "failed calling webhook"


@pytest.fixture(scope="module")
def blocked(control_plane: Cluster, operator: OperatorProcess) -> NamespaceFixture:
    """A namespace in which the webhook hangs."""
    return NamespaceFixture(control_plane, create_namespace(control_plane, "blocked"), lambda: operator.log)


@pytest.fixture(scope="module")
def patience(ns: NamespaceFixture) -> float:
    """Seconds for an object that nothing delays: fewer than a call hangs, unless the machine needs longer anyway."""
    started = time.monotonic()
    ns.apply(model_service().named("first"))
    ns.wait_ready("first")
    return max(WEBHOOK_SECONDS - 5.0, 5 * (time.monotonic() - started))


@pytest.fixture(scope="module")
def webhook(control_plane: Cluster, blocked: NamespaceFixture, patience: float) -> Iterator[HangingWebhook]:
    assert patience > 0  # measured before the webhook exists
    with hanging_webhook(control_plane, blocked.namespace, spared=SPARED) as webhook:
        names = [f"blocked-{number}" for number in range(HANGING)]
        bodies = [model_service().named(name, namespace=blocked.namespace).manifest() for name in names]
        blocked.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(bodies))
        yield webhook


def reported_failures(ns: NamespaceFixture) -> int:
    """Return the number of ModelServices whose status reports the webhook."""
    listed = json.loads(ns.kubectl("get", PLURAL, "-o", "json"))
    return sum(WEBHOOK_FAILURE in json.dumps(body.get("status") or {}) for body in listed["items"])


def has_deployments(ns: NamespaceFixture) -> bool:
    return bool(json.loads(ns.kubectl("get", "deployments", "-o", "json"))["items"])


def test_hanging_webhook_delays_no_other_namespace(
    ns: NamespaceFixture, blocked: NamespaceFixture, patience: float, webhook: HangingWebhook
) -> None:
    """The children and the status of a good object are written while the first calls of the webhook still hang."""
    ns.wait(lambda: webhook.calls >= 8, "calls of the webhook")
    ns.apply(model_service())
    ns.wait_ready(within=patience)
    failures, has_children = reported_failures(blocked), has_deployments(blocked)
    assert webhook.first_call is not None
    # Later, on a machine that is very slow, the first calls have timed out.
    assert failures == 0 or time.monotonic() - webhook.first_call > WEBHOOK_SECONDS
    assert not has_children


def test_failing_objects_delay_none_of_their_namespace(
    ns: NamespaceFixture, blocked: NamespaceFixture, patience: float, webhook: HangingWebhook
) -> None:
    webhook.break_connections()
    blocked.wait(lambda: reported_failures(blocked) == HANGING, "report of each failure", within=120)
    webhook.hang()
    calls = webhook.calls
    blocked.wait(lambda: webhook.calls >= calls + 2, "attempts that hang again", within=120)
    blocked.apply(model_service().named(SPARED))
    blocked.wait_ready(SPARED, within=patience)
    ns.apply(model_service().named("another"))
    ns.wait_ready("another", within=patience)


def test_edited_object_is_retried_before_its_backoff_ends(
    control_plane: Cluster, blocked: NamespaceFixture, webhook: HangingWebhook
) -> None:
    control_plane.run_kubectl("delete", "validatingwebhookconfiguration", blocked.namespace)
    webhook.break_connections()
    blocked.apply(model_service().named("blocked-0").with_spec(replicas=2))
    blocked.wait_ready("blocked-0")


@contextmanager
def unserved_version(cluster: Cluster) -> Iterator[None]:
    """Stop to serve the version of the operator for the length of a `with` block, as a failed CRD upgrade does."""
    second = "/spec/versions/1"
    try:
        patch_crd(
            cluster,
            {"op": "copy", "from": "/spec/versions/0", "path": second},
            {"op": "replace", "path": f"{second}/name", "value": "v1beta1"},
            {"op": "replace", "path": f"{second}/storage", "value": False},
            {"op": "replace", "path": "/spec/versions/0/served", "value": False},
        )
        yield
    finally:
        patch_crd(cluster, {"op": "replace", "path": "/spec/versions/0/served", "value": True})
        patch_crd(cluster, {"op": "remove", "path": second})


def patch_crd(cluster: Cluster, *operations: dict[str, object]) -> None:
    cluster.run_kubectl("patch", "crd", PLURAL, "--type=json", "-p", json.dumps(operations))


def is_served(cluster: Cluster, name: str) -> bool:
    try:
        cluster.run_kubectl("get", "--raw", f"/apis/modelservice.dev/v1alpha1/modelservices?name={name}")
    except ClusterError:
        return False
    return True


def test_object_is_not_abandoned_after_the_crd_was_unserved(
    control_plane: Cluster, ns: NamespaceFixture, audit: AuditTrail
) -> None:
    """The live GET before a deleted child is re-created answers 404, for the path and not for the object."""
    ns.apply(model_service().named("kept"))
    ns.wait_ready("kept")
    with unserved_version(control_plane):
        ns.wait(lambda: not is_served(control_plane, "kept"), "CRD that is not served")
        ns.kubectl("delete", "deployment", "kept")
        ns.wait(lambda: 404 in {read.status for read in audit.requests() if read.call.name == "kept"}, "answer of 404")
    ns.wait(lambda: ns.get("deployment", "kept"), "new Deployment", within=60, name="kept")
    ns.wait_ready("kept", within=60)
