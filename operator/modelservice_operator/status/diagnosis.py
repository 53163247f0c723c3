"""Why pods are not ready: of each pod its most telling trouble, of all pods the most telling one, with a count."""

import re
from dataclasses import dataclass

from modelservice_operator.api.v1alpha1.pods import Probe, Probes
from modelservice_operator.resources.metadata import CONTAINER_NAME, LOADER_NAME
from modelservice_operator.status.loader_report import Report
from modelservice_operator.status.pods import Container, Pod, Termination
from modelservice_operator.status.reasons import LOADER_REASONS, Reason
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import find_advice, last_line, normalize, probe_message, truncate, with_full_stop

_IMAGE_PULL_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
"""Waiting reasons of the kubelet (pkg/kubelet/images/types.go)."""
_START_ERROR_REASONS = frozenset({"CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"})
"""Waiting reasons of the kubelet, and reasons of an ending that containerd gives."""
_KILL_EXIT_CODES = frozenset({137, 143})
"""Exit codes after SIGKILL and SIGTERM."""
_VOLUME_MESSAGE_PREFIXES = ("MountVolume", "AttachVolume", "MapVolume", "Unable to attach or mount volumes")
"""How the kubelet and the attach-detach controller begin what they say of volumes."""
_ENDED_PHASES = frozenset({"Failed", "Succeeded"})

_SCHEDULING_ADVICE = (
    (r"insufficient", "Lower resources.requests, or add nodes with more capacity."),
    (r"taint", "Set tolerations for the taint, or add nodes without it."),
    (r"affinity|selector", "Change nodeSelector or affinity to match the labels of a node."),
    (r"spread", "Relax topologySpreadConstraints, or add nodes."),
    (r"gate", "The controller that set the scheduling gate must remove it."),
)
_CLAIM_ADVICE = (
    (r"unbound", "Set an existing StorageClass on the claim, or create a PersistentVolume for it."),
    (r"not found", "Create the PersistentVolumeClaim, or correct the name of the claim."),
    (r"affinity", "The volume is restricted to nodes that cannot run the pod: free capacity on one of them."),
)
_MOUNT_ADVICE = "Create the Secret, ConfigMap or claim that the volume references; pods recover automatically."
_CONFIG_ADVICE = (
    (r"find key", "Add the key, or correct its name in env; pods recover automatically."),
    (r"secret .*not found", "Create the Secret; pods recover automatically."),
    (r"configmap .*not found", "Create the ConfigMap; pods recover automatically."),
    (r"non-?root", "Leave runAsUser at its default, or set the UID of a non-root user of the image."),
)
_START_ADVICE = (
    (r"executable file not found|no such file", "Correct command, or use an image that contains it."),
    (r"permission denied", "Make the file that command names executable for runAsUser."),
)
_UNAUTHORISED = (
    r"\b40[13]\b|unauthori[sz]ed|forbidden|authori[sz]ation|authentication|basic auth|access denied|pull access"
)
_PULL_ADVICE = (
    (
        r"too ?many ?requests|\b429\b",
        "The registry limits the pull rate: wait, or pull with credentials (imagePullSecrets).",
    ),
    (r"no match for platform", "Build the image for the architecture of the nodes."),
    (r"never", "imagePullPolicy is Never: load the image onto the node, or change the policy."),
    (r"not found|manifest unknown|invalid", "Correct the name or the tag of the image."),
    (
        r"no such host|timeout|timed out|refused|x509|tls|unreachable|no route|EOF",
        "The nodes cannot reach the registry: check its name, its certificate and the network.",
    ),
)
_ERROR_PREFIXES = re.compile(
    r"^(?:ErrImagePull: |rpc error: code = \w+ desc = |failed to pull (?:and unpack )?image \"[^\"]*\": "
    r"|failed to resolve (?:image|reference \"[^\"]*\"): |[Bb]ack-off pulling image \"[^\"]*\"(?:: |$))+"
)
_EXIT_HINTS = {
    0: "a server must keep running",
    126: "the command is not executable",
    127: "the command was not found",
    137: "killed by SIGKILL",
    139: "segmentation fault",
    143: "terminated by SIGTERM",
}

