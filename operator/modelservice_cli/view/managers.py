"""GitOps tools that apply a ModelService, and take back changes that are not made at its source."""

from collections.abc import Mapping
from typing import Any

from modelservice_cli.cluster.family import annotation, label
from modelservice_operator.apimachinery.well_known import MANAGED_BY_LABEL


def manager_of(service: Mapping[str, Any]) -> str:
    """Return the GitOps tool that applies a ModelService; empty if there is none that is known."""
    if annotation(service, "argocd.argoproj.io/tracking-id") or label(service, "argocd.argoproj.io/instance"):
        return "Argo CD"
    if any(label(service, f"{kind}.toolkit.fluxcd.io/name") for kind in ("kustomize", "helm")):
        return "Flux"
    if label(service, MANAGED_BY_LABEL) == "Helm":
        return "Helm"
    return ""
