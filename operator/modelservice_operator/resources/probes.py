"""Builds the probes of the model container, and computes the maximum startup time of the server."""

from typing import Any

from modelservice_operator.api.v1alpha1.pods import Probe, Probes
from modelservice_operator.resources.metadata import HTTP_PORT_NAME, omit_none

_TIMINGS = ("initial_delay_seconds", "period_seconds", "timeout_seconds", "failure_threshold", "success_threshold")
_STARTUP_PERIOD_SECONDS = 2
_MAX_STARTUP_SECONDS = 30 * 60
_READINESS_PERIOD_SECONDS = 5
_DEFAULT_PERIOD_SECONDS = 10
_DEFAULT_FAILURE_THRESHOLD = 3
"""Defaults of Kubernetes (core/v1, Probe)."""


def build_probes(probes: Probes, *, container_port: int) -> dict[str, Any]:
    """Return `startupProbe`, `readinessProbe` and, if it is configured, `livenessProbe`.

    A default liveness probe would kill servers that load their model slowly.
    """
    return {
        "startupProbe": _build_probe(_startup_probe(probes), container_port),
        "readinessProbe": _build_probe(
            probes.readiness or Probe(period_seconds=_READINESS_PERIOD_SECONDS), container_port
        ),
        **omit_none(livenessProbe=_build_probe(probes.liveness, container_port) if probes.liveness else None),
    }


def startup_seconds(probes: Probes) -> int:
    """Return the seconds that a container may take to start before the kubelet restarts it."""
    probe = _startup_probe(probes)
    period = probe.period_seconds or _DEFAULT_PERIOD_SECONDS
    return (probe.initial_delay_seconds or 0) + period * (probe.failure_threshold or _DEFAULT_FAILURE_THRESHOLD)


def _startup_probe(probes: Probes) -> Probe:
    default = Probe(
        period_seconds=_STARTUP_PERIOD_SECONDS, failure_threshold=_MAX_STARTUP_SECONDS // _STARTUP_PERIOD_SECONDS
    )
    return probes.startup or default


def _build_probe(probe: Probe, container_port: int) -> dict[str, Any]:
    timings = probe.model_dump(include=set(_TIMINGS), exclude_none=True, by_alias=True)
    return _probe_action(probe, container_port) | timings


def _probe_action(probe: Probe, container_port: int) -> dict[str, Any]:
    if probe.http_get is not None:
        return {"httpGet": {"port": HTTP_PORT_NAME} | probe.http_get.model_dump(exclude_none=True, by_alias=True)}
    if probe.exec is not None:
        return {"exec": {"command": list(probe.exec.command)}}
    if probe.grpc is not None:
        # Kubernetes does not accept a named port for gRPC probes.
        return {"grpc": {"port": container_port} | probe.grpc.model_dump(exclude_none=True, by_alias=True)}
    return {"tcpSocket": {"port": (probe.tcp_socket and probe.tcp_socket.port) or HTTP_PORT_NAME}}
