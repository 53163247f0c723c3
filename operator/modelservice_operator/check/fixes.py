"""Commands that mend an install, to be run in the repository of this version, or with its released manifests."""

INSTALL = "kubectl apply --server-side -k manifests/"
INSTALL_CRD = "kubectl apply --server-side --force-conflicts -k crds/"
INSTALL_POLICIES = "kubectl apply --server-side --force-conflicts -k manifests/"
INSTALL_METRICS_SERVER = (
    "kubectl apply -f https://github.com/kubernetes-sigs/metrics-server/releases/latest/download/components.yaml"
)
