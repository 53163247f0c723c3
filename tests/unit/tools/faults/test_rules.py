"""A rule hits one request, at one moment."""

import pytest

from tests.environment.faults.actions import Drop, Reply
from tests.environment.faults.calls import Call
from tests.environment.faults.rules import Answer, Cut, Exchange, Lines, Moment, Rule, RuleBook, act
from tests.environment.faults.streams import lines_of

CREATE = Call("create", "deployments", "ml", "iris")


def a_rule(*, namespace: str | None = None, name: str | None = None) -> Rule:
    return Rule("create", "deployments", 2, Moment.BEFORE, Drop(), namespace, name)


def an_exchange() -> Exchange:
    return Exchange(1, "POST", "/", CREATE, {}, b"", 0.0)


def test_rule_hits_only_the_second_match() -> None:
    book, rule = RuleBook(), a_rule()
    book.arm(rule)
    assert [book.hit(CREATE) for _ in range(3)] == [[], [rule], []]


def test_other_requests_do_not_count() -> None:
    rule = a_rule(namespace="ml", name="iris")
    others = (
        Call("create", "services", "ml", "iris"),
        Call("patch", "deployments", "ml", "iris"),
        Call("create", "deployments", "other", "iris"),
        Call("create", "deployments", "ml", "other"),
    )
    assert not any(rule.counts(call) for call in (*others, *others))
    assert rule.seen == 0


def test_disarmed_rule_counts_nothing() -> None:
    book, rule = RuleBook(), a_rule()
    book.arm(rule)
    book.disarm(rule)
    assert book.hit(CREATE) == []
    assert rule.seen == 0


async def test_action_applies_only_at_its_stage() -> None:
    rule = a_rule()
    assert await act([rule], Moment.COMMITTED, an_exchange()) is None
    assert not rule.fired.is_set()
    assert await act([rule], Moment.BEFORE, an_exchange()) is Cut.CLOSE
    assert rule.fired.is_set()


async def test_first_outcome_is_final() -> None:
    answer = Answer(503)
    rules = [Rule("create", "deployments", 1, Moment.BEFORE, action) for action in (Reply(answer), Drop())]
    assert await act(rules, Moment.BEFORE, an_exchange()) is answer
    assert all(rule.fired.is_set() for rule in rules)


@pytest.mark.parametrize("chunks", [[b"a\nb\nc"], [b"a", b"\nb\n", b"c"], [b"a\n", b"b\nc"]])
async def test_lines_are_whole_whatever_the_pieces(chunks: list[bytes]) -> None:
    async def pieces() -> Lines:
        for chunk in chunks:
            yield chunk

    assert [line async for line in lines_of(pieces())] == [b"a\n", b"b\n", b"c"]
