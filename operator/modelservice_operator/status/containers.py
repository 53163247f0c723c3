"""Explains why a container is not ready, from its state, its last termination and the Events of its pod."""

import re

from modelservice_operator.api.v1alpha1.probes import Probe, Probes
from modelservice_operator.resources.metadata import CONTAINER_NAME, extra_name_of, is_loader_name
from modelservice_operator.status.advice import (
    CONFIG_ADVICE,
    MISSING_SOURCE_ADVICE,
    MOUNT_ADVICE,
    PULL_ADVICE,
    PULL_UNAUTHORIZED,
    START_ADVICE,
    with_default_requests,
)
from modelservice_operator.status.crash_causes import EXIT_CODE_HINTS
from modelservice_operator.status.crashes import Crash, explain_crash
from modelservice_operator.status.findings import Finding
from modelservice_operator.status.loader_report import Report, reported_reason
from modelservice_operator.status.pods import Container, Pod, Termination
from modelservice_operator.status.reasons import LOADER_REASONS, Reason
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.text import find_advice, last_line, normalize, probe_message, truncate, with_full_stop

IMAGE_PULL_REASONS = frozenset(
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
_OWN_FIELDS = re.compile(r"\bmodel\.(uri|revision|sha256|credentials)\b")
"""Fields that a model and an extra model have, as the messages of the loader name them."""
_LOADER_REASONS = {str(reason): reason for reason in LOADER_REASONS}
_START_ERROR_REASONS = frozenset({"CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"})
"""Waiting reasons of the kubelet and termination reasons of containerd."""
KILL_EXIT_CODES = frozenset({137, 143})
"""Exit codes after SIGKILL and SIGTERM."""
_VOLUME_MESSAGE_PREFIXES = ("MountVolume", "AttachVolume", "MapVolume", "Multi-Attach error")
"""Prefixes of messages about one volume, from the kubelet and the attach-detach controller."""
_VOLUMES_MESSAGE_PREFIX = "Unable to attach or mount volumes"
"""Prefix of the kubelet's summary, every 2 minutes. It has no cause, and would replace a message with one."""
_ERROR_PREFIXES = re.compile(
    r"^(?:ErrImagePull: |rpc error: code = \w+ desc = |failed to pull (?:and unpack )?image \"[^\"]*\": "
    r"|failed to resolve (?:image|reference \"[^\"]*\"): |[Bb]ack-off pulling image \"[^\"]*\"(?:: |$))+"
)
"""Prefixes of kubelet, CRI and containerd, which differ between a pull and its back-off."""


def diagnose_container(container: Container, pod: Pod, snapshot: Snapshot) -> Finding:
    """Return the problem of a container that is not ready."""
    if container.waiting in IMAGE_PULL_REASONS:
        return _image_finding(container, snapshot)
    if container.waiting == "CreateContainerConfigError":
        return _config_finding(container, snapshot)
    last = container.last_termination
    if container.waiting in _START_ERROR_REASONS or (last is not None and last.reason in _START_ERROR_REASONS):
        return _start_finding(container, snapshot)
    if last is not None and not (container.init and last.exit_code == 0):
        return _termination_finding(container, last, snapshot)
    if container.running:
        return _running_finding(container, pod, snapshot)
    return starting_finding(f"container {container.name} is starting", pod, snapshot)


def loader_finding(termination: Termination, snapshot: Snapshot, extra: str | None = None) -> Finding:
    """Return the problem of a loader that failed: that of the extra model `extra`, or of the model."""
    reason, cause = loader_failure(termination, snapshot)
    return Finding(reason, f"{loaded_object(extra)} cannot be loaded: {_with_fields_of(cause, extra)}")


def loader_failure(termination: Termination, snapshot: Snapshot) -> tuple[Reason, str]:
    """Return reason and cause that a loader or resolver reported. A custom one may send no report."""
    report, reason = Report.of(termination), loader_reason(termination)
    cause = last_line(report.message, snapshot) or f"the loader exited with code {termination.exit_code} and no message"
    advice = "" if report.reason else " Check model.uri and model.credentials."
    return reason, f"{with_full_stop(cause)}{advice}"


def loaded_object(extra: str | None) -> str:
    """Return the words for the model, or for the extra model of a name."""
    return "the model" if extra is None else f"the extra model {extra}"


def _with_fields_of(cause: str, extra: str | None) -> str:
    """Return the message of a loader with the fields of an extra model: a loader knows only those of the model."""
    return cause if extra is None else _OWN_FIELDS.sub(rf"model.extra[{extra}].\1", cause)


def loader_reason(termination: Termination) -> Reason:
    """Return the reason that a loader that failed has reported."""
    return _LOADER_REASONS.get(reported_reason(termination), Reason.LOADER_FAILED)


def starting_finding(state: str, pod: Pod, snapshot: Snapshot, *, advice: str = "") -> Finding:
    """Return the finding for a pod that is starting, or for the volume that it is waiting for."""
    message = _event_message(snapshot, *_VOLUME_MESSAGE_PREFIXES) or _event_message(snapshot, _VOLUMES_MESSAGE_PREFIX)
    waiting = waits_for_volumes(pod)
    if waiting and message:
        cause = with_full_stop(truncate(normalize(message, snapshot)))
        advice = find_advice(cause, MOUNT_ADVICE, otherwise=MISSING_SOURCE_ADVICE)
        return Finding(Reason.VOLUME_PENDING, f"{cause} {advice}")
    if waiting and not advice:
        advice = "Waiting for its volumes and network."
    return Finding(Reason.STARTING, f"{with_full_stop(state)} {advice}".strip())


def waits_for_volumes(pod: Pod) -> bool:
    """Return True if the kubelet has not set up the volumes and the network of the pod (KEP-3085)."""
    return pod.condition("PodReadyToStartContainers").get("status") == "False"


def may_fail_probe(container: Container) -> bool:
    """Return True if a probe may keep the container from being ready. Probe results appear only in Events."""
    last = container.last_termination
    unready = container.running and not container.init and not container.ready
    return unready or (last is not None and last.exit_code in KILL_EXIT_CODES)


def _image_finding(container: Container, snapshot: Snapshot) -> Finding:
    spec = snapshot.service.spec
    image = f'image "{spec.image}"' if container.name == CONTAINER_NAME else f"the image of container {container.name}"
    cause = truncate(_ERROR_PREFIXES.sub("", normalize(container.message, snapshot)))
    cause = cause or (
        "the name is invalid" if container.waiting == "InvalidImageName" else "the node reported no cause"
    )
    secrets = ", ".join(secret.name for secret in spec.image_pull_secrets or ())
    credentials_advice = (
        f"Check that Secret {secrets} contains credentials for this registry."
        if secrets
        else "Set imagePullSecrets to a Secret with credentials for this registry, and check the name of the image."
    )
    table = ((PULL_UNAUTHORIZED, credentials_advice), *PULL_ADVICE)
    advice = find_advice(f"{container.waiting} {cause}", table, otherwise="Check image and imagePullSecrets.")
    return Finding(Reason.IMAGE_PULL, f"{image} cannot be pulled: {with_full_stop(cause)} {advice}")


def _config_finding(container: Container, snapshot: Snapshot) -> Finding:
    cause = with_full_stop(truncate(normalize(container.message or "no reason given", snapshot)))
    advice = find_advice(cause, CONFIG_ADVICE, otherwise="Check env, mounts and runAsUser.")
    text = f"container {container.name} cannot be created: {cause} {advice}"
    return Finding(Reason.CREATE_CONTAINER_CONFIG_ERROR, text)


def _start_finding(container: Container, snapshot: Snapshot) -> Finding:
    message = container.message if container.waiting in _START_ERROR_REASONS else ""
    message = message or (container.last_termination.message if container.last_termination else "")
    cause = normalize(message, snapshot)
    # Runtimes wrap the error of the kernel: the text from `exec:` on is the same while waiting and after termination.
    cause = with_full_stop(truncate(cause[max(cause.find("exec: "), 0) :] or "no reason given"))
    advice = find_advice(cause, START_ADVICE, otherwise="Check command, args, workingDir and mounts.")
    return Finding(Reason.CONTAINER_START_ERROR, f"container {container.name} cannot be started: {cause} {advice}")


def _termination_finding(container: Container, last: Termination, snapshot: Snapshot) -> Finding:
    if last.reason == "OOMKilled":
        return _out_of_memory_finding(container, snapshot)
    if is_loader_name(container.name):
        return loader_finding(last, snapshot, extra_name_of(container.name))
    message = _event_message(snapshot, "Startup probe", "Liveness probe")
    if last.exit_code in KILL_EXIT_CODES and message:
        kind = "startup probe" if message.startswith("Startup probe") else "liveness probe"
        text = f"container {container.name} keeps being restarted by its {kind}: {_probe_text(message, snapshot)}"
        return Finding(Reason.PROBE_FAILING, text)
    return _crash_finding(container, last, snapshot)


def _out_of_memory_finding(container: Container, snapshot: Snapshot) -> Finding:
    is_model = container.name == CONTAINER_NAME
    advice = "Raise resources.limits.memory, or resources.requests.memory when it has no limit."
    if is_loader_name(container.name):
        advice = "Raise model.loader.resources.limits.memory."
    elif limit := _memory_limit(snapshot) if is_model else None:
        advice = f"Its limit is {limit}: raise resources.limits.memory."
    elif is_model:
        advice = with_default_requests(advice, snapshot.service.spec)
    text = f"container {container.name} was killed because it used more memory than allowed. {advice}"
    return Finding(Reason.OOM_KILLED, text)


def _memory_limit(snapshot: Snapshot) -> str | None:
    resources = snapshot.service.spec.resources
    return ((resources and resources.limits) or {}).get("memory")


def _crash_finding(container: Container, last: Termination, snapshot: Snapshot) -> Finding:
    hint = EXIT_CODE_HINTS.get(last.exit_code)
    code = f"{last.exit_code} ({hint})" if hint is not None else str(last.exit_code)
    crash = explain_crash(last, snapshot) if container.name == CONTAINER_NAME else Crash()
    output = " ".join(part for part in (_log_excerpt(crash, last, snapshot), crash.advice) if part)
    metadata = snapshot.service.metadata
    log = f"kubectl logs -n {metadata.namespace} deployment/{metadata.name} -c {container.name} --previous"
    return Finding(Reason.CRASH_LOOP, f"container {container.name} exited with code {code}. {output} Logs: {log}.")


def _log_excerpt(crash: Crash, last: Termination, snapshot: Snapshot) -> str:
    """Return the log line with the cause of a crash, or else the last one."""
    if crash.line:
        return f'Log line: "{crash.line}".'
    line = last_line(last.message, snapshot)
    return f'Last log line: "{line}".' if line else "No termination message."


def _running_finding(container: Container, pod: Pod, snapshot: Snapshot) -> Finding:
    if is_loader_name(container.name):
        return starting_finding(f"{loaded_object(extra_name_of(container.name))} is being loaded", pod, snapshot)
    if container.init:
        return starting_finding(f"init container {container.name} is running", pod, snapshot)
    if container.name != CONTAINER_NAME:
        return _running_sidecar_finding(container, pod, snapshot)
    if not container.started:
        message = _event_message(snapshot, "Startup probe")
        result = f": {probe_message(message, snapshot)}" if message else ""
        text = f"container {container.name} is running but has not passed its startup probe{result}"
        advice = f"If the server listens on a port other than {_port(snapshot)}, change containerPort."
        return starting_finding(text, pod, snapshot, advice=advice)
    if not (message := _event_message(snapshot, "Readiness probe")):
        # No failure was reported: a server that has just started may not have been probed yet.
        text = f"container {container.name} is running but not ready: its readiness probe checks {_target(snapshot)}"
        return starting_finding(text, pod, snapshot)
    text = f"container {container.name} is running but fails its readiness probe: {_probe_text(message, snapshot)}"
    return Finding(Reason.PROBE_FAILING, text)


def _running_sidecar_finding(container: Container, pod: Pod, snapshot: Snapshot) -> Finding:
    kind = "readiness" if container.started else "startup"
    message = probe_message(_event_message(snapshot, f"{kind.capitalize()} probe"), snapshot)
    if not message:
        return starting_finding(f"container {container.name} has not passed its {kind} probe", pod, snapshot)
    text = f"container {container.name} is running but fails its {kind} probe: {with_full_stop(message)}"
    return Finding(Reason.PROBE_FAILING, f"{text} Make it respond, or change its probe.")


def _probe_text(message: str, snapshot: Snapshot) -> str:
    """Return the result of a probe, or else its target, with the advice."""
    result = probe_message(message, snapshot) or f"it checks {_target(snapshot)}"
    return f"{with_full_stop(result)} Make the server respond, or change containerPort or probes."


def _target(snapshot: Snapshot) -> str:
    """Return the target of the readiness probe."""
    probe = (snapshot.service.spec.probes or Probes.default()).readiness or Probe.default()
    if probe.exec is not None:
        return "the exit code of a command in the container"
    if probe.http_get is not None:
        return f"HTTP GET {probe.http_get.path} on port {probe.http_get.port or _port(snapshot)}"
    if probe.grpc is not None:
        return f"gRPC health on port {probe.grpc.port or _port(snapshot)}"
    port = probe.tcp_socket.port if probe.tcp_socket is not None else None
    return f"a TCP connection to port {port or _port(snapshot)}"


def _port(snapshot: Snapshot) -> int:
    return snapshot.service.spec.container_port


def _event_message(snapshot: Snapshot, *prefixes: str) -> str:
    """Return the newest message that begins with one of the prefixes; empty if there is none."""
    return next((message for message in snapshot.pod_event_messages if message.startswith(prefixes)), "")
