"""The benchmark runs from the beginning to the end, with every peer and small numbers. Times are not judged."""

from collections.abc import Callable
from pathlib import Path

import pytest
from bench.measures import COMPARED, PUBLISHED, Measure, PeerName, Sizes
from bench.side_by_side import compare_peers, format_results, publish

pytestmark = pytest.mark.timeout(300)


def test_bench_measures_every_peer(tmp_path: Path, figure: Callable[[str], None]) -> None:
    results = compare_peers(COMPARED, Sizes.quick(), provenance="on 2026-01-01 at commit 0123456789ab")
    publish(results, tmp_path)
    figure(f"bench run --quick: {results.minutes * 60:.0f} s")
    assert {peer: set(results.summary[peer]) >= set(PUBLISHED) for peer in COMPARED} == dict.fromkeys(COMPARED, True)
    own = results.summary[PeerName.MODELSERVICE]
    # Three children, the status before and after the rollout, and one more for each second of it.
    assert 4 <= own[Measure.OWN_WRITES].median <= 5 + own[Measure.BURST].median
    assert (own[Measure.RESTART_WRITES].median, own[Measure.IDLE_REQUESTS].median) == (0, 0)
    assert "restart with 10 objects, writes" in format_results(results)
    assert "at commit 0123456789ab" in (tmp_path / "RESULTS.md").read_text()
