"""Builds the probes and hooks of a container, and computes the maximum startup time of the server."""

from dataclasses import dataclass
from typing import Any, Self

from modelservice_operator.api.v1alpha1.probes import HttpGet, Probe, Probes
from modelservice_operator.api.v1alpha1.scaling import RolloutOptions
from modelservice_operator.api.v1alpha1.spec import ModelServiceSpec
from modelservice_operator.resources.metadata import dump, int_or_string, omit_none
from modelservice_operator.resources.ports import main_port_name

_TIMINGS = ("initial_delay_seconds", "period_seconds", "timeout_seconds", "failure_threshold", "success_threshold")
_STARTUP_PERIOD_SECONDS = 2
_MAX_STARTUP_SECONDS = 30 * 60
_MIN_STARTUP_SECONDS = 60
_READINESS_PERIOD_SECONDS = 5
_DEFAULT_PERIOD_SECONDS = 10
_DEFAULT_FAILURE_THRESHOLD = 3
"""Defaults of Kubernetes (core/v1, Probe)."""


@dataclass(frozen=True, slots=True)
class DefaultPort:
    """Port of probes and hooks that name none."""

    name: str
    number: int

    @classmethod
    def of(cls, spec: ModelServiceSpec) -> Self:
        """Return the port of the model container."""
        return cls(main_port_name(spec), spec.container_port)


def build_server_probes(spec: ModelServiceSpec) -> dict[str, Any]:
    """Return the probes of the model container: `startupProbe` and `readinessProbe` always.

    A default liveness probe would kill servers that load their model slowly.
    """
    probes = spec.probes or Probes.default()
    readiness = probes.readiness or Probe(period_seconds=_READINESS_PERIOD_SECONDS)
    with_defaults = Probes(startup=_startup_probe(spec), readiness=readiness, liveness=probes.liveness)
    return build_probes(with_defaults, DefaultPort.of(spec))


def build_probes(probes: Probes, port: DefaultPort) -> dict[str, Any]:
    """Return the probes of a container that are set."""
    return omit_none(
        startupProbe=probes.startup and _build_probe(probes.startup, port),
        readinessProbe=probes.readiness and _build_probe(probes.readiness, port),
        livenessProbe=probes.liveness and _build_probe(probes.liveness, port),
    )


def build_http_get(action: HttpGet, port: DefaultPort) -> dict[str, Any]:
    """Return an HTTP request of a probe or a hook."""
    return {"path": "/", "scheme": "HTTP"} | dump(action) | {"port": int_or_string(action.port or port.name)}


def startup_seconds(spec: ModelServiceSpec) -> int:
    """Return the seconds that the server may take to start before the kubelet restarts it."""
    probe = _startup_probe(spec)
    period = probe.period_seconds or _DEFAULT_PERIOD_SECONDS
    return (probe.initial_delay_seconds or 0) + period * (probe.failure_threshold or _DEFAULT_FAILURE_THRESHOLD)


def _startup_probe(spec: ModelServiceSpec) -> Probe:
    if spec.probes is not None and spec.probes.startup is not None:
        return spec.probes.startup
    failures = _default_startup_seconds(spec) // _STARTUP_PERIOD_SECONDS
    return Probe(period_seconds=_STARTUP_PERIOD_SECONDS, failure_threshold=failures)


def _default_startup_seconds(spec: ModelServiceSpec) -> int:
    """Return the default startup time: as long as the deadline of the rollout allows."""
    options = spec.rollout or RolloutOptions.default()
    if options.progress_deadline_seconds is None:
        return _MAX_STARTUP_SECONDS
    loader = spec.model.loader if spec.model is not None else None
    loads = 1 + (len(spec.model.extra or ()) if spec.model is not None else 0)
    timeout = (loader.timeout_seconds if loader is not None else None) or 0
    before = (options.min_ready_seconds or 0) + timeout * loads
    return max(_MIN_STARTUP_SECONDS, min(_MAX_STARTUP_SECONDS, options.progress_deadline_seconds - before))


def _build_probe(probe: Probe, port: DefaultPort) -> dict[str, Any]:
    timings = probe.model_dump(include=set(_TIMINGS), exclude_none=True, by_alias=True)
    return _probe_action(probe, port) | timings


def _probe_action(probe: Probe, port: DefaultPort) -> dict[str, Any]:
    if probe.http_get is not None:
        return {"httpGet": build_http_get(probe.http_get, port)}
    if probe.exec is not None:
        return {"exec": {"command": list(probe.exec.command)}}
    if probe.grpc is not None:
        # Kubernetes does not accept a named port for gRPC probes.
        return {"grpc": {"port": port.number} | probe.grpc.model_dump(exclude_none=True, by_alias=True)}
    return {"tcpSocket": {"port": int_or_string((probe.tcp_socket and probe.tcp_socket.port) or port.name)}}
