"""Fights with other clients are bounded: few writes after the first minute, and the status tells what is undone."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

import pytest

from modelservice_operator.apimachinery.kinds import BUILT_IN_CHILD_KINDS, MODEL_SERVICE
from modelservice_operator.controller.object_state import STATUS_BURST, STATUS_REFILL_SECONDS
from tests.environment.audit import AuditTrail
from tests.support.api import ApiClient, Watcher
from tests.support.fights import Arena, Opponent, fighting, opponents
from tests.support.namespace import NamespaceFixture

pytestmark = pytest.mark.timeout(600)

MAX_WRITES_PER_MINUTE = 6
MINUTE = 60.0
MAX_STATUS_WRITES = STATUS_BURST + 2 * MINUTE / STATUS_REFILL_SECONDS + len(("create a Deployment", "create a Service"))
"""In two minutes. Counts that really change are reported at this rate; it is not a fight."""


def are_complete(ns: NamespaceFixture, found: list[Opponent]) -> bool:
    return all(ns.condition(opponent.name) for opponent in found)


def is_reported(watcher: Watcher, opponent: Opponent, reported: set[str]) -> bool:
    """Return True if the status has told the fight, now or before."""
    live = watcher.get(MODEL_SERVICE, opponent.name) or {}
    for condition in (live.get("status") or {}).get("conditions", ()):
        if condition["reason"] == "DriftDetected" and opponent.message in condition["message"]:
            reported.add(opponent.name)
    return opponent.name in reported


async def test_every_fight_is_bounded_and_reported(
    ns: NamespaceFixture, audit: AuditTrail, figure: Callable[[str], None]
) -> None:
    found, reported = opponents(), set[str]()
    for opponent in found:
        ns.apply(opponent.builder)
    ns.wait(lambda: are_complete(ns, found), "first status of each ModelService", within=60)
    kinds = (MODEL_SERVICE, *BUILT_IN_CHILD_KINDS)
    async with (
        ApiClient(ns.cluster.kubeconfig) as api,
        Watcher(api, ns.namespace).watch(kinds) as watcher,
        fighting(Arena(api, watcher, ns.namespace), found),
    ):
        started = time.time()
        while time.time() < started + 2 * MINUTE:
            for opponent in found:
                is_reported(watcher, opponent, reported)
            await asyncio.sleep(0.2)
    first, second = (writes_of(ns, audit, found, started + after) for after in (0.0, MINUTE))
    figure(f"{len(found)} fights: at most {max(second.values())} writes in the second minute")
    figure("\n".join(f"  {name}: {first[name]}, then {second[name]}" for name in first))
    fights = {opponent.name for opponent in found if opponent.is_fight}
    assert {name: second[name] for name in fights if second[name] > MAX_WRITES_PER_MINUTE} == {}
    assert {name: total for name, total in (first + second).items() if total > MAX_STATUS_WRITES} == {}
    assert [it.name for it in found if it.message and it.name not in reported] == []


def writes_of(ns: NamespaceFixture, audit: AuditTrail, found: list[Opponent], start: float) -> Counter[str]:
    """Count the operator's writes for each ModelService in the minute after `start`, rejected ones included."""
    names = [
        request.call.name
        for request in audit.requests()
        if request.is_write and request.call.namespace == ns.namespace and start <= request.received < start + MINUTE
    ]
    return Counter({opponent.name: names.count(opponent.name) for opponent in found})
