"""Reasons and messages of unready pods, for the states that Kubernetes 1.37 reports."""

import json
from typing import Any

import pytest

from modelservice_operator.status import diagnose
from modelservice_operator.status.findings import REASONS_BY_PRIORITY
from modelservice_operator.status.reasons import LOADER_REASONS
from tests.support.builders import ModelServiceBuilder
from tests.support.pods import HASH, OLD_HASH, PodBuilder, new_pod
from tests.support.snapshots import IRIS, deployment_status, reported, snapshot, unready

NO_NODE = (
    "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {gpu: }. preemption: 0/3 nodes are"
    " available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling."
)
NOT_FOUND = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "registry.local/iris:9": failed to resolve'
    " image: registry.local/iris:9: not found"
)
LOGIN = (
    'failed to pull and unpack image "registry.local/iris:9": failed to resolve image: pull access denied, repository'
    " does not exist or may require authorization: authorization failed: no basic auth credentials"
)
RUNC = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed:"
    ' unable to start container process: error during container init: exec: "serve": executable file not found in $PATH'
)
TRACEBACK = (
    "2026-01-02 03:01:59,123 loading\nTraceback (most recent call last):\n  File 'serve.py', line 3\n"
    "2026-01-02 03:02:00 ModuleNotFoundError: No module named 'iris'\n\n"
)
LOG = "kubectl logs -n ml deployment/iris -c model --previous"
IMAGE = IRIS.with_spec(image="registry.local/iris:9")
OTHER_PORT = "Make the server respond, or change containerPort or probes."


def loader(report: dict[str, Any] | str, **ended: Any) -> PodBuilder:
    text = report if isinstance(report, str) else f"fetching\n{json.dumps(report)}\n"
    return new_pod().crashed(name="model-loader", init=True, message=text, **ended).waiting("PodInitializing")


def pulling(reason: str, message: str) -> PodBuilder:
    return new_pod().waiting(reason, message)


