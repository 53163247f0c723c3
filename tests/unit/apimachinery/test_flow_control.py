"""Seats are shared among namespaces, and among first attempts and retries."""

import random

from modelservice_operator.apimachinery.flow_control import FairQueue, Flow, Lane, half

GOOD, BAD = Flow("good"), Flow("bad")
RETRY = Flow("bad", Lane.RETRY)
LIMIT = 16


def push(queue: FairQueue[str], flow: Flow, count: int = 1) -> None:
    for number in range(count):
        queue.push(f"{flow.namespace}-{flow.lane}-{number}", flow)


def pop_all(queue: FairQueue[str], limit: int = LIMIT) -> list[Flow]:
    """Take items without releasing a seat; return their flows."""
    flows = []
    while (taken := queue.pop(limit)) is not None:
        flows.append(taken[1])
    return flows


def test_namespaces_take_turns() -> None:
    queue: FairQueue[str] = FairQueue()
    push(queue, BAD, 3)
    push(queue, GOOD, 2)
    assert [flow.namespace for flow in pop_all(queue)] == ["bad", "good", "bad", "good", "bad"]


def test_namespace_has_half_of_the_seats_even_if_alone() -> None:
    queue: FairQueue[str] = FairQueue()
    push(queue, BAD, 30)
    assert len(pop_all(queue)) == half(LIMIT)
    push(queue, GOOD, 30)
    assert pop_all(queue) == [GOOD] * half(LIMIT)


def test_retries_leave_seats_to_first_attempts() -> None:
    queue: FairQueue[str] = FairQueue()
    push(queue, RETRY, 30)
    assert len(pop_all(queue)) == half(half(LIMIT))
    push(queue, BAD, 30)
    assert pop_all(queue) == [BAD] * half(half(LIMIT))


def test_retries_of_all_namespaces_have_half_of_the_seats() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(10):
        push(queue, Flow(f"bad-{number}", Lane.RETRY), 30)
    assert len(pop_all(queue)) == half(LIMIT)


def test_lanes_are_taken_in_order() -> None:
    queue: FairQueue[str] = FairQueue()
    for lane in reversed(Lane):
        push(queue, Flow("ml", lane))
    assert [flow.lane for flow in pop_all(queue)] == list(Lane)


def test_last_lane_does_not_starve() -> None:
    queue: FairQueue[str] = FairQueue()
    push(queue, RETRY)
    push(queue, GOOD, 100)
    taken = []
    while RETRY not in taken:
        item = queue.pop(LIMIT)
        assert item is not None
        taken.append(item[1])
        queue.release(item[1])
    assert len(taken) == 8


def test_single_seat_serves_every_flow() -> None:
    queue: FairQueue[str] = FairQueue()
    for flow in (GOOD, BAD, RETRY):
        push(queue, flow)
    for _ in range(3):
        item = queue.pop(1)
        assert item is not None
        assert queue.pop(1) is None
        queue.release(item[1])


def test_discarded_item_is_not_taken() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.push("a", GOOD)
    queue.discard("a", GOOD)
    queue.discard("b", GOOD)
    queue.discard("c", BAD)
    assert queue.pop(LIMIT) is None
    assert not queue.has_waiting(*Lane)


def test_limits_hold_and_no_item_is_lost_in_any_order() -> None:
    """Random pushes, pops, releases and limits: the shares hold at each step, and all items are taken in the end."""
    rng, queue, taken = random.Random(7), FairQueue[int](), list[Flow]()
    flows = [Flow(namespace, lane) for namespace in "abcd" for lane in Lane]
    count = 0
    for number in range(3000):
        queue.push(number, rng.choice(flows))
        limit = rng.randint(1, LIMIT)
        if rng.random() < 0.6 and (item := queue.pop(limit)) is not None:
            taken.append(item[1])
            count += 1
            assert len(taken) <= limit
            assert sum(flow.namespace == item[1].namespace for flow in taken) <= half(limit)
        if taken and rng.random() < 0.5:
            queue.release(taken.pop(rng.randrange(len(taken))))
    while queue.has_waiting(*Lane):
        if (item := queue.pop(1)) is not None:
            taken.append(item[1])
            count += 1
        queue.release(taken.pop())
    assert count == 3000


def test_seat_is_taken_at_once_if_nothing_waits() -> None:
    queue: FairQueue[str] = FairQueue()
    assert [queue.take(GOOD, LIMIT) for _ in range(half(LIMIT) + 1)] == [True] * half(LIMIT) + [False]
    assert queue.take(BAD, LIMIT)
    push(queue, BAD)
    assert not queue.take(BAD, LIMIT), "an item that waits goes first"
    assert queue.seats_taken == half(LIMIT) + 1