REASONS_BY_PRIORITY = (
    Reason.UNSCHEDULABLE,
    Reason.QUOTA_EXCEEDED,
    Reason.ADMISSION_DENIED,
    Reason.REPLICA_FAILURE,
    Reason.IMAGE_PULL,
    Reason.CREATE_CONTAINER_CONFIG_ERROR,
    Reason.CONTAINER_START_ERROR,
    *sorted(LOADER_REASONS),
    Reason.LOADER_FAILED,
    Reason.OOM_KILLED,
    Reason.CRASH_LOOP,
    Reason.PROBE_FAILING,
    Reason.VOLUME_PENDING,
    Reason.POD_NOT_READY,
    Reason.POD_FAILED,
    Reason.STARTING,
)
"""What pods can suffer from, most telling first: what keeps most of them from being made or started."""
_EXPLAINED_BY_EVENTS = frozenset({Reason.CRASH_LOOP, Reason.PROBE_FAILING, Reason.VOLUME_PENDING, Reason.STARTING})


@dataclass(frozen=True, slots=True)
class Finding:
    """What one pod suffers from: what is, and what to do."""

    reason: Reason
    text: str
    covers_all_pods: bool = False
    """It is about all pods, so that counts would say nothing."""

    @property
    def rank(self) -> tuple[int, str]:
        """Order of telling: the reason first; the text makes the order of the pods irrelevant."""
        return REASONS_BY_PRIORITY.index(self.reason), self.text


def diagnose(observed: Snapshot, *, refusal: Finding | None = None) -> Finding | None:
    """The most telling trouble, with its count; `refusal` is why further pods cannot be created."""
    findings = _findings(observed)
    found = [finding for _, finding in findings if finding is not None]
    worst = min([*found, *([refusal] if refusal else [])], key=lambda finding: finding.rank, default=None)
    if worst is None or worst.covers_all_pods:
        return worst
    total = sum(pod.phase not in _ENDED_PHASES for pod, _ in findings)
    count = sum(finding.reason is worst.reason for finding in found)
    who = "the only pod" if total == 1 else f"{count} of {total} pods"
    return Finding(worst.reason, f"{who}: {worst.text}")


def pod_needing_events(observed: Snapshot) -> str | None:
    """UID of the pod of which only its Events can say more; None when none is in trouble, or pods say it themselves."""
    found = [(finding, pod) for pod, finding in _findings(observed) if finding is not None]
    if not found:
        return None
    finding, pod = min(found, key=lambda pair: (pair[0].rank, pair[1].name))
    return pod.uid if finding.reason in _EXPLAINED_BY_EVENTS and _has_event_evidence(pod) else None


def _has_event_evidence(pod: Pod) -> bool:
    """Whether it waits for volumes, or a probe may keep it from being ready: neither is in a pod's status."""
    probed = any(one.running and not one.init and not one.ready for one in pod.containers)
    killed = any(
        one.last_termination is not None and one.last_termination.exit_code in _KILL_EXIT_CODES
        for one in pod.containers
    )
    return probed or killed or _waits_for_volumes(pod)


def _findings(observed: Snapshot) -> list[tuple[Pod, Finding | None]]:
    return [(pod, diagnose_pod(pod, observed)) for pod in map(Pod.of, observed.current_pods)]


def diagnose_pod(pod: Pod, observed: Snapshot) -> Finding | None:
    """What this pod suffers from; None when it is ready."""
    if pod.phase in _ENDED_PHASES:
        return _failed(pod, observed)
    if pod.ready:
        return None
    if (unscheduled := pod.condition("PodScheduled")).get("status") == "False":
        return _unscheduled(unscheduled.get("message") or unscheduled.get("reason") or "", observed)
    unready = [container for container in pod.containers if not container.ready]
    found = [finding for one in unready if (finding := _container_problem(one, pod, observed)) is not None]
    if found:
        # The first of equals: containers of the pod start only after its init containers.
        return min(found, key=lambda finding: finding.rank[0])
    return _diagnose_pod_condition(pod, observed)


def _failed(pod: Pod, observed: Snapshot) -> Finding:
    why = normalize(": ".join(part for part in (pod.reason, pod.message) if part), observed)
    cause = truncate(why or "no reason given").rstrip(" .")
    text = f"A pod failed ({cause}). A replacement is being created."
    return Finding(Reason.POD_FAILED, text, covers_all_pods=True)


def _unscheduled(message: str, observed: Snapshot) -> Finding:
    why = normalize(message, observed)
    # The rest is not a cause: the attempt to preempt other pods, or a fragment that the scheduler appends.
    why = why.partition(" preemption:")[0].removesuffix(". not found")
    why = with_full_stop(truncate(why or "no reason given"))
    if "persistentvolumeclaim" in why.lower() or "volume node affinity" in why:
        what = find_advice(why, _CLAIM_ADVICE, otherwise="Check the PersistentVolumeClaims of the namespace.")
        return Finding(Reason.VOLUME_PENDING, f"{why} {what}")
    what = find_advice(why, _SCHEDULING_ADVICE, otherwise="Change the pod's requirements, or add nodes.")
    return Finding(Reason.UNSCHEDULABLE, f"cannot be scheduled: {why} {what}")


