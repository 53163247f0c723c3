"""Every object of a cluster, to find what an uninstall leaves."""

from tests.environment.cluster import Cluster

_TRANSIENT = frozenset({"events", "events.events.k8s.io", "componentstatuses", "ipaddresses.networking.k8s.io"})
"""Resources that no install contains: they expire, are computed, or are allocated to Services by the API server."""


def inventory(cluster: Cluster) -> set[str]:
    """Return kind, namespace and name of every object that the API server can list, of every kind that it serves."""
    resources = cluster.run_kubectl("api-resources", "--verbs=list", "--output=name").split()
    wanted = ",".join(name for name in resources if name not in _TRANSIENT)
    return {
        f"{body['kind']} {body['metadata'].get('namespace', '')}/{body['metadata']['name']}"
        for body in cluster.get(wanted, "--all-namespaces")["items"]
    }
