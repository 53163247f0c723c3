"""Commands that mend an install, to be run in the repository of this version, or with its released manifests."""

INSTALL = "kubectl apply --server-side -k manifests/"
ALLOW_REVIEWS = (
    "kubectl create clusterrolebinding modelservice-operator-metrics-auth --clusterrole=system:auth-delegator"
    " --serviceaccount={}"
)
"""Needs NAMESPACE:NAME of the service account. The role is one of Kubernetes' own."""
INSTALL_CRD = "kubectl apply --server-side --force-conflicts -k crds/"
INSTALL_POLICIES = "kubectl apply --server-side --force-conflicts -k manifests/"
INSTALL_METRICS_SERVER = (
    "kubectl apply -f https://github.com/kubernetes-sigs/metrics-server/releases/latest/download/components.yaml"
)
