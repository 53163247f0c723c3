import json

import pytest
from bench.measures import COMPARED, PUBLISHED, Measure, PeerName, Sizes, Spread
from bench.report import TARGETS, TITLES, Results, render_document, results_json, targets_table

NOBODY: dict[PeerName, dict[Measure, Spread]] = {}


def a_summary(**cpu: float) -> dict[PeerName, dict[Measure, Spread]]:
    """All figures 1, but the CPU of the peers that are named."""
    return {
        peer: {measure: Spread.of([cpu.get(peer, 1.0) if measure is Measure.CPU else 1.0]) for measure in Measure}
        for peer in COMPARED
    }


def test_report_has_every_peer_and_published_measure() -> None:
    found = json.loads(results_json(a_summary(kopf=12.3456)))

    assert set(found) == {"peers"}
    assert set(found["peers"]) == {"modelservice", "go_mcr1", "go_mcr4", "kopf", "raw"}
    assert set(found["peers"]["raw"]) == {
        "own_writes_per_object",
        "cpu_ms_per_object",
        "apiserver_cpu_ms_per_object",
        "rss_mib_1000",
        "restart_cpu_s",
        "restart_writes",
        "idle_requests",
        "p50_ms",
        "p99_ms",
        "burst_s",
    }
    assert found["peers"]["kopf"]["cpu_ms_per_object"] == 12.346


@pytest.mark.parametrize(("own", "word"), [(0.9, "met"), (1.0, "met"), (1.1, "MISSED")])
def test_target_is_a_ratio_of_medians(own: float, word: str) -> None:
    [row] = [
        line for line in targets_table(a_summary(modelservice=own)).splitlines() if "CPU, ratio to go_mcr4" in line
    ]

    assert word in row


def test_target_without_its_peer_is_not_measured() -> None:
    assert all(target.reached(NOBODY) is None for target in TARGETS)


def test_every_measure_has_a_title() -> None:
    assert set(TITLES) == set(Measure) >= set(PUBLISHED)


def test_report_shows_median_and_range() -> None:
    spread = Spread.of([1.0, 2.5, 4.0])
    results = Results(
        summary={PeerName.RAW: {Measure.BURST: spread}},
        requests={PeerName.RAW: {"create services": 1.0, "get nothing": 0.001}},
        sizes=Sizes(),
        versions={"Go": "1"},
        provenance="on 2026-01-01 at commit 0123456789ab",
        minutes=9.7,
    )

    text = render_document(results)

    assert "2.50 (1-4)" in text
    assert "burst of 200" in text
    assert "- Go: 1" in text
    assert "get nothing" not in text
