"""Judges the namespaces of the operators, of their Leases, and those that they are restricted to. Pure."""

from collections.abc import Iterator

from modelservice_operator.check.facts import Facts, Unreadable
from modelservice_operator.check.findings import Finding, FindingID, error, ok, unreadable


def check_namespaces(facts: Facts) -> Iterator[Finding]:
    """Yield the namespaces that are missing or being deleted."""
    problems: list[Finding] = []
    for name, body in facts.namespaces.items():
        if isinstance(body, Unreadable):
            problems.append(unreadable(FindingID.NAMESPACES_UNREADABLE, f"namespace {name}", body.reason, facts.user))
        elif body is None:
            text = f"Namespace {name} does not exist: {_explain_use(name, facts)}."
            problems.append(error(FindingID.NAMESPACE_MISSING, text, f"kubectl create namespace {name}"))
        elif body["metadata"].get("deletionTimestamp"):
            text = f"Namespace {name} is being deleted, and nothing can be created in it: {_explain_use(name, facts)}."
            fix = f"kubectl get namespace {name} -o jsonpath='{{.status.conditions}}'"
            problems.append(error(FindingID.NAMESPACE_TERMINATING, text, fix))
    if problems:
        yield from problems
    elif facts.namespaces:
        yield ok(FindingID.NAMESPACES, f"The namespaces of the install exist: {', '.join(facts.namespaces)}.")


def _explain_use(name: str, facts: Facts) -> str:
    """Return what an operator needs the namespace for."""
    for install in facts.installs:
        if name in install.arguments.namespaces:
            return f"{install} serves it"
        if install.arguments.lease is not None and install.arguments.lease.namespace == name:
            return f"{install} elects its leader there"
    return "an operator is installed there"
