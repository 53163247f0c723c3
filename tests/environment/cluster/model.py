"""A running cluster, and the operations on it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.reader import ApiReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Tier(StrEnum):
    """Kinds of clusters, from simulated nodes to a cluster of the user."""

    CONTROL_PLANE = "control-plane"  # real API server and controllers, simulated nodes; any user
    NODE = "node"  # the same with one real node; root on Linux
    KIND = "kind"  # a node in Docker
    EXISTING = "existing"  # whatever KUBECONFIG names


@dataclass(frozen=True)
class Options:
    """Choices of a caller: more flags by program name, and the API server's port (None: a free one).

    `kubernetes` is a minor version such as 1.33; empty for the newest one.
    """

    flags: Mapping[str, Sequence[str]]
    port: int | None = None
    dies_with_us: bool = True
    kubernetes: str = ""

    def flags_of(self, program: str) -> tuple[str, ...]:
        return tuple(self.flags.get(program, ()))


@dataclass(frozen=True)
class Cluster:
    """A running cluster; `kubeconfig` is its administrator's."""

    tier: Tier
    kubeconfig: Path
    kubectl: Path
    server: str
    state: Path | None
    audit_log: Path | None
    _readers: list[ApiReader] = field(default_factory=list, repr=False, compare=False)

    def run_kubectl(self, *args: str, stdin: str | None = None, check: bool = True) -> str:
        """Return the output of kubectl as administrator; raise ClusterError with its words when it fails."""
        result = subprocess.run(
            [self.kubectl, *args],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if check and result.returncode:
            raise ClusterError(f"kubectl {' '.join(args)} failed: {result.stderr.strip()}")
        return result.stdout

    def get(self, *args: str) -> dict[str, Any]:
        """Return what `kubectl get ARGS -o json` says."""
        found: dict[str, Any] = json.loads(self.run_kubectl("get", *args, "-o", "json"))
        return found

    def read(self, resource: str, name: str = "", *, namespace: str = "") -> dict[str, Any] | None:
        """Return an object or a list over a kept connection, None if there is none; for conditions that are polled."""
        if not self._readers:
            self._readers.append(ApiReader(self.kubeconfig))
        return self._readers[0].get(resource, namespace, name)

    def close(self) -> None:
        """Close the connections of `read`."""
        while self._readers:
            self._readers.pop().close()

    def load_image(self, archive: Path) -> None:
        """Make an OCI archive's image available to pods, under the name that the archive gives it."""
        # Each tier's module needs this one.
        from tests.environment.cluster import images  # noqa: PLC0415

        images.load(self, archive)

    def user_kubeconfig(self, user: str, *, groups: tuple[str, ...] = ()) -> Path:
        """Return a kubeconfig for a client certificate of `user`, signed by the cluster's own authority."""
        from tests.environment.cluster import users  # noqa: PLC0415

        return users.by_certificate(self, user, groups)

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """Return a kubeconfig with a token of an existing service account, good for a day."""
        from tests.environment.cluster import users  # noqa: PLC0415

        return users.by_token(self, namespace, name)

    def audit_log_path(self) -> Path:
        """Return the file of the audit log; raise ClusterError where the cluster has none."""
        if self.audit_log is None:
            raise ClusterError(f"The {self.tier} cluster has no audit log that can be read.")
        return self.audit_log

    def _environment(self) -> dict[str, str]:
        """Proxies are for the internet; the user's kubectl preferences must not change what tests see."""
        return os.environ | {
            "KUBECONFIG": str(self.kubeconfig),
            "NO_PROXY": "*",
            "no_proxy": "*",
            "KUBERC": "off",
            "GOGC": "400",
        }
