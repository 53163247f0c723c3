"""Builds the end of a pod: the drain before SIGTERM and the time to shut down.

The endpoint controllers learn of a deletion at the same time as the kubelet, so clients still connect to a pod that is
being stopped. A `preStop` sleep of the kubelet (KEP-3960) delays SIGTERM until they no longer do; the image needs no
shell for it.
"""

from typing import Any

from modelservice_operator.api.v1alpha1.lifecycle import Lifecycle, LifecycleHandler
from modelservice_operator.api.v1alpha1.spec import ModelServiceSpec
from modelservice_operator.resources.metadata import dump, omit_none
from modelservice_operator.resources.probes import DefaultPort, build_http_get

_DRAIN_SECONDS = 5
_SHUTDOWN_SECONDS = 30
"""Default of Kubernetes for the whole grace period (core/v1 PodSpec)."""


def build_lifecycle(spec: ModelServiceSpec) -> dict[str, Any] | None:
    """Return `lifecycle` of the model container; None if it has no hooks."""
    drain = _drain_seconds(spec)
    drain_hook = {"preStop": {"sleep": {"seconds": drain}}} if drain else {}
    return drain_hook | (build_hooks(spec.lifecycle, DefaultPort.of(spec)) or {}) or None


def build_hooks(lifecycle: Lifecycle | None, port: DefaultPort) -> dict[str, Any] | None:
    """Return `lifecycle` of a container as configured; None if it has no hooks."""
    if lifecycle is None:
        return None
    return (
        omit_none(
            postStart=lifecycle.post_start and _build_handler(lifecycle.post_start, port),
            preStop=lifecycle.pre_stop and _build_handler(lifecycle.pre_stop, port),
        )
        or None
    )


def grace_period_seconds(spec: ModelServiceSpec) -> int:
    """Return the seconds that a pod may take to shut down, including the drain.

    No sleep may be longer (API server), so the default is at least as long as each.
    """
    if spec.termination_grace_period_seconds is not None:
        return spec.termination_grace_period_seconds
    hooks = (spec.lifecycle, *(sidecar.lifecycle for sidecar in spec.sidecars or ()))
    handlers = [handler for hook in hooks if hook is not None for handler in (hook.post_start, hook.pre_stop)]
    return max(_SHUTDOWN_SECONDS + _drain_seconds(spec), *map(_sleep_seconds, handlers), 0)


def _build_handler(handler: LifecycleHandler, port: DefaultPort) -> dict[str, Any]:
    if handler.http_get is not None:
        return {"httpGet": build_http_get(handler.http_get, port)}
    return dump(handler)


def _drain_seconds(spec: ModelServiceSpec) -> int:
    if spec.lifecycle is not None and spec.lifecycle.pre_stop is not None:
        return _sleep_seconds(spec.lifecycle.pre_stop)
    if spec.drain_seconds is not None:
        return spec.drain_seconds
    grace = spec.termination_grace_period_seconds
    return _DRAIN_SECONDS if grace is None else max(0, min(_DRAIN_SECONDS, grace - 1))


def _sleep_seconds(handler: LifecycleHandler | None) -> int:
    return handler.sleep.seconds if handler is not None and handler.sleep is not None else 0
