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
            " Lower resources.requests, or add nodes with more capacity. spec.resources is not set, so the defaults of"
            " 500m CPU and 512Mi memory apply. To remove the taint gpu from a node: kubectl taint nodes NODE gpu-."
        ),
    ),
    "a cordoned node": (
        new_pod().unschedulable(
            "0/2 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: },"
            " 1 node(s) were unschedulable."
        ),
        IRIS,
        "Unschedulable",
        (
            "cannot be scheduled: 0/2 nodes are available: 1 node(s) had untolerated taint"
            " {node-role.kubernetes.io/control-plane: }, 1 node(s) were unschedulable. Set tolerations for the taint,"
            " or add nodes without it. For a cordoned node (SchedulingDisabled in kubectl get nodes): kubectl uncordon"
            " NODE."
        ),
    ),
    "scheduling gates": (
        new_pod().gated("example.com/z", "example.com/a"),
        IRIS,
        "SchedulingGated",
        (
            "not scheduled yet because of the scheduling gate example.com/a, example.com/z."
            " The controller that set the gate must remove it."
        ),
    ),
    "a Kueue queue": (
        new_pod().gated("kueue.x-k8s.io/admission"),
        IRIS.with_spec(podLabels={"kueue.x-k8s.io/queue-name": "team-a"}),
        "SchedulingGated",
        (
            "not scheduled yet because of the scheduling gate kueue.x-k8s.io/admission. Kueue admits the pod when it"
            " has quota in the queue team-a: kubectl get workloads -n ml."
        ),
    ),
    "a full disk": (
        new_pod().unschedulable(
            "0/1 nodes are available: 1 node(s) had untolerated taint(s) {node.kubernetes.io/disk-pressure: }."
        ),
        IRIS,
        "Unschedulable",
        (
            "cannot be scheduled: 0/1 nodes are available: 1 node(s) had untolerated taint(s)"
            " {node.kubernetes.io/disk-pressure: }. The disk of a node is full: free space on it, or add nodes."
        ),
    ),
    "no free device": (
        new_pod().unschedulable("0/3 nodes are available: 3 Insufficient nvidia.com/gpu."),
        IRIS.with_spec(resources={"limits": {"nvidia.com/gpu": "1"}}),
        "Unschedulable",
        (
            "cannot be scheduled: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu. Lower the number in"
            " resources.limits, add nodes with free devices, or install the device plugin on the nodes."
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
    "a missing claim": (
        new_pod().unschedulable('persistentvolumeclaim "absent" not found. not found.'),
        IRIS,
        "VolumePending",
        (
            'persistentvolumeclaim "absent" not found.'
            " Create the PersistentVolumeClaim, or correct the name of the claim."
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
    "the registry does not use TLS": (
        pulling(
            "ErrImagePull",
            'failed to do request: Head "https://registry.local/v2/iris/manifests/9": http: server gave HTTP response'
            " to HTTPS client",
        ),
        IMAGE,
        "ImagePull",
        (
            'image "registry.local/iris:9" cannot be pulled: failed to do request: Head'
            ' "https://registry.local/v2/iris/manifests/9": http: server gave HTTP response to HTTPS client. The'
            " registry does not use TLS: set it up, or allow HTTP for it in the container runtime of the nodes."
        ),
    ),
    "the image is larger than the disk": (
        pulling("ErrImagePull", "failed to extract layer sha256:ab: write /var/lib/x: no space left on device"),
        IMAGE,
        "ImagePull",
        (
            'image "registry.local/iris:9" cannot be pulled: failed to extract layer sha256:ab: write /var/lib/x: no'
            " space left on device. The disk of the node is full: free space on it, or use a smaller image."
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
    "an image of another architecture": (
        new_pod().waiting("RunContainerError", 'runc create failed: exec: "/serve": exec format error'),
        IRIS,
        "ContainerStartError",
        (
            'container model cannot be started: exec: "/serve": exec format error.'
            " Build the image for the architecture of the nodes, or set nodeSelector."
        ),
    ),
    "a working directory of root": (
        new_pod().waiting(
            "RunContainerError",
            'runc create failed: chdir to cwd ("/root") set in config.json failed: permission denied',
        ),
        IRIS,
        "ContainerStartError",
        (
            'container model cannot be started: runc create failed: chdir to cwd ("/root") set in config.json failed:'
            " permission denied. Set workingDir to a directory that runAsUser may access, such as /tmp."
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
    "out of memory of the node": (
        new_pod().crashed(reason="OOMKilled", exitCode=137),
        IRIS,
        "OOMKilled",
        (
            "container model was killed because it used more memory than allowed. Raise resources.limits.memory, or"
            " resources.requests.memory when it has no limit. spec.resources is not set, so the defaults of 500m CPU"
            " and 512Mi memory apply."
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
            "container model exited with code 1. Log line: \"ModuleNotFoundError: No module named 'iris'\"."
            " The program imports a module that is not in the image. Install it in the image; for a module of the"
            f" application, set workingDir or PYTHONPATH in env. Logs: {LOG}."
        ),
    ),
    "a crash, just now": (
        new_pod().crashed(message=TRACEBACK, waits=False),
        IRIS,
        "CrashLoop",
        (
            "container model exited with code 1. Log line: \"ModuleNotFoundError: No module named 'iris'\"."
            " The program imports a module that is not in the image. Install it in the image; for a module of the"
            f" application, set workingDir or PYTHONPATH in env. Logs: {LOG}."
        ),
    ),
    "started again after a crash": (
        new_pod().running(started=False, exitCode=1, reason="Error", message=TRACEBACK),
        IRIS,
        "CrashLoop",
        (
            "container model exited with code 1. Log line: \"ModuleNotFoundError: No module named 'iris'\"."
            " The program imports a module that is not in the image. Install it in the image; for a module of the"
            f" application, set workingDir or PYTHONPATH in env. Logs: {LOG}."
        ),
    ),
    "a server that exits": (
        new_pod().crashed(reason="Completed", exitCode=0),
        IRIS,
        "CrashLoop",
        (
            "container model exited with code 0 (a server must keep running). No termination message. The server ended"
            f" without an error. Correct command or args so that it runs in the foreground. Logs: {LOG}."
        ),
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


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (
            "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.4",
            "The NVIDIA driver of the node is not loaded, or too old for the image",
        ),
        ("error mounting x to rootfs at /etc/app.yaml: not a directory", "Correct mountPath or subPath in mounts"),
        ("mkdir /var/lib/containerd/x: no space left on device", "The disk of the node is full: free space on it."),
    ],
)
def test_start_error_is_reported_with_advice(text: str, advice: str) -> None:
    reason, message = unready(new_pod().waiting("CreateContainerError", text))
    assert reason == "ContainerStartError"
    assert advice in message


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


def with_proxy(**fields: Any) -> tuple[PodBuilder, ModelServiceBuilder]:
    """Return a pod whose sidecar is in a state, and its ModelService."""
    service = IRIS.with_spec(sidecars=[{"name": "proxy", "image": "proxy:1"}])
    return new_pod().container("proxy", init=True, **fields).unready(), service


def test_sidecar_that_exits_without_an_error_is_a_crash() -> None:
    done = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    pod, service = with_proxy(state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=done)
    reason, message = unready(pod, service=service)
    assert reason == "CrashLoop"
    assert message.startswith("The only pod: container proxy exited with code 0")


@pytest.mark.parametrize("kind", ["startup", "readiness"])
def test_sidecar_that_fails_its_probe_is_reported(kind: str) -> None:
    pod, service = with_proxy(state={"running": {}}, started=kind == "readiness", ready=False)
    assert unready(pod, service=service) == (
        "Starting",
        f"The only pod: container proxy has not passed its {kind} probe.",
    )
    event = f"{kind.capitalize()} probe failed: HTTP probe failed with statuscode: 503"
    reason, message = unready(pod, service=service, pod_event_messages=(event,))
    assert reason == "ProbeFailing"
    assert message.startswith(f"The only pod: container proxy is running but fails its {kind} probe: {event}.")
    assert message.endswith("Make it respond, or change its probe.")


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


NO_SUCH_SOURCE = 'MountVolume.SetUp failed for volume "model-credentials" : secret "store" not found'
SUMMARY = "Unable to attach or mount volumes: unmounted volumes=[model-credentials]: context deadline exceeded"


@pytest.mark.parametrize("notes", [(NO_SUCH_SOURCE,), (SUMMARY, NO_SUCH_SOURCE), (NO_SUCH_SOURCE, SUMMARY)])
def test_missing_secret_of_the_credentials_is_named(notes: tuple[str, ...]) -> None:
    """The kubelet's summary, which names no Secret, comes every two minutes: the status must not alternate."""
    pod = new_pod().waiting("PodInitializing").with_condition("PodReadyToStartContainers", "False")
    hint = "Create the Secret that model.credentials names; pods recover automatically."
    assert unready(pod, pod_event_messages=notes) == ("VolumePending", f"The only pod: {NO_SUCH_SOURCE}. {hint}")


def test_summary_of_volumes_is_reported_without_a_cause() -> None:
    pod = new_pod().waiting("PodInitializing").with_condition("PodReadyToStartContainers", "False")
    assert unready(pod, pod_event_messages=(SUMMARY,))[1].startswith(f"The only pod: {SUMMARY}")


@pytest.mark.parametrize(
    ("note", "advice"),
    [
        (
            'Multi-Attach error for volume "models" Volume is already used by pod(s) iris',
            (
                "A pod on another node uses the volume: set rollout.type: Recreate, or rollout.maxSurge: 0 and"
                " rollout.maxUnavailable: 1, or use a claim with ReadWriteMany."
            ),
        ),
        (
            (
                'MountVolume.MountDevice failed for volume "models" : kubernetes.io/csi: driver name csi.example.com'
                " not found in the list of registered CSI drivers"
            ),
            "Install the CSI driver on the nodes, or correct its name.",
        ),
    ],
)
def test_volume_event_is_reported_with_advice(note: str, advice: str) -> None:
    pod = new_pod().waiting("ContainerCreating").with_condition("PodReadyToStartContainers", "False")
    found = unready(pod, pod_event_messages=(note,))
    assert found == ("VolumePending", f"The only pod: {note}. {advice}")


def test_evicted_pod_is_reported_until_it_is_replaced() -> None:
    evicted = new_pod().in_phase("Failed", reason="Evicted", message="The node was low on resource: memory.")
    text = (
        "A pod failed (Evicted: The node was low on resource: memory). A replacement is being created."
        " Set resources.requests.memory to what the server uses."
    )
    assert unready(evicted, new_pod().waiting("ContainerCreating")) == ("PodFailed", text)
    silent = unready(new_pod().in_phase("Failed"))[1]
    assert silent == "A pod failed (no reason given). A replacement is being created."
    # It is not counted.
    crash = new_pod().named("bbbbb").crashed()
    assert unready(evicted, crash)[1].startswith("The only pod: container model exited")


@pytest.mark.parametrize(
    ("reason", "message", "advice"),
    [
        (
            "Evicted",
            "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 0.",
            "The disk of the node is full: set resources.requests.ephemeral-storage to what the server writes.",
        ),
        (
            "Evicted",
            "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.",
            "Raise resources.limits.ephemeral-storage.",
        ),
        (
            "Evicted",
            'Usage of EmptyDir volume "tmp" exceeds the limit "1Gi".',
            "Raise the sizeLimit of this volume in mounts or model.cache.",
        ),
        (
            "UnexpectedAdmissionError",
            "Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. Requested: 1",
            "The node has fewer healthy devices than it reports: check its device plugin.",
        ),
        (
            "NodeShutdown",
            "Pod was terminated in response to imminent node shutdown.",
            "A replacement is being created.",
        ),
    ],
)
def test_failed_pod_is_reported_with_advice(reason: str, message: str, advice: str) -> None:
    assert unready(new_pod().in_phase("Failed", reason=reason, message=message))[1].endswith(f" {advice}")


def test_old_revision_that_holds_the_device_is_reported() -> None:
    """The surge deadlock: the old pod is kept until a new one is available, which needs the device of the old one."""
    waiting = new_pod().unschedulable("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
    old = new_pod().of_revision(OLD_HASH)
    service = IRIS.with_spec(resources={"limits": {"nvidia.com/gpu": "1"}})
    deadlock = (
        " Pods of the earlier revision hold nvidia.com/gpu until the new ones are available, so the rollout cannot"
        " progress. Set rollout.type: Recreate, or rollout.maxSurge: 0 and rollout.maxUnavailable: 1."
    )
    assert unready(waiting, old, service=service)[1].endswith(deadlock)
    percent = service.with_spec(rollout={"maxUnavailable": "25%"})  # of 2 replicas: 0
    assert unready(waiting, old, service=percent)[1].endswith(deadlock)
    for pods, other in (
        ((waiting,), service),
        ((waiting, old.being_deleted()), service),
        ((waiting, old.in_phase("Pending")), service),
        ((waiting, old), IRIS),
        ((waiting, old), service.with_spec(rollout={"maxUnavailable": 1})),
        ((waiting, old), service.with_spec(rollout={"maxUnavailable": "50%"})),
        ((new_pod().unschedulable("1 Insufficient cpu."), old), service),
        ((new_pod().unschedulable("1 Insufficient nvidia.com/gpu.shared."), old), service),
    ):
        assert "earlier revision hold" not in unready(*pods, service=other)[1]


def test_gated_pods_are_never_stalled() -> None:
    gave_up = {"Progressing": {"status": "False", "reason": "ProgressDeadlineExceeded"}}
    rollout = deployment_status(available=0, conditions=gave_up)
    found = snapshot(new_pod().gated("kueue.x-k8s.io/admission"), rollout=rollout)
    assert reported(found, "Stalled") is None
    for kind, status in (("Ready", "False"), ("Progressing", "True"), ("Reconciling", "True")):
        entry = reported(found, kind)
        assert entry is not None
        assert entry[:2] == (status, "SchedulingGated")


def test_gate_without_a_name_is_reported() -> None:
    pod = new_pod().unschedulable("Scheduling is blocked due to non-empty scheduling gates", "SchedulingGated")
    assert "because of the scheduling gate of another controller. The controller" in unready(pod)[1]
    kueue = unready(new_pod().gated("kueue.x-k8s.io/admission"))[1]
    assert "when it has quota in a queue: kubectl get workloads" in kueue


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
    assert diagnose(found).pod_needing_events == (found.pods[0] if asked else None)


def test_pod_needing_events_is_none_for_a_worse_problem() -> None:
    found = snapshot(new_pod().running(started=True), new_pod().named("bbbbb").unschedulable(NO_NODE))
    assert diagnose(found).pod_needing_events is None