PROBLEMS: dict[str, tuple[PodBuilder, ModelServiceBuilder, str, str]] = {
    "no room on any node": (
        new_pod().unschedulable(NO_NODE),
        IRIS,
        "Unschedulable",
        (
            "cannot be scheduled: 0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {gpu: }."
            " Lower resources.requests, or add nodes with more capacity."
        ),
    ),
    "a scheduling gate": (
        new_pod().unschedulable("Scheduling is blocked due to non-empty scheduling gates", "SchedulingGated"),
        IRIS,
        "Unschedulable",
        (
            "cannot be scheduled: Scheduling is blocked due to non-empty scheduling gates."
            " The controller that set the scheduling gate must remove it."
        ),
    ),
    "no message of the scheduler": (
        new_pod().unschedulable("", ""),
        IRIS,
        "Unschedulable",
        "cannot be scheduled: no reason given. Change the pod's requirements, or add nodes.",
    ),
    "an unbound claim": (
        new_pod().unschedulable("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"),
        IRIS,
        "VolumePending",
        (
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
            " Set an existing StorageClass on the claim, or create a PersistentVolume for it."
        ),
    ),
    "a claim of another zone": (
        new_pod().unschedulable("0/1 nodes are available: 1 node(s) had volume node affinity conflict."),
        IRIS,
        "VolumePending",
        (
            "0/1 nodes are available: 1 node(s) had volume node affinity conflict."
            " The volume is restricted to nodes that cannot run the pod: free capacity on one of them."
        ),
    ),
    "a wrong tag": (
        pulling("ErrImagePull", NOT_FOUND),
        IMAGE,
        "ImagePull",
        (
            'image "registry.local/iris:9" cannot be pulled: registry.local/iris:9: not found.'
            " Correct the name or the tag of the image."
        ),
    ),
    "a wrong tag, between pulls": (
        pulling("ImagePullBackOff", f'Back-off pulling image "registry.local/iris:9": ErrImagePull: {NOT_FOUND}'),
        IMAGE,
        "ImagePull",
        (
            'image "registry.local/iris:9" cannot be pulled: registry.local/iris:9: not found.'
            " Correct the name or the tag of the image."
        ),
    ),
    "credentials are missing": (
        pulling("ErrImagePull", LOGIN),
        IMAGE,
        "ImagePull",
        (
            'image "registry.local/iris:9" cannot be pulled: pull access denied, repository does not'
            " exist or may require"
            " authorization: authorization failed: no basic auth credentials. Set imagePullSecrets to a Secret with"
            " credentials for this registry, and check the name of the image."
        ),
    ),
    "credentials are wrong": (
        pulling("ErrImagePull", "unexpected status from HEAD request to https://registry.local/v2/: 401 Unauthorized"),
        IMAGE.with_spec(imagePullSecrets=[{"name": "registry-login"}]),
        "ImagePull",
        (
            'image "registry.local/iris:9" cannot be pulled: unexpected status from HEAD request to'
            " https://registry.local/v2/: 401 Unauthorized. Check that Secret registry-login contains credentials for"
            " this registry."
        ),
    ),
    "an invalid image name": (
        pulling("InvalidImageName", ""),
        IMAGE,
        "ImagePull",
        (
            'image "registry.local/iris:9" cannot be pulled: the name is invalid. Correct the name or'
            " the tag of the image."
        ),
    ),
    "an older kubelet reports no cause": (
        new_pod().waiting("ImagePullBackOff", 'Back-off pulling image "proxy:1"', name="proxy"),
        IMAGE,
        "ImagePull",
        "the image of container proxy cannot be pulled: the node reported no cause. Check image and imagePullSecrets.",
    ),
    "the registry is unreachable": (
        pulling("ErrImagePull", "dial tcp: lookup registry.local on 10.0.0.10:53: no such host"),
        IMAGE,
        "ImagePull",
        (
            'image "registry.local/iris:9" cannot be pulled: dial tcp: lookup registry.local on'
            " 10.0.0.10:53: no such host."
            " The nodes cannot reach the registry: check its name, its certificate and the network."
        ),
    ),
    "a key is missing": (
        new_pod().waiting("CreateContainerConfigError", "couldn't find key token in Secret ml/store"),
        IRIS,
        "CreateContainerConfigError",
        (
            "container model cannot be created: couldn't find key token in Secret ml/store."
            " Add the key, or correct its name in env; pods recover automatically."
        ),
    ),
    "a Secret is missing": (
        new_pod().waiting("CreateContainerConfigError", 'secret "store" not found'),
        IRIS,
        "CreateContainerConfigError",
        'container model cannot be created: secret "store" not found. Create the Secret; pods recover automatically.',
    ),
    "root is not allowed": (
        new_pod().waiting(
            "CreateContainerConfigError",
            f'container has runAsNonRoot and image will run as root (pod: "iris-{HASH}-x2x7k_ml'
            '(4a1c1a9e-4b0e-4b0c-9c53-2f3b1a7f0d11)", container: model)',
        ),
        IRIS,
        "CreateContainerConfigError",
        (
            "container model cannot be created: container has runAsNonRoot and image will run as root"
            ' (pod: "iris_ml", container: model).'
            " Leave runAsUser at its default, or set the UID of a non-root user of the image."
        ),
    ),
    "no such command": (
        new_pod().waiting("RunContainerError", RUNC),
        IRIS,
        "ContainerStartError",
        (
            'container model cannot be started: exec: "serve": executable file not found in $PATH.'
            " Correct command, or use an image that contains it."
        ),
    ),
    "no such command, between starts": (
        new_pod().crashed(reason="StartError", exitCode=128, message=RUNC),
        IRIS,
        "ContainerStartError",
        (
            'container model cannot be started: exec: "serve": executable file not found in $PATH.'
            " Correct command, or use an image that contains it."
        ),
    ),
    "a container cannot be created": (
        new_pod().waiting("CreateContainerError", ""),
        IRIS,
        "ContainerStartError",
        "container model cannot be started: no reason given. Check command, args, workingDir and mounts.",
    ),
    "a custom loader": (
        loader("cannot reach the moon", exitCode=3),
        IRIS,
        "LoaderFailed",
        "the model cannot be loaded: cannot reach the moon. Check model.uri and model.credentials.",
    ),
    "a loader without a message": (
        loader("", exitCode=3),
        IRIS,
        "LoaderFailed",
        (
            "the model cannot be loaded: the loader exited with code 3 and no message."
            " Check model.uri and model.credentials."
        ),
    ),
    "a loader that reports a number": (
        loader("42"),
        IRIS,
        "LoaderFailed",
        "the model cannot be loaded: 42. Check model.uri and model.credentials.",
    ),
    "the loader needs more memory": (
        loader("", reason="OOMKilled", exitCode=137),
        IRIS,
        "OOMKilled",
        (
            "container model-loader was killed because it used more memory than allowed."
            " Raise model.loader.resources.limits.memory."
        ),
    ),
    "out of memory": (
        new_pod().crashed(reason="OOMKilled", exitCode=137),
        IRIS.with_spec(resources={"limits": {"memory": "512Mi"}}),
        "OOMKilled",
        (
            "container model was killed because it used more memory than allowed."
            " Its limit is 512Mi: raise resources.limits.memory."
        ),
    ),
    "out of memory without a limit": (
        new_pod().crashed(reason="OOMKilled", exitCode=137, name="proxy"),
        IRIS.with_spec(resources={"limits": {"memory": "512Mi"}}),
        "OOMKilled",
        (
            "container proxy was killed because it used more memory than allowed."
            " Raise resources.limits.memory, or resources.requests.memory when it has no limit."
        ),
    ),
    "a crash": (
        new_pod().crashed(message=TRACEBACK),
        IRIS,
        "CrashLoop",
        (
            "container model exited with code 1. Last log line: \"ModuleNotFoundError: No module named 'iris'\"."
            f" Logs: {LOG}."
        ),
    ),
    "a crash, just now": (
        new_pod().crashed(message=TRACEBACK, waits=False),
        IRIS,
        "CrashLoop",
        (
            "container model exited with code 1. Last log line: \"ModuleNotFoundError: No module named 'iris'\"."
            f" Logs: {LOG}."
        ),
    ),
    "started again after a crash": (
        new_pod().running(started=False, exitCode=1, reason="Error", message=TRACEBACK),
        IRIS,
        "CrashLoop",
        (
            "container model exited with code 1. Last log line: \"ModuleNotFoundError: No module named 'iris'\"."
            f" Logs: {LOG}."
        ),
    ),
    "a server that exits": (
        new_pod().crashed(reason="Completed", exitCode=0),
        IRIS,
        "CrashLoop",
        (f"container model exited with code 0 (a server must keep running). No termination message. Logs: {LOG}."),
    ),
    "never ready": (
        new_pod().running(started=True),
        IRIS,
        "Starting",
        "container model is running but not ready: its readiness probe checks a TCP connection to port 8080.",
    ),
    "an injected init container is running": (
        new_pod().container("mesh", init=True, state={"running": {}}).waiting("PodInitializing"),
        IRIS,
        "Starting",
        "init container mesh is running.",
    ),
    "the server starts": (
        new_pod().running(started=False),
        IRIS,
        "Starting",
        (
            "container model is running but has not passed its startup probe."
            " If the server listens on a port other than 8080, change containerPort."
        ),
    ),
    "a container is being created": (
        new_pod().waiting("ContainerCreating"),
        IRIS,
        "Starting",
        "container model is starting.",
    ),
    "volumes are being mounted": (
        new_pod().waiting("ContainerCreating").with_condition("PodReadyToStartContainers", "False"),
        IRIS,
        "Starting",
        "container model is starting. Waiting for its volumes and network.",
    ),
    "the kubelet has not reported yet": (
        PodBuilder(conditions=(), containers={}, phase="Pending"),
        IRIS,
        "Starting",
        "the pod is starting.",
    ),
    "the node is lost": (
        new_pod().unready(),
        IRIS,
        "PodNotReady",
        "the containers are ready but the pod is not: its node may be lost. Check the nodes: kubectl get nodes.",
    ),
    "a readiness gate is not set": (
        new_pod().with_condition(
            "Ready",
            "False",
            reason="ReadinessGatesNotReady",
            message='corresponding condition of pod readiness gate "lb.example.com/ready" does not exist.',
        ),
        IRIS,
        "PodNotReady",
        (
            'corresponding condition of pod readiness gate "lb.example.com/ready" does not exist.'
            " The controller that manages the readiness gate must set it."
        ),
    ),
}


