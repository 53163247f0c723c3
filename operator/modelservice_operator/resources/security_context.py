"""Security contexts that pass the Pod Security profile "restricted" (Pod Security Standards)."""

from collections.abc import Mapping
from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelServiceSpec

UNPRIVILEGED_USER = 10001
"""User of the pods. Tutorial images run as root or as a named user, which runAsNonRoot refuses."""

FIRST_UNPRIVILEGED_PORT = 1024
CONTAINER_SECURITY: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
"""Of every container. Read-only here as well: builders share it."""


def pod_security(spec: ModelServiceSpec, *, sysctls: bool = True) -> dict[str, Any]:
    """Of a pod; `sysctls`: its server may listen on any port."""
    user = spec.run_as_user or UNPRIVILEGED_USER
    group = spec.run_as_group or user
    context: dict[str, Any] = {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": group,
        "fsGroup": spec.fs_group or group,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if sysctls and spec.container_port < FIRST_UNPRIVILEGED_PORT:
        # One of the sysctls that "restricted" allows; without it a server of an unprivileged user cannot bind.
        context["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": str(spec.container_port)}]
    return context