def _diagnose_pod_condition(pod: Pod, observed: Snapshot) -> Finding:
    if pod.phase != "Running":
        return _starting("the pod is starting", pod, observed)
    ready = pod.condition("Ready")
    if ready.get("reason") == "ReadinessGatesNotReady":
        why = with_full_stop(truncate(normalize(ready.get("message") or "a readiness gate is not set", observed)))
        return Finding(Reason.POD_NOT_READY, f"{why} The controller that manages the readiness gate must set it.")
    text = "the containers are ready but the pod is not: its node may be lost. Check the nodes: kubectl get nodes."
    return Finding(Reason.POD_NOT_READY, text)


def _container_problem(container: Container, pod: Pod, observed: Snapshot) -> Finding | None:
    """What this container, which is not ready, suffers from."""
    if container.waiting in _IMAGE_PULL_REASONS:
        return _image(container, observed)
    if container.waiting == "CreateContainerConfigError":
        return _config(container, observed)
    ended = container.last_termination
    if container.waiting in _START_ERROR_REASONS or (ended is not None and ended.reason in _START_ERROR_REASONS):
        return _start_error(container, observed)
    if ended is not None and not (container.init and ended.exit_code == 0):
        return _terminated(container, ended, observed)
    if container.running:
        return _running(container, pod, observed)
    return _starting(f"container {container.name} is starting", pod, observed)


def _image(container: Container, observed: Snapshot) -> Finding:
    cause = truncate(_pull_cause(normalize(container.message, observed)))
    spec = observed.service.spec
    what = f'image "{spec.image}"' if container.name == CONTAINER_NAME else f"the image of container {container.name}"
    cause = cause or (
        "the name is invalid" if container.waiting == "InvalidImageName" else "the node reported no cause"
    )
    secrets = ", ".join(secret.name for secret in spec.image_pull_secrets or ())
    allowed = (
        f"Check that Secret {secrets} contains credentials for this registry."
        if secrets
        else "Set imagePullSecrets to a Secret with credentials for this registry, and check the name of the image."
    )
    table = ((_UNAUTHORISED, allowed), *_PULL_ADVICE)
    hint = find_advice(f"{container.waiting} {cause}", table, otherwise="Check image and imagePullSecrets.")
    return Finding(Reason.IMAGE_PULL, f"{what} cannot be pulled: {with_full_stop(cause)} {hint}")


def _pull_cause(message: str) -> str:
    """Without the wrappings of kubelet, CRI and containerd, which differ between a pull and its back-off."""
    return _ERROR_PREFIXES.sub("", message)


def _config(container: Container, observed: Snapshot) -> Finding:
    why = with_full_stop(truncate(normalize(container.message or "no reason given", observed)))
    hint = find_advice(why, _CONFIG_ADVICE, otherwise="Check env, mounts and runAsUser.")
    text = f"container {container.name} cannot be created: {why} {hint}"
    return Finding(Reason.CREATE_CONTAINER_CONFIG_ERROR, text)


def _start_error(container: Container, observed: Snapshot) -> Finding:
    told = container.message if container.waiting in _START_ERROR_REASONS else ""
    told = told or (container.last_termination.message if container.last_termination else "")
    why = normalize(told, observed)
    # The runtime's own story comes first, what the kernel said last: from `exec:` on it is the same in each state.
    why = with_full_stop(truncate(why[max(why.find("exec: "), 0) :] or "no reason given"))
    hint = find_advice(why, _START_ADVICE, otherwise="Check command, args, workingDir and mounts.")
    return Finding(Reason.CONTAINER_START_ERROR, f"container {container.name} cannot be started: {why} {hint}")


def _terminated(container: Container, ended: Termination, observed: Snapshot) -> Finding:
    if ended.reason == "OOMKilled":
        return _out_of_memory(container, observed)
    if container.name == LOADER_NAME:
        return loader_finding(ended, observed)
    note = _event_message(observed, "Startup probe", "Liveness probe")
    if ended.exit_code in _KILL_EXIT_CODES and note:
        kind = "startup probe" if note.startswith("Startup probe") else "liveness probe"
        text = f"container {container.name} keeps being restarted by its {kind}: {_probe(note, observed)}"
        return Finding(Reason.PROBE_FAILING, text)
    return _crash(container, ended, observed)


