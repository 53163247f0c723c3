from itertools import chain

import pytest
from bench.measures import COMPARED, Measure, PeerName, Spread, percentile, rotated, summarize


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)], ids=["median", "tail", "most", "least"]
)
def test_percentile_is_a_measured_value(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_every_peer_has_every_place_once() -> None:
    orders = [rotated(COMPARED, number) for number in range(len(COMPARED))]

    for place in range(len(COMPARED)):
        assert {order[place] for order in orders} == set(COMPARED)


def test_more_rounds_than_peers_start_over() -> None:
    assert rotated(COMPARED, len(COMPARED)) == COMPARED


def test_summary_uses_the_measures_of_each_round() -> None:
    rounds = {PeerName.RAW: [{Measure.CPU: 3.0}, {Measure.CPU: 1.0}, {Measure.CPU: 2.0, Measure.MEMORY: 40.0}]}

    summary = summarize(rounds)

    assert summary == {
        PeerName.RAW: {
            Measure.CPU: Spread(median=2.0, minimum=1.0, maximum=3.0, rounds=3),
            Measure.MEMORY: Spread(median=40.0, minimum=40.0, maximum=40.0, rounds=1),
        }
    }


def test_peer_measured_only_when_idle_is_not_published() -> None:
    assert set(chain(COMPARED, [PeerName.GO_WITH_PODS])) == set(PeerName)
