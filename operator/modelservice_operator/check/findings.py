"""A finding, its level, and the list of all of them. docs/check.md explains each id; its meaning never changes."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Severity of a finding; only errors change the exit code."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class FindingID(StrEnum):
    """Stable names of findings, for scripts and for docs/check.md."""

    KUBERNETES = "kubernetes"
    KUBERNETES_TOO_OLD = "kubernetes-too-old"
    KUBERNETES_NOT_TESTED = "kubernetes-not-tested"
    CLOCK = "clock"
    CLOCK_SKEW = "clock-skew"
    CRD = "crd"
    CRD_MISSING = "crd-missing"
    CRD_NOT_ESTABLISHED = "crd-not-established"
    CRD_TERMINATING = "crd-terminating"
    CRD_FOREIGN = "crd-foreign"
    CRD_OLDER = "crd-older"
    CRD_NEWER = "crd-newer"
    CRD_EDITED = "crd-edited"
    CRD_STORED_VERSIONS = "crd-stored-versions"
    OPERATOR = "operator"
    OPERATOR_MISSING = "operator-missing"
    OPERATOR_OUTSIDE = "operator-outside"
    OPERATOR_NOT_READY = "operator-not-ready"
    OPERATOR_ARGUMENTS = "operator-arguments"
    OPERATOR_IMAGE = "operator-image"
    OPERATOR_CRASHING = "operator-crashing"
    OPERATOR_VERSION = "operator-version"
    LEADER = "leader"
    LEADER_MISSING = "leader-missing"
    LEADER_STALE = "leader-stale"
    LEADER_ELECTION_OFF = "leader-election-off"
    INSTALLS_OVERLAP = "installs-overlap"
    NAMESPACES = "namespaces"
    NAMESPACE_MISSING = "namespace-missing"
    NAMESPACE_TERMINATING = "namespace-terminating"
    PERMISSIONS = "permissions"
    PERMISSION_MISSING = "permission-missing"
    POLICIES = "policies"
    POLICY_API_MISSING = "policy-api-missing"
    POLICY_MISSING = "policy-missing"
    POLICY_NOT_BOUND = "policy-not-bound"
    POLICY_EDITED = "policy-edited"
    POLICY_VERSION = "policy-version"
    OPTIONAL_KINDS = "optional-kinds"
    METRICS_API = "metrics-api"
    METRICS_API_MISSING = "metrics-api-missing"
    METRICS_API_UNAVAILABLE = "metrics-api-unavailable"
    LOADER_IMAGE = "loader-image"
    LOADER_IMAGE_PULL = "loader-image-pull"
    WEBHOOKS = "webhooks"
    WEBHOOK_UNAVAILABLE = "webhook-unavailable"
    KUBERNETES_UNREADABLE = "kubernetes-unreadable"
    CLOCK_UNREADABLE = "clock-unreadable"
    CRD_UNREADABLE = "crd-unreadable"
    OPERATOR_UNREADABLE = "operator-unreadable"
    LEADER_UNREADABLE = "leader-unreadable"
    NAMESPACES_UNREADABLE = "namespaces-unreadable"
    PERMISSIONS_UNREADABLE = "permissions-unreadable"
    POLICIES_UNREADABLE = "policies-unreadable"
    OPTIONAL_KINDS_UNREADABLE = "optional-kinds-unreadable"
    LOADER_IMAGE_UNREADABLE = "loader-image-unreadable"
    WEBHOOKS_UNREADABLE = "webhooks-unreadable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check."""

    id: FindingID
    level: Level
    message: str
    """A sentence: what is so, and what follows from it."""
    fix: str = ""
    """A command that can be copied; empty for level ok."""


def ok(finding_id: FindingID, message: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(finding_id, Level.OK, message)


def warning(finding_id: FindingID, message: str, fix: str) -> Finding:
    """Return a finding that may be intended, or that limits a part of the functions."""
    return Finding(finding_id, Level.WARNING, message, fix)


def error(finding_id: FindingID, message: str, fix: str) -> Finding:
    """Return a finding because of which ModelServices are not served, or not as promised."""
    return Finding(finding_id, Level.ERROR, message, fix)


def unreadable(finding_id: FindingID, subject: str, reason: str, user: str) -> Finding:
    """Return a finding for something that the user of the check may not read."""
    text = f"cannot check {subject}: {reason.rstrip('.')}."
    return warning(finding_id, text[0].upper() + text[1:], f"kubectl auth can-i --list --as={user or 'USER'}")