@pytest.mark.parametrize(("pod", "service", "reason", "message"), PROBLEMS.values(), ids=PROBLEMS)
def test_pod_problem_is_reported_with_advice(
    pod: PodBuilder, service: ModelServiceBuilder, reason: str, message: str
) -> None:
    found = unready(pod, new_pod().named("zzzzz"), service=service)
    assert found == (reason, f"1 of 2 pods: {message}")
    # A second pod with the same problem is counted; its name does not matter.
    again = unready(pod, pod.named("bbbbb"), service=service)
    assert again == (reason, f"2 of 2 pods: {message}")


def test_running_loader_is_starting() -> None:
    pod = new_pod().container("model-loader", init=True, state={"running": {}}).waiting("PodInitializing")
    assert unready(pod) == ("Starting", "The only pod: the model is being loaded.")


@pytest.mark.parametrize("reason", sorted(LOADER_REASONS))
def test_loader_reason_is_reported(reason: str) -> None:
    report = {"reason": reason, "message": "s3://models/iris/v3?X-Amz-Signature=canary: no", "uri": "s3://models"}
    message = "the model cannot be loaded: s3://models/iris/v3: no."
    assert unready(loader(report)) == (str(reason), f"The only pod: {message}")


def test_deeply_nested_loader_report_becomes_text() -> None:
    assert unready(loader("[" * 100_000))[0] == "LoaderFailed"


