"""Containers in addition to the model container: a typed subset of core/v1 Container.

They get the security context, HOME and /tmp of the model container, so that no field weakens the pods.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from modelservice_operator.api.markers import ATOMIC, ApiModel, Rule, cel_rules, dns_label, list_map
from modelservice_operator.api.primitives import AbsolutePath, ImageReference, MountPath, Port, RelativePath
from modelservice_operator.api.v1alpha1.environment import EnvFrom, EnvVar
from modelservice_operator.api.v1alpha1.lifecycle import Lifecycle
from modelservice_operator.api.v1alpha1.pods import OtherResources
from modelservice_operator.api.v1alpha1.ports import DEFAULT_PORT_NAME, PortName
from modelservice_operator.api.v1alpha1.probes import Probes

_RESERVED_NAMES = ["model", "model-loader", "model-resolver"]
ContainerName = Annotated[
    str,
    dns_label(
        "container",
        rules=cel_rules(
            Rule(
                f"!(self in {_RESERVED_NAMES}) && !self.startsWith('model-loader-')",
                "the names model, model-loader, model-resolver and those beginning with model-loader- are reserved:"
                " choose another name",
            )
        ),
    ),
]
Command = Annotated[list[Annotated[str, Field(max_length=32_768)]], Field(max_length=64, json_schema_extra=ATOMIC)]


VolumeName = Annotated[str, Field(min_length=1, max_length=63)]
"""Name of a volume. The rules of the spec check that it exists."""


class ContainerMount(ApiModel):
    """A volume of the pod in this container."""

    name: VolumeName = Field(
        description="Name of a volume: a name in spec.mounts, or model, tmp or home.", examples=["labels"]
    )
    mount_path: MountPath = Field(description="Path of the volume in the container.", examples=["/etc/labels"])
    sub_path: RelativePath | None = Field(
        default=None,
        description="Directory or file in the volume. Defaults to the root of the volume.",
        examples=["labels.json"],
    )
    read_only: bool | None = Field(default=None, description="Mount the volume read-only.", examples=[True])


class InitContainer(ApiModel):
    """A container that runs to completion before the server starts, with the model in place."""

    name: ContainerName = Field(description="Name of the container.", examples=["warm-up"])
    image: ImageReference = Field(
        description="Image of the container. Its ENTRYPOINT is used unless command is set.",
        examples=["registry.example.com/helper:1.0"],
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None,
        description="Image pull policy. Defaults to Always for the tag latest, otherwise IfNotPresent.",
        examples=["IfNotPresent"],
    )
    command: Command | None = Field(
        default=None,
        description="Replaces the image's ENTRYPOINT, run without a shell. $(VAR) is expanded by Kubernetes.",
        examples=[["/app/run"]],
    )
    args: Command | None = Field(
        default=None,
        description="Replaces the image's CMD. $(VAR) is expanded by Kubernetes.",
        examples=[["--verbose"]],
    )
    working_dir: AbsolutePath | None = Field(
        default=None, description="Working directory. Defaults to that of the image.", examples=["/app"]
    )
    env: Annotated[list[EnvVar], Field(max_length=32, json_schema_extra=list_map("name"))] | None = Field(
        default=None,
        description="Environment variables of the container. USER, HOME and XDG_CACHE_HOME are as in the model"
        " container.",
        examples=[[{"name": "LOG_LEVEL", "value": "info"}]],
    )
    env_from: EnvFrom | None = Field(
        default=None,
        description="Secrets and ConfigMaps whose keys are environment variables of the container.",
        examples=[[{"configMapRef": {"name": "iris-settings"}}]],
    )
    resources: OtherResources | None = Field(
        default=None,
        description="CPU and memory of the container. Defaults to none.",
        examples=[{"requests": {"cpu": "100m", "memory": "128Mi"}}],
    )
    mounts: (
        Annotated[
            list[ContainerMount],
            Field(
                max_length=8,
                json_schema_extra=ATOMIC
                | cel_rules(
                    Rule(
                        "self.all(one, self.exists_one(other, other.mountPath == one.mountPath))",
                        "each mountPath in a container must be used once: choose another path",
                    )
                ),
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="Volumes of the pod in this container. /tmp and HOME are mounted unless a volume is mounted there.",
        examples=[[{"name": "labels", "mountPath": "/etc/labels"}]],
    )


class SidecarPort(ApiModel):
    """A port of a sidecar, for its probes and for other pods. The Service does not offer it."""

    name: PortName = Field(description="Name of the port.", examples=["admin"])
    container_port: Port = Field(description="Port that the sidecar listens on.", examples=[9901])


_PROBES = ("readiness", "liveness", "startup")
_HAS_PORT = "(has(self.ports) && self.ports.size() > 0)"
_WITHOUT_NETWORK = " && ".join(
    [f"(!self.?probes.?{probe}.hasValue() || has(self.probes.{probe}.exec))" for probe in _PROBES]
    + [f"!self.?lifecycle.?{hook}.?httpGet.hasValue()" for hook in ("preStop", "postStart")]
)
_PROBE_PORTS = ", ".join(
    f"self.?probes.?{probe}.?{action}.?port" for probe in _PROBES for action in ("httpGet", "tcpSocket")
)
_HOOK_PORTS = "self.?lifecycle.?preStop.?httpGet.?port, self.?lifecycle.?postStart.?httpGet.?port"


class Sidecar(InitContainer):
    """A container that runs next to the model container (native sidecar, KEP-753)."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            Rule(
                f"{_HAS_PORT} || ({_WITHOUT_NETWORK})",
                "probes and httpGet hooks of a sidecar need ports: list the port that they connect to",
                ".ports",
            ),
            Rule(
                f"[{_PROBE_PORTS}, {_HOOK_PORTS}].all(port, !port.hasValue() || type(port.value()) == int"
                " || (has(self.ports) && self.ports.exists(p, p.name in [port.value()])))",
                "a port of probes and hooks of a sidecar must be a number or the name of a port in its ports",
            ),
        )
    )
    ports: Annotated[list[SidecarPort], Field(max_length=8, json_schema_extra=list_map("name"))] | None = Field(
        default=None,
        description="Ports of the sidecar. The first is the default of its probes.",
        examples=[[{"name": "admin", "containerPort": 9901}]],
    )
    probes: Probes | None = Field(
        default=None,
        description="Health checks of the sidecar. Defaults to none. The containers after it start once its startup"
        " probe succeeds.",
        examples=[{"startup": {"httpGet": {"path": "/ready", "port": "admin"}}}],
    )
    lifecycle: Lifecycle | None = Field(
        default=None,
        description="Hooks of the sidecar. It is stopped after the model container.",
        examples=[{"preStop": {"exec": {"command": ["/app/flush"]}}}],
    )


