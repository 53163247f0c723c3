"""Facts of a healthy install, for tests that change one of them."""

import copy
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import yaml

from modelservice_operator import __version__
from modelservice_operator.api.crdgen.crd import VERSION_ANNOTATION, custom_resource_definition
from modelservice_operator.api.crdgen.references import NAME as REFERENCES
from modelservice_operator.api.crdgen.references import policy
from modelservice_operator.apimachinery.kinds import HTTP_ROUTE, POD_MONITOR
from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.check.access import Question, questions_about
from modelservice_operator.check.facts import AccessReview, Facts, LeaseState
from modelservice_operator.check.findings import Finding
from modelservice_operator.check.gather import POLICY
from modelservice_operator.check.judge import judge
from modelservice_operator.check.operators import Install, OperatorArguments
from modelservice_operator.check.policies import POLICY_NAMES, WARNINGS
from modelservice_operator.client.server_clock import ClockReading

KEY = NamespacedName("modelservice-system", "modelservice-operator")
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def install(**changes: Any) -> Install:
    """Return an install that serves all namespaces."""
    fields: dict[str, Any] = {
        "key": KEY,
        "image": f"modelservice.dev/operator:{__version__}",
        "replicas": 2,
        "ready_replicas": 2,
        "account": KEY,
        "selector": "app.kubernetes.io/name=modelservice-operator",
        "arguments": OperatorArguments(lease=KEY, loader_image=f"modelservice.dev/loader:{__version__}"),
    }
    return Install(**(fields | changes))


def lease(**changes: Any) -> LeaseState:
    """Return a Lease that a pod holds."""
    fields: dict[str, Any] = {"key": KEY, "holder": "pod-1_0a1b2c3d", "version": __version__, "is_fresh": True}
    return LeaseState(**(fields | changes))


_generated_crd = cache(custom_resource_definition)


def crd() -> Any:
    """Return the CRD as the API server has it."""
    body = copy.deepcopy(_generated_crd())
    body["spec"]["conversion"] = {"strategy": "None"}
    conditions = [{"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}]
    body["status"] = {"conditions": conditions, "storedVersions": ["v1alpha1"]}
    return body


@cache
def _references() -> Any:
    return next(iter(yaml.safe_load_all(policy())))


def installed_policy(name: str) -> Any:
    """Return a policy of this version; its rules matter only for that of the references."""
    body = {"metadata": {"name": name, "annotations": {VERSION_ANNOTATION: __version__}}, "spec": {}}
    return copy.deepcopy(_references()) if name == REFERENCES else body


def binding(name: str) -> Any:
    """Return the binding of a policy."""
    actions = ["Warn" if name == WARNINGS else "Deny"]
    return {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": actions}}


def clock(*, offset: float = 0.0, round_trip: float = 0.1) -> ClockReading:
    """Return a reading of a server whose clock is ahead by `offset` seconds."""
    server = (NOW + timedelta(seconds=offset)).replace(microsecond=0)
    return ClockReading(NOW, server, NOW + timedelta(seconds=round_trip))


def reviews(*installs: Install, denied: frozenset[str] = frozenset()) -> tuple[AccessReview, ...]:
    """Return reviews that allow everything but some permissions, such as `list pods`."""
    return tuple(_review(one, denied) for one in questions_about(installs))


def _review(question: Question, denied: frozenset[str]) -> AccessReview:
    return AccessReview(*question, is_allowed=str(question.permission) not in denied)


def facts(**changes: Any) -> Facts:
    """Return the facts of a healthy install."""
    one = install()
    fields = {
        "version": __version__,
        "user": "admin",
        "kubernetes": "v1.37.0",
        "clock": clock(),
        "crd": crd(),
        "installs": (one,),
        "leases": {KEY: lease()},
        "namespaces": {KEY.namespace: {"metadata": {"name": KEY.namespace}}},
        "reviews": reviews(one),
        "served": {HTTP_ROUTE: True, POD_MONITOR: False, POLICY: True},
        "policies": {name: installed_policy(name) for name in POLICY_NAMES},
        "bindings": tuple(binding(name) for name in POLICY_NAMES),
    }
    return Facts(**(fields | changes))


def problems(**changes: Any) -> dict[str, Finding]:
    """Return the findings that are not ok, by id, after changes of the healthy facts."""
    return {finding.id.value: finding for finding in judge(facts(**changes)) if finding.level != "ok"}
