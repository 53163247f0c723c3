"""`spec.probes` -> the probes of the model container, and the time that a server gets to start."""

from typing import Any

from modelservice_operator.api.v1alpha1.pods import Probe, Probes
from modelservice_operator.resources.metadata import HTTP_PORT_NAME

_TIMINGS = ("initial_delay_seconds", "period_seconds", "timeout_seconds", "failure_threshold", "success_threshold")
_STARTUP_PERIOD = 2
_STARTUP_SECONDS = 30 * 60
_READINESS_PERIOD = 5
_KUBERNETES_PERIOD = 10
_KUBERNETES_FAILURES = 3


def build_probes(probes: Probes, *, container_port: int) -> dict[str, Any]:
    """`startupProbe`, `readinessProbe` and, only when asked for, `livenessProbe`.

    A liveness probe by default would kill servers that are merely slow to load their model.
    """
    result = {
        "startupProbe": _probe(_startup(probes), container_port),
        "readinessProbe": _probe(probes.readiness or Probe(period_seconds=_READINESS_PERIOD), container_port),
    }
    return result | ({"livenessProbe": _probe(probes.liveness, container_port)} if probes.liveness else {})


def startup_seconds(probes: Probes) -> int:
    """Seconds that a container may take to start before the kubelet restarts it."""
    probe = _startup(probes)
    period = probe.period_seconds or _KUBERNETES_PERIOD
    return (probe.initial_delay_seconds or 0) + period * (probe.failure_threshold or _KUBERNETES_FAILURES)


def _startup(probes: Probes) -> Probe:
    default = Probe(period_seconds=_STARTUP_PERIOD, failure_threshold=_STARTUP_SECONDS // _STARTUP_PERIOD)
    return probes.startup or default


def _probe(probe: Probe, container_port: int) -> dict[str, Any]:
    timings = probe.model_dump(include=set(_TIMINGS), exclude_none=True, by_alias=True)
    return _action(probe, container_port) | timings


def _action(probe: Probe, container_port: int) -> dict[str, Any]:
    if probe.http_get is not None:
        return {"httpGet": {"port": HTTP_PORT_NAME} | probe.http_get.model_dump(exclude_none=True, by_alias=True)}
    if probe.exec is not None:
        return {"exec": {"command": list(probe.exec.command)}}
    if probe.grpc is not None:
        # The one action for which Kubernetes takes no port by name.
        return {"grpc": {"port": container_port} | probe.grpc.model_dump(exclude_none=True, by_alias=True)}
    return {"tcpSocket": {"port": (probe.tcp_socket and probe.tcp_socket.port) or HTTP_PORT_NAME}}
