"""Minimal CRDs of other projects, in place of the Gateway API and the Prometheus operator."""

import yaml

HTTP_ROUTES = "httproutes.gateway.networking.k8s.io"
POD_MONITORS = "podmonitors.monitoring.coreos.com"


def minimal_crd(plural: str, kind: str) -> str:
    """Return a minimal CRD in place of another project's: the operator only needs that the kind is served."""
    name, _, group = plural.partition(".")
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": name, "kind": kind, "singular": kind.lower(), "listKind": f"{kind}List"}
    # The API server requires this annotation for groups of the Kubernetes project.
    annotations = {"api-approved.kubernetes.io": "unapproved, a test"}
    return yaml.safe_dump(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": plural, "annotations": annotations},
            "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
        }
    )
