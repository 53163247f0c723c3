"""A reconcile with its requests is one trace, at a real OTLP receiver; a receiver that hangs delays nothing."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelservice_operator import __version__
from tests.environment.cluster.wait import wait_until
from tests.environment.faults.lab import Lab
from tests.support.builders import model_service
from tests.support.namespace import NamespaceFixture
from tests.support.operator import OperatorProcess, running_operator
from tests.support.otlp import OtlpReceiver, otlp_receiver

pytestmark = pytest.mark.control_plane

RESYNC = 1
QUIET_SECONDS = 4
"""Several resyncs and batches: spans are sent twice a second here."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def operator(
    operator_kubeconfig: Path, namespace: str, receiver: OtlpReceiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "500")
        patch.setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.cluster.name=test")
        arguments = ("--namespace", namespace, "--tracing", "--resync-seconds", str(RESYNC))
        with running_operator(operator_kubeconfig, log, *arguments) as operator:
            yield operator


def test_reconcile_and_its_requests_are_one_trace(ns: NamespaceFixture, receiver: OtlpReceiver) -> None:
    ns.apply(model_service().named("traced"))
    ns.wait_ready("traced")
    ns.wait(lambda: receiver.traces_of("traced"), "trace", name="traced")
    root, *requests = receiver.traces_of("traced")[0]
    uid = ns.get_model_service("traced")["metadata"]["uid"]
    assert (root.name, root.parent_id) == ("reconcile", "")
    assert root.attributes == {
        "k8s.namespace.name": ns.namespace,
        "modelservice.name": "traced",
        "modelservice.uid": uid,
        "modelservice.generation": 1,
        "modelservice.result": "success",
    }
    assert root.resource["service.name"] == "modelservice-operator"
    assert root.resource["service.version"] == __version__
    assert root.resource["k8s.cluster.name"] == "test"
    assert {span.trace_id for span in requests} == {root.trace_id}
    names = {span.name for span in requests}
    assert "POST /apis/apps/v1/namespaces/{namespace}/deployments" in names
    assert "POST /api/v1/namespaces/{namespace}/services" in names
    assert {span.attributes["http.response.status_code"] for span in requests} <= {200, 201}


def test_failed_reconcile_names_its_error(ns: NamespaceFixture, receiver: OtlpReceiver) -> None:
    ns.kubectl("create", "service", "clusterip", "taken", "--tcp=80")
    ns.apply(model_service().named("taken"))
    ns.wait(lambda: receiver.traces_of("taken"), "trace", name="taken")
    found = [trace[0].attributes for trace in receiver.traces_of("taken")]
    assert ("error", "NameConflictError") in [(it["modelservice.result"], it.get("error.type")) for it in found]
    ns.kubectl("delete", "modelservice", "taken")


def test_resyncs_without_a_request_send_nothing(ns: NamespaceFixture, receiver: OtlpReceiver) -> None:
    ns.apply(model_service().named("resting"))
    ns.wait_ready("resting")
    time.sleep(QUIET_SECONDS)
    before = receiver.requests
    time.sleep(QUIET_SECONDS)
    assert receiver.requests == before


async def test_api_server_receives_the_trace(lab: Lab, receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the header traceparent (W3C Trace Context), on requests of a reconcile and on no others."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    async with lab.lane("traced", "--tracing") as lane:
        ns = NamespaceFixture(lab.cluster, lane.namespace, lambda: lane.operator.log)
        await asyncio.to_thread(ns.apply, model_service())
        await asyncio.to_thread(ns.wait_ready)
        exchanges = list(lane.proxy.exchanges)
    created = [it for it in exchanges if str(it.call) in {"create deployments", "create services"}]
    parents = [{name.lower(): value for name, value in it.headers.items()}["traceparent"] for it in created]
    assert len({parent.split("-")[1] for parent in parents}) == 1
    streams = [it for it in exchanges if it.call.verb in {"list", "watch"}]
    assert [it for it in streams if "traceparent" in {name.lower() for name in it.headers}] == []


def test_receiver_that_hangs_delays_nothing(
    ns: NamespaceFixture, receiver: OtlpReceiver, operator: OperatorProcess
) -> None:
    """Last, because it ends the operator: the end does not wait for the receiver either."""
    receiver.hang.set()
    ns.apply(model_service().named("unsent"))
    ns.wait_ready("unsent")
    wait_until(receiver.hang.is_set, seconds=1, what="receiver that hangs")
    assert operator.stop() == 0
