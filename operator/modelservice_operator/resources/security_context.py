"""Security contexts that comply with the Pod Security Standard "restricted"."""

from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelServiceSpec

UNPRIVILEGED_USER = 10001
"""Default UID of the pods. Many images run as root or as a named user, which runAsNonRoot rejects."""

FIRST_UNPRIVILEGED_PORT = 1024


def container_security(*, writable_root: bool = False) -> dict[str, Any]:
    """Return the security context of a container."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": not writable_root,
    }


def mounts_token(spec: ModelServiceSpec) -> bool:
    """Return True if the pods get the token of their ServiceAccount."""
    return (
        spec.service_account_name is not None
        if spec.automount_service_account_token is None
        else spec.automount_service_account_token
    )


def service_account(spec: ModelServiceSpec) -> dict[str, Any]:
    """Return the ServiceAccount of a pod, under both of its names.

    The API server sets the deprecated `serviceAccount` as well, and reads it if `serviceAccountName` is missing: an
    apply that owned only one of them could not remove the account.
    """
    name = spec.service_account_name
    return {} if name is None else {"serviceAccountName": name, "serviceAccount": name}


def pod_security(spec: ModelServiceSpec, *, sysctls: bool = True) -> dict[str, Any]:
    """Return the security context of a pod. `sysctls` allows its server to listen on ports below 1024."""
    user = spec.run_as_user or UNPRIVILEGED_USER
    group = user if spec.run_as_group is None else spec.run_as_group
    context: dict[str, Any] = {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": group,
        "fsGroup": group if spec.fs_group is None else spec.fs_group,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if sysctls and spec.container_port < FIRST_UNPRIVILEGED_PORT:
        # A sysctl that "restricted" allows; without it an unprivileged server cannot bind to the port.
        context["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": str(spec.container_port)}]
    return context