def test_completed_init_container_is_not_a_problem() -> None:
    done = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    pod = new_pod().container("model-loader", init=True, state=done).waiting("PodInitializing")
    assert unready(pod) == ("Starting", "The only pod: container model-loader is starting.")


@pytest.mark.parametrize(
    ("probe", "target"),
    [
        ({"tcpSocket": {"port": 9000}}, "a TCP connection to port 9000"),
        ({"httpGet": {"path": "/ok"}}, "HTTP GET /ok on port 5000"),
        ({"httpGet": {"path": "/ok", "port": 81}}, "HTTP GET /ok on port 81"),
        ({"grpc": {}}, "gRPC health on port 5000"),
        ({"exec": {"command": ["true"]}}, "the exit code of a command in the container"),
        ({"periodSeconds": 9}, "a TCP connection to port 5000"),
    ],
)
def test_probe_target_is_reported_without_events(probe: dict[str, Any], target: str) -> None:
    service = IRIS.with_spec(containerPort=5000, probes={"readiness": probe})
    message = f"The only pod: container model is running but not ready: its readiness probe checks {target}."
    assert unready(new_pod().running(started=True), service=service) == ("Starting", message)


@pytest.mark.parametrize(
    ("note", "words"),
    [
        (
            "Readiness probe failed: dial tcp 198.18.0.9:5000: connect: connection refused",
            "Readiness probe failed: nothing listens on port 5000.",
        ),
        (
            'Readiness probe failed: Get "http://198.18.0.9:8080/healthz": context deadline exceeded',
            'Readiness probe failed: Get "http://:8080/healthz": context deadline exceeded.',
        ),
        (
            "Readiness probe failed: dial tcp [fd00::9]:5000: connect: connection refused",
            "Readiness probe failed: nothing listens on port 5000.",
        ),
        ("Readiness probe failed: HTTP probe failed with statuscode: 503", None),
    ],
)
def test_readiness_probe_event_is_reported(note: str, words: str | None) -> None:
    message = f"container model is running but fails its readiness probe: {words or note + '.'} {OTHER_PORT}"
    found = unready(new_pod().running(started=True), pod_event_messages=(note,))
    assert found == ("ProbeFailing", f"The only pod: {message}")


def test_startup_probe_event_is_reported() -> None:
    note = "Startup probe failed: dial tcp 198.18.0.9:8080: connect: connection refused"
    reason, message = unready(new_pod().running(started=False), pod_event_messages=(note,))
    assert reason == "Starting"
    assert "has not passed its startup probe: Startup probe failed: nothing listens on port 8080." in message


def test_container_killed_by_its_probe_is_probe_failing() -> None:
    note = "Liveness probe failed: HTTP probe failed with statuscode: 500"
    killed = new_pod().running(started=False, exitCode=137, reason="Error")
    message = (
        "container model keeps being restarted by its liveness probe: Liveness probe failed: HTTP probe failed with"
    )
    assert unready(killed, pod_event_messages=(note,)) == (
        "ProbeFailing",
        f"The only pod: {message} statuscode: 500. {OTHER_PORT}",
    )
    assert "exited with code 137 (killed by SIGKILL)" in unready(killed)[1]


def test_volume_event_is_reported() -> None:
    note = 'MountVolume.SetUp failed for volume "config" : configmap "nope" not found'
    pod = new_pod().waiting("ContainerCreating").with_condition("PodReadyToStartContainers", "False")
    hint = "Create the Secret, ConfigMap or claim that the volume references; pods recover automatically."
    assert unready(pod, pod_event_messages=(note,)) == ("VolumePending", f"The only pod: {note}. {hint}")
    # An event of an earlier moment: the volumes are there.
    assert unready(new_pod().waiting("ContainerCreating"), pod_event_messages=(note,))[0] == "Starting"


def test_evicted_pod_is_reported_until_it_is_replaced() -> None:
    evicted = new_pod().in_phase("Failed", reason="Evicted", message="The node was low on resource: memory.")
    text = "A pod failed (Evicted: The node was low on resource: memory). A replacement is being created."
    assert unready(evicted, new_pod().waiting("ContainerCreating")) == ("PodFailed", text)
    silent = unready(new_pod().in_phase("Failed"))[1]
    assert silent == "A pod failed (no reason given). A replacement is being created."
    # It is not counted.
    crash = new_pod().named("bbbbb").crashed()
    assert unready(evicted, crash)[1].startswith("The only pod: container model exited")


