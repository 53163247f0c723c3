"""Ready follows what serves: not the load, and not the checks of a model. Settings of other clients are named."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from modelservice_operator.apimachinery.kinds import CRON_JOB, DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER
from modelservice_operator.resources import build_children
from modelservice_operator.status.reasons import Reason
from tests.integration.test_events import reasons
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.namespace import NamespaceFixture

DEVICE = "example.com/seat"
URI = "https://models.example.com/iris.joblib"
HARMLESS = ""
FAILED_REPORT = json.dumps({"reason": "AccessDenied", "message": "the credentials have expired"})

FOREIGN_FIELDS = {
    ("apps/v1", "DeploymentSpec"): {
        "minReadySeconds": "RolloutInProgress",
        "paused": "RolloutPaused",
        "replicas": "ScaledToZero",
    },
    ("autoscaling/v2", "HorizontalPodAutoscalerSpec"): {"behavior": "ScalingDisabled"},
    ("batch/v1", "CronJobSpec"): {"startingDeadlineSeconds": HARMLESS, "timeZone": HARMLESS},
    ("batch/v1", "JobSpec"): {
        "managedBy": "CheckNotStarted",
        "scheduling": "Unschedulable",
        "parallelism": "CheckNotStarted",
        "suspend": "CheckNotStarted",
        **dict.fromkeys(("completions", "completionMode", "selector", "manualSelector"), HARMLESS),
        **dict.fromkeys(("podFailurePolicy", "podReplacementPolicy", "successPolicy"), HARMLESS),
        **dict.fromkeys(("backoffLimitPerIndex", "maxFailedIndexes", "ttlSecondsAfterFinished"), HARMLESS),
    },
}
"""Fields of children that another client may set, because the operator need not: the reason if one stops the child."""


def wait_condition(
    ns: NamespaceFixture, name: str, matches: Callable[[dict[str, Any]], bool], what: str, *, kind: str = "Ready"
) -> dict[str, Any]:
    """Return the first condition that matches: read again, it may be that of a newer generation."""
    found: list[dict[str, Any]] = []

    def is_found() -> bool:
        found.append(ns.condition(name, kind))
        return matches(found[-1])

    ns.wait(is_found, f"{kind} with {what}", name=name)
    return found[-1]


def wait_reason(ns: NamespaceFixture, name: str, reason: str, *, kind: str = "Ready") -> dict[str, Any]:
    return wait_condition(ns, name, lambda condition: condition.get("reason") == reason, reason, kind=kind)


def patch(ns: NamespaceFixture, kind: str, name: str, body: dict[str, Any], *options: str) -> None:
    ns.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(body), *options)


def wait_message(ns: NamespaceFixture, name: str, text: str) -> str:
    """Return the message of Ready that has a text."""
    found = wait_condition(ns, name, lambda condition: text in condition.get("message", ""), text)
    return str(found["message"])


def run_command_of(ns: NamespaceFixture, message: str) -> None:
    """Run the kubectl command that a message names."""
    found = re.search(r"To (?:resume|reset it): kubectl (.+?)\.(?: |$)", message)
    assert found is not None, message
    ns.kubectl(*shlex.split(found.group(1)))


def scaled_service(name: str) -> ModelServiceBuilder:
    return model_service().named(name).with_spec(replicas=2).autoscaled(max_replicas=9)


def scaling_with_the_load_keeps_ready(ns: NamespaceFixture) -> None:
    """Two of four replicas have no room: Ready keeps its time, AutoscalerReady has the reason, no Event is sent."""
    [node, *_] = ns.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()
    seats = {"status": {"capacity": {DEVICE: "2"}, "allocatable": {DEVICE: "2"}}}
    patch(ns, "node", node, seats, "--subresource=status")
    service = scaled_service("load").with_spec(resources={"limits": {DEVICE: "1", "cpu": "1"}})
    ns.apply(service)
    ns.wait_ready("load")
    before = ns.condition("load")["lastTransitionTime"]
    ns.kubectl("scale", "deployment/load", "--replicas=4")
    report = wait_reason(ns, "load", "Unschedulable", kind="AutoscalerReady")
    assert report["status"] == "False"
    counts = r"2 of 4 replicas are available\. [12] of [34] pods"  # the second pod may be reported later
    assert re.match(rf"{counts}: cannot be scheduled: 0/2 nodes", report["message"])
    ns.kubectl("scale", "deployment/load", "--replicas=2")
    ns.wait(lambda: ns.get_model_service("load")["status"]["replicas"] == 2, "2 replicas", name="load")
    ready = ns.condition("load")
    assert (ready["status"], ready["reason"], ready["lastTransitionTime"]) == ("True", "RolloutComplete", before)
    expected = ["Created", "RolloutComplete"]
    ns.wait(lambda: reasons(ns, "load") == expected, "exactly two Events", name="load")  # posted one at a time


def paused_deployment_names_the_command(ns: NamespaceFixture) -> None:
    service = model_service().named("paused").with_spec(replicas=2)
    ns.apply(service)
    ns.wait_ready("paused")
    ns.kubectl("rollout", "pause", "deployment/paused")
    ns.wait(lambda: "paused" in ns.condition("paused").get("message", ""), "a word of the pause", name="paused")
    assert ns.is_ready("paused")
    ns.apply(service.with_spec(image="registry.example.com/iris:2"))
    message = wait_reason(ns, "paused", "RolloutPaused")["message"]
    run_command_of(ns, message)
    ns.wait_ready("paused")


def foreign_min_ready_seconds_name_the_command(ns: NamespaceFixture) -> None:
    service = model_service().named("patient")
    ns.apply(service)
    ns.wait_ready("patient")
    patch(ns, "deployment", "patient", {"spec": {"minReadySeconds": 500}})
    ns.apply(service.with_spec(image="registry.example.com/iris:2"))
    run_command_of(ns, wait_message(ns, "patient", "minReadySeconds of the Deployment to 500"))
    ns.wait_ready("patient")


def foreign_scale_to_zero_names_the_command(ns: NamespaceFixture) -> None:
    ns.apply(scaled_service("zero"))
    ns.wait_ready("zero")
    ns.kubectl("scale", "deployment/zero", "--replicas=0")
    ready = wait_reason(ns, "zero", "ScaledToZero")
    assert ready["status"] == "False"
    run_command_of(ns, ready["message"])
    ns.wait_ready("zero")


def conditions_of_another_controller_are_kept(ns: NamespaceFixture) -> None:
    ns.apply(model_service().named("audited"))
    ns.wait_ready("audited")
    audited = {
        "type": "example.com/Audited",
        "status": "True",
        "reason": "Checked",
        "message": "",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }
    operation = [{"op": "add", "path": "/status/conditions/0", "value": audited}]
    ns.kubectl("patch", "modelservice", "audited", "--subresource=status", "--type=json", "-p", json.dumps(operation))
    ns.apply(model_service().named("audited").with_spec(replicas=2))
    ns.wait(
        lambda: ns.is_ready("audited") and ns.get_model_service("audited")["status"]["replicas"] == 2,
        "2 replicas",
        name="audited",
    )
    assert ns.condition("audited", "example.com/Audited") == audited


def tracked_service(name: str) -> ModelServiceBuilder:
    """Return an auto-updated model that is checked once a day: the tests start the checks themselves."""
    return (
        model_service()
        .named(name)
        .with_spec(model={"uri": URI, "updatePolicy": "Auto", "refreshIntervalSeconds": 86_400})
    )


def start_check(ns: NamespaceFixture, name: str, check: str) -> str:
    """Create a Job from the CronJob, whose pod no scheduler serves; return the name of its pod."""
    job = json.loads(ns.kubectl("create", "job", check, f"--from=cronjob/{name}", "--dry-run=client", "-o", "json"))
    job["spec"]["template"]["spec"]["schedulerName"] = "none"
    ns.kubectl("create", "-f", "-", stdin=json.dumps(job))
    query = ("get", "pods", "-l", f"batch.kubernetes.io/job-name={check}", "-o", "jsonpath={.items[*].metadata.name}")
    ns.wait(lambda: ns.kubectl(*query), f"the pod of {check}", name=name)
    return ns.kubectl(*query)


def end_check(ns: NamespaceFixture, pod: str, code: int, message: str = "") -> None:
    """Write the status of a pod as the kubelet does when the resolver ends."""
    terminated = {"exitCode": code, "reason": "Error" if code else "Completed", "message": message}
    status = {"name": "model-resolver", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    containers = [status | {"state": {"terminated": terminated}}]
    body = {"status": {"phase": "Failed" if code else "Succeeded", "containerStatuses": containers}}
    patch(ns, "pod", pod, body, "--subresource=status")


def failed_check_is_reported_until_one_succeeds(ns: NamespaceFixture) -> None:
    ns.apply(tracked_service("followed"))
    ns.wait_ready("followed")
    assert ns.condition("followed", "ModelTracked")["reason"] == "TrackingPending"
    end_check(ns, start_check(ns, "followed", "check-1"), 1, FAILED_REPORT)
    report = wait_reason(ns, "followed", "AccessDenied", kind="ModelTracked")
    assert (report["status"], "the credentials have expired" in report["message"]) == ("False", True)
    assert ns.is_ready("followed")
    end_check(ns, start_check(ns, "followed", "check-2"), 1, FAILED_REPORT)
    end_check(ns, start_check(ns, "followed", "check-3"), 0)
    wait_reason(ns, "followed", "TrackingActive", kind="ModelTracked")
    ns.wait(lambda: "TrackingFailed" in reasons(ns, "followed"), "the Event", name="followed")
    assert reasons(ns, "followed").count("TrackingFailed") == 1


def suspended_cron_job_is_resumed(ns: NamespaceFixture) -> None:
    ns.apply(tracked_service("resumed"))
    ns.wait_ready("resumed")
    patch(ns, "cronjob", "resumed", {"spec": {"suspend": True}})
    ns.wait(lambda: not ns.get("cronjob", "resumed")["spec"]["suspend"], "a resumed CronJob", name="resumed")
    assert ns.is_ready("resumed")


SCENARIOS: tuple[Callable[[NamespaceFixture], None], ...] = (
    scaling_with_the_load_keeps_ready,
    paused_deployment_names_the_command,
    foreign_min_ready_seconds_name_the_command,
    foreign_scale_to_zero_names_the_command,
    conditions_of_another_controller_are_kept,
    failed_check_is_reported_until_one_succeeds,
    suspended_cron_job_is_resumed,
)
"""Independent of each other: most of their time is waiting."""


@pytest.fixture(scope="module")
def outcomes(ns: NamespaceFixture) -> Iterator[dict[str, Future[None]]]:
    """All scenarios, running concurrently, by name."""
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        yield {scenario.__name__: pool.submit(scenario, ns) for scenario in SCENARIOS}


@pytest.mark.parametrize("name", [scenario.__name__ for scenario in SCENARIOS])
def test_ready_and_reports_on_a_cluster(name: str, outcomes: dict[str, Future[None]]) -> None:
    outcomes[name].result()


def test_every_foreign_field_is_classified(ns: NamespaceFixture) -> None:
    """A field of another version of Kubernetes that may stop a child fails this test."""
    service = tracked_service("fields").with_spec(autoscaling={"maxReplicas": 3}).parsed()
    built = {child.kind: child.body["spec"] for child in build_children(service)}
    own = {
        "DeploymentSpec": built[DEPLOYMENT],
        "HorizontalPodAutoscalerSpec": built[HORIZONTAL_POD_AUTOSCALER],
        "CronJobSpec": built[CRON_JOB],
        "JobSpec": built[CRON_JOB]["jobTemplate"]["spec"],
    }
    for (api_version, name), reasons_by_field in FOREIGN_FIELDS.items():
        document = json.loads(ns.cluster.run_kubectl("get", "--raw", f"/openapi/v3/apis/{api_version}"))
        [schema] = [node for key, node in document["components"]["schemas"].items() if key.endswith(f".{name}")]
        assert schema["properties"].keys() - own[name].keys() == reasons_by_field.keys(), name
        assert all(not reason or Reason(reason) for reason in reasons_by_field.values())


def test_cordoned_nodes_name_the_command(ns: NamespaceFixture) -> None:
    """The last test: no other pod can be scheduled in the meantime."""
    nodes = ns.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()
    ns.kubectl("cordon", *nodes)
    try:
        ns.apply(model_service().named("cordoned"))
        message = wait_reason(ns, "cordoned", "Unschedulable")["message"]
    finally:
        ns.kubectl("uncordon", *nodes)
    assert "kubectl uncordon NODE" in message
    ns.wait_ready("cordoned")