def _out_of_memory(container: Container, observed: Snapshot) -> Finding:
    if container.name == LOADER_NAME:
        hint = "Raise model.loader.resources.limits.memory."
    elif limit := _memory_limit(observed) if container.name == CONTAINER_NAME else None:
        hint = f"Its limit is {limit}: raise resources.limits.memory."
    else:
        hint = "Raise resources.limits.memory, or resources.requests.memory when it has no limit."
    text = f"container {container.name} was killed because it used more memory than allowed. {hint}"
    return Finding(Reason.OOM_KILLED, text)


def _memory_limit(observed: Snapshot) -> str | None:
    resources = observed.service.spec.resources
    return ((resources and resources.limits) or {}).get("memory")


def loader_finding(ended: Termination, observed: Snapshot) -> Finding:
    """Why a loader failed, in its own words, which say what to do; another's loader may have no such words."""
    report = Report.of(ended)
    reason = next((reason for reason in LOADER_REASONS if reason == report.reason), Reason.LOADER_FAILED)
    why = last_line(report.message, observed) or f"the loader exited with code {ended.exit_code} and no message"
    hint = "" if report.reason else " Check model.uri and model.credentials."
    return Finding(reason, f"the model cannot be loaded: {with_full_stop(why)}{hint}")


def _crash(container: Container, ended: Termination, observed: Snapshot) -> Finding:
    hint = _EXIT_HINTS.get(ended.exit_code)
    code = f"{ended.exit_code} ({hint})" if hint is not None else str(ended.exit_code)
    line = last_line(ended.message, observed)
    output = f'Last log line: "{line}".' if line else "No termination message."
    metadata = observed.service.metadata
    log = f"kubectl logs -n {metadata.namespace} deployment/{metadata.name} -c {container.name} --previous"
    return Finding(Reason.CRASH_LOOP, f"container {container.name} exited with code {code}. {output} Logs: {log}.")


def _running(container: Container, pod: Pod, observed: Snapshot) -> Finding:
    if container.name == LOADER_NAME:
        return _starting("the model is being loaded", pod, observed)
    if container.init:
        return _starting(f"init container {container.name} is running", pod, observed)
    if not container.started:
        note = _event_message(observed, "Startup probe")
        told = f": {probe_message(note, observed)}" if note else ""
        text = f"container {container.name} is running but has not passed its startup probe{told}"
        hint = f"If the server listens on a port other than {_port(observed)}, change containerPort."
        return _starting(text, pod, observed, hint=hint)
    if not (note := _event_message(observed, "Readiness probe")):
        # Nobody has said that it fails: a server that has just started has not been asked yet.
        text = f"container {container.name} is running but not ready: its readiness probe checks {_target(observed)}"
        return _starting(text, pod, observed)
    text = f"container {container.name} is running but fails its readiness probe: {_probe(note, observed)}"
    return Finding(Reason.PROBE_FAILING, text)


def _probe(note: str, observed: Snapshot) -> str:
    """What a probe found, or what it asks, and what to do."""
    found = probe_message(note, observed) or f"it checks {_target(observed)}"
    return f"{with_full_stop(found)} Make the server respond, or change containerPort or probes."


def _target(observed: Snapshot) -> str:
    """What the readiness probe asks for."""
    probe = (observed.service.spec.probes or Probes()).readiness or Probe()
    if probe.exec is not None:
        return "the exit code of a command in the container"
    if probe.http_get is not None:
        return f"HTTP GET {probe.http_get.path} on port {probe.http_get.port or _port(observed)}"
    if probe.grpc is not None:
        return f"gRPC health on port {probe.grpc.port or _port(observed)}"
    port = probe.tcp_socket.port if probe.tcp_socket is not None else None
    return f"a TCP connection to port {port or _port(observed)}"


def _port(observed: Snapshot) -> int:
    return observed.service.spec.container_port


def _starting(what: str, pod: Pod, observed: Snapshot, *, hint: str = "") -> Finding:
    note = _event_message(observed, *_VOLUME_MESSAGE_PREFIXES)
    unmounted = _waits_for_volumes(pod)
    if unmounted and note:
        return Finding(Reason.VOLUME_PENDING, f"{with_full_stop(truncate(normalize(note, observed)))} {_MOUNT_ADVICE}")
    if unmounted and not hint:
        hint = "Waiting for its volumes and network."
    return Finding(Reason.STARTING, f"{with_full_stop(what)} {hint}".strip())


def _waits_for_volumes(pod: Pod) -> bool:
    return pod.condition("PodReadyToStartContainers").get("status") == "False"


def _event_message(observed: Snapshot, *subjects: str) -> str:
    """The newest note that is about one of the subjects; empty when there is none."""
    return next((note for note in observed.pod_event_messages if note.startswith(subjects)), "")
