"""Rules that select a request, a moment and an action: pure bookkeeping, without a network.

A rule on a stream (a watch's events) is a filter over lines: an asynchronous generator that may hold, repeat, reorder,
drop or cut what passes. All other faults are actions; an answer that was kept earlier can be given again (an old list).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tests.environment.faults.calls import Call


class Moment(StrEnum):
    """Moment at which a rule acts on its request."""

    BEFORE = "before"
    """The API server never hears of it."""
    COMMITTED = "committed but unanswered"
    """The API server did it and answered; the operator has not heard so."""
    AFTER = "after"
    """The operator has the answer."""


class Cut(StrEnum):
    """Ways in which a connection ends without an answer."""

    CLOSE = "close"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: the API server's own, or one that a rule makes up."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(slots=True, eq=False)
class Exchange:
    """One request of the operator, numbered in the order of arrival, and what became of it."""

    number: int
    method: str
    target: str
    """Path and query, as they came."""
    call: Call
    headers: Mapping[str, str]
    body: bytes
    received: float
    """Time of arrival, by the event loop's clock."""
    answer: Answer | None = None
    """The API server's answer, None while there is none; for a stream its body stays empty."""

    @property
    def audit_id(self) -> str | None:
        """The API server's own id of the request, None when it was never asked."""
        headers = {} if self.answer is None else {name.lower(): value for name, value in self.answer.headers.items()}
        return headers.get("audit-id")


Fate = Answer | Cut | None
"""Decision of an action: another answer, no answer, or nothing."""
Action = Callable[[Exchange], Awaitable[Fate]]
Lines = AsyncIterator[bytes]
Filter = Callable[[Lines], Lines]
"""From the lines of a watch to those that the operator sees."""


@dataclass(slots=True, eq=False)
class Rule:
    """The `nth` request of this verb and resource (from 1 on) from when the rule was armed; None: each of them."""

    verb: str | None
    """None: any, as for the resource."""
    resource: str | None
    nth: int | None
    moment: Moment
    action: Action
    namespace: str | None = None
    """None: any."""
    name: str | None = None
    fired: asyncio.Event = field(default_factory=asyncio.Event)
    seen: int = 0

    def counts(self, call: Call) -> bool:
        """Count a request; return True if it is a selected one."""
        wanted = (self.verb, self.resource, self.namespace, self.name)
        found = (call.verb, call.resource, call.namespace, call.name)
        if any(want not in {None, have} for want, have in zip(wanted, found, strict=True)):
            return False
        self.seen += 1
        return self.nth is None or self.seen == self.nth


@dataclass(slots=True, eq=False)
class StreamRule:
    """The `nth` watch of a resource from when the rule was armed: its lines pass through `filter`."""

    resource: str
    nth: int
    filter: Filter
    fired: asyncio.Event = field(default_factory=asyncio.Event)
    seen: int = 0

    def counts(self, call: Call) -> bool:
        """Count a watch; return True if it is the selected one."""
        if (call.verb, call.resource) != ("watch", self.resource):
            return False
        self.seen += 1
        return self.seen == self.nth


class RuleBook:
    """The rules that are armed."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._streams: list[StreamRule] = []

    def arm(self, rule: Rule | StreamRule) -> None:
        """Have a rule count from now on."""
        if isinstance(rule, Rule):
            self._rules.append(rule)
        else:
            self._streams.append(rule)

    def disarm(self, *rules: Rule | StreamRule) -> None:
        """Forget rules."""
        for rule in rules:
            if isinstance(rule, Rule):
                self._rules.remove(rule)
            else:
                self._streams.remove(rule)

    def hit(self, call: Call) -> list[Rule]:
        """Count a request, and return the rules that it is meant by."""
        return [rule for rule in self._rules if rule.counts(call)]

    def filters(self, call: Call) -> list[Filter]:
        """Count a watch, and return the filters that its lines pass, in the order of arming."""
        hit = [rule for rule in self._streams if rule.counts(call)]
        for rule in hit:
            rule.fired.set()
        return [rule.filter for rule in hit]


async def act(rules: list[Rule], moment: Moment, exchange: Exchange) -> Fate:
    """Run the actions of a moment; the first fate that is decided holds."""
    fate: Fate = None
    for rule in rules:
        if rule.moment is moment:
            decided = await rule.action(exchange)
            rule.fired.set()
            fate = fate if fate is not None else decided
    return fate
