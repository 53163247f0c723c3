"""Broken installs, and what `check` says about each of them: the table of docs/check.md, and of tests/release."""

from dataclasses import dataclass

from modelservice_operator.check.findings import FindingID, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenInstall:
    """One way in which an install is broken."""

    name: str
    """By which a test of tests/release asks for it."""
    text: str
    """For docs/check.md."""
    finding: FindingID
    level: Level = Level.ERROR
    sentence: str
    """Part of the message of `check`."""
    shown: str
    """Place that shows it besides `check`, for docs/check.md."""


BROKEN_INSTALLS = (
    BrokenInstall(
        name="wrong-arguments",
        text="wrong flags or values",
        finding=FindingID.OPERATOR_ARGUMENTS,
        sentence="has arguments that the operator does not accept: argument --workers",
        shown="log of the pod, which ends",
    ),
    BrokenInstall(
        name="missing-crd",
        text="the CRD is missing",
        finding=FindingID.CRD_MISSING,
        sentence="is missing: no ModelService can be created, and the operator waits for it",
        shown="log",
    ),
    BrokenInstall(
        name="older-crd",
        text="the CRD of an older version, which lacks fields",
        finding=FindingID.CRD_OLDER,
        sentence="The API server drops fields that it needs: status.address",
        shown="log",
    ),
    BrokenInstall(
        name="older-rules",
        text="the CRD of an older version, with the same fields",
        finding=FindingID.CRD_OLDER,
        level=Level.WARNING,
        sentence="is of version 0.0.9",
        shown="nowhere: everything works",
    ),
    BrokenInstall(
        name="missing-verb",
        text="a verb is missing in the role",
        finding=FindingID.PERMISSION_MISSING,
        sentence="is not allowed to create services",
        shown="status, log",
    ),
    BrokenInstall(
        name="older-kubernetes",
        text="the API server is older than supported",
        finding=FindingID.KUBERNETES_TOO_OLD,
        sentence="Kubernetes v1.31.14 is older than the supported versions",
        shown="log",
    ),
    BrokenInstall(
        name="no-metrics-server",
        text="metrics-server is missing",
        finding=FindingID.METRICS_API_MISSING,
        level=Level.WARNING,
        sentence="No metrics-server is installed (metrics.k8s.io)",
        shown="status (AutoscalerReady)",
    ),
    BrokenInstall(
        name="no-policy-api",
        text="the API server does not serve ValidatingAdmissionPolicy",
        finding=FindingID.POLICY_API_MISSING,
        level=Level.WARNING,
        sentence="The API server does not serve ValidatingAdmissionPolicy (admissionregistration.k8s.io/v1)",
        shown="`kubectl apply`",
    ),
    BrokenInstall(
        name="unbound-policy",
        text="a policy has no binding",
        finding=FindingID.POLICY_NOT_BOUND,
        level=Level.WARNING,
        sentence="The admission policy modelservice-references is installed, but no binding enforces it",
        shown="nowhere: everything works",
    ),
    BrokenInstall(
        name="second-install",
        text="two installs serve all namespaces",
        finding=FindingID.INSTALLS_OVERLAP,
        sentence="both serve all namespaces, with different Leases: both write the same objects",
        shown="nowhere: everything works while both are of one version",
    ),
    BrokenInstall(
        name="overlapping-lists",
        text="the namespace lists of two installs overlap",
        finding=FindingID.INSTALLS_OVERLAP,
        sentence="with different Leases: both write the same objects",
        shown="nowhere: everything works while both are of one version",
    ),
    BrokenInstall(
        name="missing-namespace",
        text="the namespace of the Lease does not exist",
        finding=FindingID.NAMESPACE_MISSING,
        sentence="does not exist: Deployment modelservice-system/modelservice-operator elects its leader there",
        shown="log",
    ),
    BrokenInstall(
        name="terminating-namespace",
        text="the namespace of the Lease is being deleted",
        finding=FindingID.NAMESPACE_TERMINATING,
        sentence="is being deleted, and nothing can be created in it",
        shown="log",
    ),
    BrokenInstall(
        name="missing-webhook",
        text="a webhook of another project without a Service blocks the children",
        finding=FindingID.WEBHOOK_UNAVAILABLE,
        sentence="deployments.apps, must not fail, and its Service other-system/blocking has no ready endpoint",
        shown="status, log",
    ),
    BrokenInstall(
        name="webhook-on-leases",
        text="such a webhook blocks the Lease",
        finding=FindingID.WEBHOOK_UNAVAILABLE,
        sentence="intercepts leases.coordination.k8s.io, must not fail",
        shown="log",
    ),
    BrokenInstall(
        name="missing-operator-image",
        text="the image of the operator cannot be pulled",
        finding=FindingID.OPERATOR_IMAGE,
        sentence="the image modelservice.dev/operator:missing cannot be pulled",
        shown="status of the pod",
    ),
    BrokenInstall(
        name="missing-loader-image",
        text="the image of the loader cannot be pulled",
        finding=FindingID.LOADER_IMAGE_PULL,
        sentence="The image of the loader, modelservice.dev/loader:missing, cannot be pulled in namespace",
        shown="status",
    ),
)


def broken_install(name: str) -> BrokenInstall:
    """Return an entry of the table."""
    [found] = [one for one in BROKEN_INSTALLS if one.name == name]
    return found