InitContainers = Annotated[list[InitContainer], Field(max_length=4, json_schema_extra=list_map("name"))]
Sidecars = Annotated[list[Sidecar], Field(max_length=4, json_schema_extra=list_map("name"))]


def _known_mounts(containers: str) -> Rule:
    downloaded_or_mounted = "(has(self.model) && has(self.model.uri) && !self.model.uri.startsWith('file:'))"
    known = (
        f"mount.name in ['tmp', 'home'] || (mount.name == 'model' && {downloaded_or_mounted})"
        " || (has(self.mounts) && self.mounts.exists(volume, volume.name == mount.name))"
    )
    return Rule(
        f"!has(self.{containers}) || self.{containers}.all(one, !has(one.mounts) || one.mounts.all(mount, {known}))",
        f"each name in mounts of {containers} must be a name in spec.mounts, tmp, home, or model if model.uri names a"
        " model outside of the image",
        f".{containers}",
    )


_PORT_NAME = f"(has(self.portName) ? self.portName : '{DEFAULT_PORT_NAME}')"
_SLEEPS = "[one.?lifecycle.?preStop.?sleep.?seconds, one.?lifecycle.?postStart.?sleep.?seconds]"
CONTAINER_RULES = (
    Rule(
        "!has(self.terminationGracePeriodSeconds) || !has(self.sidecars) || self.sidecars.all(one,"
        f" {_SLEEPS}.all(sleep, !sleep.hasValue() || sleep.value() < self.terminationGracePeriodSeconds))",
        "terminationGracePeriodSeconds must be greater than each sleep in lifecycle of sidecars",
        ".terminationGracePeriodSeconds",
    ),
    Rule(
        "!has(self.initContainers) || !has(self.sidecars)"
        " || self.initContainers.all(one, !self.sidecars.exists(other, other.name == one.name))",
        "initContainers and sidecars must have different names: choose another name",
        ".initContainers",
    ),
    _known_mounts("initContainers"),
    _known_mounts("sidecars"),
    Rule(
        "!has(self.sidecars) || self.sidecars.all(one, !has(one.ports) || one.ports.all(port,"
        f" port.containerPort != self.containerPort && port.name != {_PORT_NAME} && (!has(self.ports)"
        " || !self.ports.exists(p, p.name == port.name || p.containerPort == port.containerPort))))",
        "ports of a sidecar must differ from those of the model container, in name and number",
        ".sidecars",
    ),
)
"""Rules of the spec about further containers."""
