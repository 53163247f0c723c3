"""Text of others never makes a status or an Event invalid: every place that it can come from, up to the bytes sent."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from modelservice_operator.client.status_errors import error_from_response, error_from_status, status_from_object
from modelservice_operator.controller.transforms import transform_autoscaler, transform_pod, transform_replica_set
from modelservice_operator.errors import OperatorError
from modelservice_operator.events.pod_events import pod_event_messages
from modelservice_operator.events.recorder import build_event
from modelservice_operator.events.transitions import drift_events, events_for
from modelservice_operator.resources.diff import Drift
from modelservice_operator.status.pods import Pod
from modelservice_operator.status.snapshot import Snapshot, load_balancer_address, route_parents
from tests.support.hostile_text import HOSTILE_TEXTS, is_clean
from tests.support.pods import DEPLOYMENT_UID, new_pod, new_replica_set
from tests.support.snapshots import IRIS, NOW, computed_status, deployment_status

MODEL = IRIS.with_spec(model={"uri": "s3://a/b"})
SERVICES = [
    IRIS,
    MODEL,
    IRIS.autoscaled(min_replicas=2, max_replicas=5),
    IRIS.with_spec(service={"type": "LoadBalancer"}),
    IRIS.with_spec(expose={"ingress": {}}),
    IRIS.with_spec(expose={"httpRoute": {"parentRefs": [{"name": "edge"}]}}),
]
REASONS = HOSTILE_TEXTS | st.sampled_from(["ImagePullBackOff", "CrashLoopBackOff", "RunContainerError", "OOMKilled"])


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    """Return a pod with texts of others in each field that has any."""
    reason, text = draw(REASONS), draw(HOSTILE_TEXTS)
    ended: dict[str, Any] = {"exitCode": draw(st.sampled_from([0, 1, 137])), "reason": draw(REASONS), "message": text}
    name = draw(st.sampled_from(["model", "model-loader", "proxy"]))
    init = name == "model-loader"
    builder = draw(
        st.sampled_from(
            [
                new_pod().unschedulable(text, reason),
                new_pod().gated(text),
                new_pod().waiting(reason, text, name=name, init=init),
                new_pod().crashed(name=name, init=init, waits=draw(st.booleans()), **ended),
                new_pod().running(started=draw(st.booleans()), **ended),
                new_pod().in_phase("Failed", reason=reason, message=text),
                new_pod().with_condition("Ready", "False", reason="ReadinessGatesNotReady", message=text),
            ]
        )
    )
    return builder.named(draw(st.sampled_from(["aaaaa", "bbbbb"]))).body()


@st.composite
def failures(draw: st.DrawFn) -> OperatorError | None:
    """Return the error for a response of the API server, of a webhook or of a proxy."""
    code, text = draw(st.sampled_from([400, 403, 404, 409, 422, 500])), draw(HOSTILE_TEXTS)
    details = {"kind": "Service", "causes": [{"reason": text, "message": text, "field": "spec.ports[0].nodePort"}]}
    body = {"message": text, "reason": text, "details": details}
    from_bytes = error_from_response(code, text.encode("utf-8", "surrogatepass"))
    return draw(st.sampled_from([None, None, from_bytes, error_from_status(status_from_object(code, body))]))


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    service = draw(st.sampled_from(SERVICES))
    text = draw(HOSTILE_TEXTS)
    condition = {"status": "False", "reason": text, "message": text}
    refused = draw(st.none() | HOSTILE_TEXTS)
    autoscaler = {
        "metadata": {"name": "iris", "ownerReferences": [{"kind": "ModelService"}], "creationTimestamp": _time()},
        "status": {"conditions": [{"type": kind} | condition for kind in ("AbleToScale", "ScalingActive")]},
    }
    parent = {"parentRef": {"name": text}, "conditions": [{"type": "Accepted"} | condition]}
    balancer = {"status": {"loadBalancer": {"ingress": [{"hostname": text}] if draw(st.booleans()) else []}}}
    events = [{"reason": "Unhealthy", "message": f"{text}{draw(HOSTILE_TEXTS)}", "metadata": {}}]
    bodies = {body["metadata"]["name"]: body for body in draw(st.lists(pods(), max_size=3))}
    return Snapshot(
        service=service.parsed(),
        rollout=deployment_status(available=0, ready=0, conditions={"ReplicaFailure": condition | {"status": "True"}}),
        replica_sets=(transform_replica_set(new_replica_set(refused=refused, uid=DEPLOYMENT_UID)),),
        pods=tuple(Pod.of(transform_pod(body)) for body in bodies.values()),
        failure=draw(failures()),
        autoscaler=transform_autoscaler(autoscaler),
        load_balancer=load_balancer_address(balancer),
        ingress_address=load_balancer_address(balancer),
        route_parents=route_parents({"status": {"parents": [parent]}}),
        pod_event_messages=pod_event_messages(events),
    )


def _time() -> str:
    return (NOW - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def texts(value: Any) -> Iterator[str]:
    """Yield every text of a decoded JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


@given(snapshots(), HOSTILE_TEXTS)
def test_status_and_events_stay_valid(found: Snapshot, manager: str) -> None:
    status = computed_status(found)
    drift = Drift(kind="Deployment", field=manager, manager=manager)
    metadata = {"name": "iris", "namespace": "ml", "uid": "1"}
    events = [build_event(metadata, event, NOW) for event in (*events_for({}, status), *drift_events([drift]))]

    assert orjson.loads(orjson.dumps([status, events])) == [status, events]
    assert [text for text in texts([status, events]) if not is_clean(text) or len(text) > 4096] == []
    assert all(len(event["note"].encode()) <= 1024 for event in events)
