"""Cause, evidence and fixes of a problem: what `why` prints."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modelservice_cli.cluster.family import Family, event_time, label
from modelservice_cli.view import pods
from modelservice_cli.view.conditions import Problem, problems
from modelservice_cli.view.fixes import Case, Facts, Fix, propose_fixes
from modelservice_cli.view.humanize import format_age, shorten
from modelservice_cli.view.managers import manager_of
from modelservice_cli.view.tree import autoscaler_text, progress_text
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.apimachinery.well_known import TEMPLATE_HASH

_LINE_CHARS = 200
_MAX_EVENTS = 3
_MAX_PODS = 3
_MAX_LOG_LINES = 5


@dataclass(frozen=True, slots=True)
class Evidence:
    """A line of evidence, and where it is from."""

    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a ModelService is not as its spec says."""

    problem: Problem
    since: str
    evidence: tuple[Evidence, ...]
    fixes: tuple[Fix, ...]
    others: tuple[Problem, ...] = ()
    """Further problems, less important."""

    def to_json(self) -> Object:
        """Return the explanation as JSON."""
        return {
            "condition": self.problem.kind,
            "reason": self.problem.reason,
            "cause": self.problem.message,
            "since": self.problem.since,
            "evidence": [{"source": one.source, "text": one.text} for one in self.evidence],
            "fixes": [_fix_json(fix) for fix in self.fixes],
            "others": [{"condition": one.kind, "reason": one.reason, "message": one.message} for one in self.others],
        }


def _fix_json(fix: Fix) -> Object:
    body: Object = {"text": fix.text, "commands": list(fix.commands), "safe": fix.change is not None}
    if fix.patch is not None:
        body["patch"] = fix.patch
    if fix.caution:
        body["caution"] = fix.caution
    return body


def explain(family: Family, facts: Facts, now: datetime, *, program: str) -> Explanation | None:
    """Return the explanation of the most important problem; None if there is none."""
    found = problems(family.service)
    if not found:
        return None
    first = found[0]
    fixes = propose_fixes(Case(first, family, facts, program))
    since = format_age(first.since, now) if first.since else ""
    return Explanation(first, since, tuple(_evidence(first, family, facts, now)), tuple(fixes), tuple(found[1:]))


def _evidence(problem: Problem, family: Family, facts: Facts, now: datetime) -> Iterator[Evidence]:
    yield from _pod_evidence(family, now)
    failure = family.status.get("lastFailure") or {}
    if failure.get("message"):
        yield Evidence("last log line", shorten(failure["message"], _LINE_CHARS))
    if text := progress_text((family.status.get("model") or {}).get("progress") or {}):
        yield Evidence("loader", text)
    if problem.kind == "AutoscalerReady" and family.autoscaler is not None:
        yield Evidence("autoscaler", autoscaler_text(family.autoscaler))
    for line in facts.log.splitlines()[-_MAX_LOG_LINES:]:
        if text := shorten(line, _LINE_CHARS):
            yield Evidence("log", text)
    yield from _quota_evidence(facts)
    yield from _event_evidence(family, now)
    if tool := manager_of(family.service):
        yield Evidence("managed by", f"{tool}, which takes back changes that are not made at its source")


def _pod_evidence(family: Family, now: datetime) -> Iterator[Evidence]:
    current = [
        pod for pod in family.pods if not family.current_hash or label(pod, TEMPLATE_HASH) == family.current_hash
    ]
    unready = [pod for pod in current if not pods.is_ready(pod)]
    for pod in unready[:_MAX_PODS]:
        last = pods.last_termination(pod)
        ended = f", {last.container} ended with {last.reason} ({last.exit_code})" if last is not None else ""
        ago = f" {format_age(last.time, now)} ago" if last is not None and last.time else ""
        waits = f": {shorten(pods.problem_text(pod), _LINE_CHARS)}" if pods.problem_text(pod) else ""
        count = pods.restarts(pod)
        restarted = f", {count} restarts" if count else ""
        yield Evidence("pod", f"{pod['metadata']['name']} is {pods.state(pod)}{restarted}{ended}{ago}{waits}")
    if len(unready) > _MAX_PODS:
        yield Evidence("pod", f"and {len(unready) - _MAX_PODS} more")


def _quota_evidence(facts: Facts) -> Iterator[Evidence]:
    for quota in facts.quotas:
        status: Mapping[str, Any] = quota.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        for name, limit in hard.items():
            yield Evidence("quota", f"{quota['metadata']['name']}: {name} {used.get(name, 0)} of {limit} used")


def _event_evidence(family: Family, now: datetime) -> Iterator[Evidence]:
    warnings = [event for event in family.events if event.get("type") == "Warning"]
    seen: dict[tuple[str, str], Object] = {}
    for event in reversed(warnings):
        seen.setdefault((str(event.get("reason")), str(event.get("message"))), event)
    for (reason, message), event in list(seen.items())[:_MAX_EVENTS]:
        yield Evidence("event", f"{reason} {format_age(event_time(event), now)} ago: {shorten(message, _LINE_CHARS)}")