def test_terminating_and_old_pods_are_ignored() -> None:
    going, old = new_pod().crashed().being_deleted(), new_pod().of_revision(OLD_HASH).crashed()
    assert unready(going, old) == ("RolloutInProgress", "0 of 2 replicas of this revision are available.")
    # Ready pods have to be so for a while (minReadySeconds).
    assert unready(new_pod())[0] == "RolloutInProgress"


def test_probe_failing_ranks_between_crash_and_starting() -> None:
    starting, failing, crashed = new_pod().running(started=False), new_pod().running(started=True), new_pod().crashed()
    note = ("Readiness probe failed: HTTP probe failed with statuscode: 503",)
    assert unready(starting.named("aaaaa"), failing.named("bbbbb"), pod_event_messages=note)[0] == "ProbeFailing"
    assert unready(crashed.named("aaaaa"), failing.named("bbbbb"), pod_event_messages=note)[0] == "CrashLoop"


def test_event_about_another_probe_is_ignored() -> None:
    found = unready(new_pod().running(started=True), pod_event_messages=("Startup probe failed: of an earlier time",))
    assert found[0] == "Starting"


def test_most_important_problem_is_reported() -> None:
    problems = [
        new_pod().running(started=True),
        new_pod().crashed(),
        new_pod().crashed(reason="OOMKilled", exitCode=137),
        loader("no"),
        new_pod().waiting("CreateContainerConfigError", 'secret "store" not found'),
        pulling("ErrImagePull", NOT_FOUND),
        new_pod().unschedulable(NO_NODE),
    ]
    pods = [pod.named(f"{number:05}") for number, pod in enumerate(problems)]
    reasons = [unready(*pods[: count + 1])[0] for count in range(len(pods))]
    assert reasons == [
        "Starting",
        "CrashLoop",
        "OOMKilled",
        "LoaderFailed",
        "CreateContainerConfigError",
        "ImagePull",
        "Unschedulable",
    ]
    assert unready(*pods, refused="exceeded quota: compute")[0] == "Unschedulable"
    assert unready(*pods[:-1], refused="exceeded quota: compute")[0] == "QuotaExceeded"
    assert len(set(REASONS_BY_PRIORITY)) == len(REASONS_BY_PRIORITY)


def test_most_important_container_problem_is_reported() -> None:
    pod = new_pod().running(started=True).crashed(name="proxy")
    assert unready(pod)[0] == "CrashLoop"


def test_complete_rollout_is_ready_despite_pod_problems() -> None:
    found = reported(snapshot(new_pod().crashed(), rollout=deployment_status()))
    assert found == ("True", "RolloutComplete", "All 2 replicas are available.")


def test_exceeded_deadline_is_stalled_and_ready_has_the_cause() -> None:
    gave_up = {"Progressing": {"status": "False", "reason": "ProgressDeadlineExceeded"}}
    found = snapshot(pulling("ErrImagePull", NOT_FOUND), rollout=deployment_status(available=0, conditions=gave_up))
    assert unready(pulling("ErrImagePull", NOT_FOUND), rollout=found.rollout)[0] == "ImagePull"
    for kind, status in (("Stalled", "True"), ("Progressing", "False")):
        entry = reported(found, kind)
        assert entry is not None
        assert entry[:2] == (status, "ProgressDeadlineExceeded")
    assert reported(found, "Reconciling") is None


@pytest.mark.parametrize(
    ("pod", "asked"),
    [
        (new_pod().running(started=True), True),
        (new_pod().running(started=False), True),
        (new_pod().running(started=False, exitCode=137, reason="Error"), True),
        (new_pod().waiting("ContainerCreating").with_condition("PodReadyToStartContainers", "False"), True),
        (new_pod().waiting("ContainerCreating"), False),
        (new_pod().running(started=False, exitCode=1, reason="Error"), True),
        (new_pod().crashed(exitCode=1, message="no"), False),
        (new_pod().unschedulable(NO_NODE), False),
        (pulling("ErrImagePull", "not found"), False),
        (new_pod(), False),
    ],
)
def test_pod_needing_events_is_one_that_events_can_explain(pod: PodBuilder, *, asked: bool) -> None:
    found = snapshot(pod.named("bbbbb"))
    assert diagnose(found).pod_needing_events == (found.pods[0].uid if asked else None)


def test_pod_needing_events_is_none_for_a_worse_problem() -> None:
    found = snapshot(new_pod().running(started=True), new_pod().named("bbbbb").unschedulable(NO_NODE))
    assert diagnose(found).pod_needing_events is None
