"""ModelService -> NetworkPolicy."""

from typing import Any

from modelservice_operator.api.v1alpha1.exposure import NetworkPeer
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import NETWORK_POLICY
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import child_metadata, selector, type_meta


def build_network_policy(service: ModelService) -> DesiredChild | None:
    """The policy, or None unless it is enabled. Only the container's port is opened, only for those named."""
    options = service.spec.network_policy
    if options is None or not options.enabled:
        return None
    # No peers at all would mean "from anywhere" to Kubernetes; the namespace's own pods are the default here.
    peers = [_peer(peer) for peer in options.sources or ()] or [{"podSelector": {}}]
    rule = {"from": peers, "ports": [{"port": service.spec.container_port, "protocol": "TCP"}]}
    body = {
        **type_meta(NETWORK_POLICY),
        "metadata": child_metadata(service),
        "spec": {
            "podSelector": {"matchLabels": selector(service)},
            "policyTypes": ["Ingress"],
            "ingress": [rule],
        },
    }
    return DesiredChild.of(NETWORK_POLICY, body)


def _peer(peer: NetworkPeer) -> dict[str, Any]:
    if peer.ip_block is not None:
        return {"ipBlock": {"cidr": peer.ip_block.cidr}}
    labels = {"podSelector": peer.pod_labels, "namespaceSelector": peer.namespace_labels}
    return {name: {"matchLabels": wanted} if wanted else {} for name, wanted in labels.items() if wanted is not None}
