"""Security contexts that comply with the Pod Security Standard "restricted"."""

from collections.abc import Mapping
from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelServiceSpec

UNPRIVILEGED_USER = 10001
"""Default UID of the pods. Many images run as root or as a named user, which runAsNonRoot rejects."""

FIRST_UNPRIVILEGED_PORT = 1024
CONTAINER_SECURITY: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
"""Security context of every container. Read-only, because builders share it."""


def pod_security(spec: ModelServiceSpec, *, sysctls: bool = True) -> dict[str, Any]:
    """Return the security context of a pod. `sysctls` allows its server to listen on ports below 1024."""
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
        # A sysctl that "restricted" allows; without it an unprivileged server cannot bind to the port.
        context["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": str(spec.container_port)}]
    return context
