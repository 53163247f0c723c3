"""Figures of a load: share, rate and time left, for any counts."""

import io
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_loader.progress import Figures, JsonLogger, LineDisplay, Progress, RateMeter

COUNTS = st.integers(min_value=0, max_value=1 << 62)


@given(loaded=COUNTS, total=st.none() | COUNTS, rate=st.none() | COUNTS)
def test_figures_are_within_their_ranges(loaded: int, total: int | None, rate: int | None) -> None:
    figures = Figures(loaded, total, 0, rate)
    assert figures.percent is None or 0 <= figures.percent <= 100
    assert figures.seconds_left is None or 0 <= figures.seconds_left <= 30 * 24 * 3600
    assert (figures.percent is None) == (not total)
    assert (figures.seconds_left is None) == (total is None or not rate)


def test_percent_is_complete_only_at_the_end() -> None:
    assert Figures(999, 1000, 0).percent == 99
    assert Figures(1000, 1000, 0).percent == 100


def test_time_left_follows_the_rate() -> None:
    assert Figures(400, 1000, 0, 100).seconds_left == 6
    assert Figures(401, 1000, 0, 100).seconds_left == 6
    assert Figures(1000, 1000, 0, 100).seconds_left == 0


def test_rate_is_of_the_last_half_minute() -> None:
    meter = RateMeter(0.0)
    for second in range(1, 61):
        assert meter.measure(float(second), 100 * second) == 100
    for second in range(61, 101):
        rate = meter.measure(float(second), 6000 + 10 * (second - 60))
    assert rate == 10
    assert meter.measure(140.0, 6400) is None, "a stalled store has no time left"


def test_rate_memory_is_bounded() -> None:
    meter = RateMeter(0.0)
    for number in range(100_000):
        meter.measure(number / 50, number)
    assert len(meter._samples) < 40  # noqa: SLF001


def test_resumed_bytes_count_as_loaded_but_not_for_the_rate() -> None:
    progress = Progress(lambda _: None, lambda _: None, timeout=60)
    progress.total_bytes = 1000
    progress.resume_bytes(900)
    figures = progress.figures()
    assert (figures.percent, figures.bytes_per_second) == (90, None)


def test_line_of_the_log_has_share_rate_and_time() -> None:
    stream = io.StringIO()
    LineDisplay(JsonLogger(stream, str)).show(Figures(250, 1000, 2, 50))
    assert json.loads(stream.getvalue()) == {
        "event": "progress",
        "bytes": 250,
        "total": 1000,
        "files": 2,
        "percent": 25,
        "bytesPerSecond": 50,
        "secondsLeft": 15,
    }


@pytest.mark.parametrize("interval", [0.02])
def test_display_is_called_while_loading(interval: float) -> None:
    shown: list[Figures] = []
    with Progress(shown.append, lambda _: None, timeout=60, interval=interval) as progress:
        progress.add_bytes(10)
        while len(shown) < 3:
            time.sleep(interval)
    assert shown[-1].bytes == 10
