"""The existing tier: whatever cluster KUBECONFIG names. Nothing is started and nothing is stopped."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.environment.cluster.build import programs
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.model import Cluster, Tier
from tests.environment.cluster.programs import Program


def connect() -> Cluster:
    """Return the cluster; raise ClusterError where KUBECONFIG is missing or no server answers."""
    named = os.environ.get("KUBECONFIG", "")
    if not Path(named).is_file():
        raise ClusterError("CLUSTER=existing needs KUBECONFIG: the path of one kubeconfig file of an administrator.")
    draft = Cluster(Tier.EXISTING, Path(named), kubectl(), "", None, None)
    server = draft.run_kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
    draft.run_kubectl("get", "--raw", "/readyz", "--request-timeout=10s")
    return Cluster(Tier.EXISTING, Path(named), draft.kubectl, server, None, None)


def kubectl() -> Path:
    """Return the user's kubectl, which fits the user's cluster, or the one that is built here."""
    installed = shutil.which("kubectl")
    return Path(installed) if installed else programs([Program.KUBECTL])[Program.KUBECTL]
