"""Builds the NetworkPolicy."""

from typing import Any

from modelservice_operator.api.v1alpha1.exposure import NetworkPeer
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import NETWORK_POLICY
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import child_metadata, omit_none, selector, type_meta
from modelservice_operator.resources.ports import build_policy_ports


def build_network_policy(service: ModelService) -> DesiredChild | None:
    """Return the policy; None unless it is enabled. It allows only the listed peers and the ports of the server."""
    options = service.spec.network_policy
    if options is None or not options.enabled:
        return None
    # An empty list of peers would allow all sources; the default here is all pods of the namespace.
    peers = [_build_peer(peer) for peer in options.sources or ()] or [{"podSelector": {}}]
    rule = {"from": peers, "ports": build_policy_ports(service)}
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


def _build_peer(peer: NetworkPeer) -> dict[str, Any]:
    if peer.ip_block is not None:
        return {"ipBlock": {"cidr": peer.ip_block.cidr}}
    selectors = omit_none(podSelector=peer.pod_labels, namespaceSelector=peer.namespace_labels)
    return {name: {"matchLabels": selected} if selected else {} for name, selected in selectors.items()}
