"""Leases of leader election."""

import time

from tests.environment.cluster import Cluster
from tests.support.roles import apply_all


def hold_lease(cluster: Cluster, namespace: str, name: str) -> None:
    """Create a Lease whose holder does not renew it, and which does not expire during the test."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
    spec = {"holderIdentity": "gone", "leaseDurationSeconds": 86400, "acquireTime": now, "renewTime": now}
    metadata = {"name": name, "namespace": namespace}
    apply_all(cluster, [{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}])
