"""Judges the facts: all checks, in the order of the report. Pure."""

from collections.abc import Callable, Iterator

from modelservice_operator.check.crd import check_crd
from modelservice_operator.check.facts import Facts
from modelservice_operator.check.findings import Finding
from modelservice_operator.check.installs import check_leaders, check_operators, check_overlap
from modelservice_operator.check.namespaces import check_namespaces
from modelservice_operator.check.optional_parts import check_metrics_api, check_optional_kinds
from modelservice_operator.check.permissions import check_permissions
from modelservice_operator.check.pods import check_loader_image
from modelservice_operator.check.policies import check_policies
from modelservice_operator.check.server import check_clock, check_kubernetes
from modelservice_operator.check.webhooks import check_webhooks

CHECKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    check_kubernetes,
    check_clock,
    check_crd,
    check_operators,
    check_leaders,
    check_overlap,
    check_namespaces,
    check_permissions,
    check_policies,
    check_loader_image,
    check_metrics_api,
    check_optional_kinds,
    check_webhooks,
)


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Return the findings of all checks."""
    return tuple(finding for check in CHECKS for finding in check(facts))
