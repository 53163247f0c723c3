"""Judges the optional parts of a cluster: kinds of other projects, and the metrics of pods. Pure."""

from collections.abc import Iterator

from modelservice_operator.apimachinery.kinds import HTTP_ROUTE, OPTIONAL_CHILD_KINDS, POD_MONITOR
from modelservice_operator.check.facts import Facts, Unreadable
from modelservice_operator.check.findings import Finding, FindingID, ok, unreadable, warning
from modelservice_operator.check.fixes import INSTALL_METRICS_SERVER

_USES = {HTTP_ROUTE: "expose.httpRoute", POD_MONITOR: "monitoring.podMonitor"}


def check_optional_kinds(facts: Facts) -> Iterator[Finding]:
    """Yield which kinds of other projects can be used."""
    for kind in OPTIONAL_CHILD_KINDS:
        served = facts.served.get(kind, False)
        if isinstance(served, Unreadable):
            subject = f"whether {kind.kind} is installed"
            yield unreadable(FindingID.OPTIONAL_KINDS_UNREADABLE, subject, served.reason, facts.user)
        elif served:
            yield ok(FindingID.OPTIONAL_KINDS, f"{kind.kind} is installed: {_USES[kind]} can be used.")
        else:
            yield ok(FindingID.OPTIONAL_KINDS, f"{kind.kind} is not installed: {_USES[kind]} cannot be used.")


def check_metrics_api(facts: Facts) -> Iterator[Finding]:
    """Yield whether autoscaling by CPU and memory can work."""
    found = facts.metrics_api
    if found is True:
        yield ok(FindingID.METRICS_API, "The metrics of pods are served: autoscaling by CPU and memory can be used.")
    elif found is False:
        text = (
            "No metrics-server is installed (metrics.k8s.io): autoscaling by CPU or memory does not work, and the"
            " condition AutoscalerReady of such a ModelService says so."
        )
        yield warning(FindingID.METRICS_API_MISSING, text, INSTALL_METRICS_SERVER)
    else:
        text = f"The metrics-server does not answer: {found.reason.rstrip('.')}. Autoscaling does not work."
        yield warning(FindingID.METRICS_API_UNAVAILABLE, text, "kubectl describe apiservice v1beta1.metrics.k8s.io")
