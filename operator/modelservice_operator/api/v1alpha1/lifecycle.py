"""Lifecycle of a container: hooks at its start and end, and the drain before it is stopped (core/v1 Lifecycle)."""

from typing import Annotated

from pydantic import ConfigDict, Field

from modelservice_operator.api.markers import INT32, ApiModel, Rule, cel_rules
from modelservice_operator.api.v1alpha1.probes import Exec, HttpGet

DrainSeconds = Annotated[int, Field(ge=0, le=3600, json_schema_extra=INT32)]


class Sleep(ApiModel):
    """A pause (KEP-3960)."""

    seconds: Annotated[int, Field(ge=1, le=3600, json_schema_extra=INT32)] = Field(
        description="Seconds to wait.", examples=[15]
    )


class LifecycleHandler(ApiModel):
    """An action at the start or the end of a container."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (
                "[has(self.exec), has(self.httpGet), has(self.sleep)].filter(x, x).size() == 1",
                "set exactly one of exec, httpGet and sleep",
            )
        )
    )
    exec: Exec | None = Field(
        default=None, description="Run a command in the container.", examples=[{"command": ["/app/drain"]}]
    )
    http_get: HttpGet | None = Field(
        default=None, description="Send an HTTP GET request.", examples=[{"path": "/drain"}]
    )
    sleep: Sleep | None = Field(default=None, description="Wait.", examples=[{"seconds": 15}])


class Lifecycle(ApiModel):
    """Hooks of a container."""

    post_start: LifecycleHandler | None = Field(
        default=None,
        description="Action after the start of the container, at the same time as its ENTRYPOINT.",
        examples=[{"exec": {"command": ["/app/warm-up"]}}],
    )
    pre_stop: LifecycleHandler | None = Field(
        default=None, description="Action before the container gets SIGTERM.", examples=[{"sleep": {"seconds": 15}}]
    )


_SLEEPS = (
    "[self.?drainSeconds.orValue(0), self.?lifecycle.?preStop.?sleep.?seconds.orValue(0),"
    " self.?lifecycle.?postStart.?sleep.?seconds.orValue(0)]"
)
LIFECYCLE_RULES = (
    Rule(
        "!has(self.drainSeconds) || !self.?lifecycle.?preStop.hasValue()",
        "lifecycle.preStop replaces the drain: remove drainSeconds, or remove lifecycle.preStop",
        ".drainSeconds",
    ),
    Rule(
        "!has(self.terminationGracePeriodSeconds)"
        f" || {_SLEEPS}.all(s, s == 0 || s < self.terminationGracePeriodSeconds)",
        "terminationGracePeriodSeconds includes the drain: it must be greater than drainSeconds and the sleep of"
        " lifecycle.preStop and lifecycle.postStart",
        ".terminationGracePeriodSeconds",
    ),
)
"""Rules of the spec about the end of a pod."""
