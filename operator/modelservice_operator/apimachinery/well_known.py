"""Labels and annotations that Kubernetes and its tools define (Well-Known Labels, Annotations and Taints)."""

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
INSTANCE_LABEL = "app.kubernetes.io/instance"
TEMPLATE_HASH = "pod-template-hash"
"""Label that a ReplicaSet and its pods share (apps/v1)."""
REVISION = "deployment.kubernetes.io/revision"
"""Annotation with the revision of a Deployment and its ReplicaSets (apps/v1)."""
