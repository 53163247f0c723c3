"""Judges the admission policies: are they installed, bound, and those of this version? Pure."""

from collections.abc import Iterator

from modelservice_operator.api.crdgen.crd import VERSION_ANNOTATION
from modelservice_operator.api.crdgen.references import NAME as REFERENCES
from modelservice_operator.api.crdgen.references import policy_spec
from modelservice_operator.apimachinery.objects import Json, Object
from modelservice_operator.check.facts import Facts, ReadList, Unreadable
from modelservice_operator.check.findings import Finding, FindingID, ok, unreadable, warning
from modelservice_operator.check.fixes import INSTALL_POLICIES

RESOURCES = "modelservice-resources"
WARNINGS = "modelservice-warnings"
CONSEQUENCES = {
    REFERENCES: "who may create ModelServices can read every Secret of the namespace through them",
    RESOURCES: "mistakes in resources are only reported after the object is applied",
    WARNINGS: "kubectl does not warn of usual mistakes",
}
POLICY_NAMES = tuple(CONSEQUENCES)


def check_policies(facts: Facts) -> Iterator[Finding]:
    """Yield what is so about the policies of the default install."""
    if not facts.policies:
        return
    if unread := next((one for one in facts.policies.values() if isinstance(one, Unreadable)), None):
        yield unreadable(FindingID.POLICIES_UNREADABLE, "the admission policies", unread.reason, facts.user)
        return
    if _is_api_missing(facts):
        text = (
            "The API server does not serve ValidatingAdmissionPolicy (admissionregistration.k8s.io/v1):"
            f" {CONSEQUENCES[REFERENCES]}. Enable the API, and install the policies."
        )
        yield warning(
            FindingID.POLICY_API_MISSING, text, "kubectl api-resources --api-group=admissionregistration.k8s.io"
        )
        return
    problems = [
        problem
        for name, policy in facts.policies.items()
        if not isinstance(policy, Unreadable)
        for problem in _check_policy(name, policy, facts)
    ]
    yield from problems or [
        ok(FindingID.POLICIES, f"The admission policies are in force: {', '.join(facts.policies)}.")
    ]


def _is_api_missing(facts: Facts) -> bool:
    served = next((is_served for kind, is_served in facts.served.items() if kind.plural == _PLURAL), True)
    return served is False


_PLURAL = "validatingadmissionpolicies"


def _check_policy(name: str, policy: Object | None, facts: Facts) -> Iterator[Finding]:
    consequence = CONSEQUENCES[name]
    if policy is None:
        text = f"The admission policy {name} is not installed: {consequence}."
        yield warning(FindingID.POLICY_MISSING, text, INSTALL_POLICIES)
        return
    if isinstance(facts.bindings, Unreadable):
        reason = facts.bindings.reason
        yield unreadable(FindingID.POLICIES_UNREADABLE, f"the bindings of policy {name}", reason, facts.user)
    elif not is_bound(name, facts.bindings):
        text = f"The admission policy {name} is installed, but no binding enforces it everywhere: {consequence}."
        yield warning(FindingID.POLICY_NOT_BOUND, text, INSTALL_POLICIES)
    recorded = (policy["metadata"].get("annotations") or {}).get(VERSION_ANNOTATION, "")
    if recorded != facts.version:
        version = f"is of version {recorded}" if recorded else "records no version"
        text = f"The admission policy {name} {version}, and this program is of version {facts.version}."
        yield warning(FindingID.POLICY_VERSION, text, INSTALL_POLICIES)
    elif _is_weakened(name, policy["spec"]):
        text = f"The admission policy {name} differs from that of this version: perhaps {consequence}."
        yield warning(FindingID.POLICY_EDITED, text, INSTALL_POLICIES)


def _is_weakened(name: str, spec: Json) -> bool:
    """Return True if the policy differs from that of this version, as far as this program knows it."""
    if name == WARNINGS:
        return False
    if spec.get("failurePolicy", "Fail") != "Fail":
        return True
    return name == REFERENCES and spec.get("validations") != policy_spec()["validations"]


def is_bound(name: str, bindings: ReadList) -> bool:
    """Return True if a binding enforces the policy in all namespaces."""
    wanted = "Warn" if name == WARNINGS else "Deny"
    readable = () if isinstance(bindings, Unreadable) else bindings
    found = (one["spec"] for one in readable if one["spec"]["policyName"] == name)
    return any(
        wanted in spec.get("validationActions", ()) and not _is_restricted(spec.get("matchResources") or {})
        for spec in found
    )


def _is_restricted(resources: Json) -> bool:
    return any(resources.get(field) for field in ("namespaceSelector", "objectSelector", "excludeResourceRules"))
