from datetime import UTC, datetime
from decimal import Decimal

import pytest

from modelservice_cli.view.humanize import (
    format_age,
    format_bytes,
    format_cpu,
    format_duration,
    format_memory,
    shorten,
)
from modelservice_cli.view.latency import format_ms, percentile, summary
from modelservice_cli.view.logfacts import ports_listened_on

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59, "59s"),
        (60, "1m"),
        (330, "5m30s"),
        (660, "11m"),
        (7_500, "2h5m"),
        (200_000, "2d7h"),
        (864_000, "10d"),
    ],
)
def test_durations_are_those_of_kubectl(seconds: int, text: str) -> None:
    assert format_duration(seconds) == text


def test_age_of_a_damaged_time_is_unknown() -> None:
    assert format_age("yesterday", NOW) == "<unknown>"
    assert format_age(None, NOW) == "<unknown>"
    assert format_age("2026-01-01T23:59:00Z", NOW) == "1m"
    assert format_age("2027-01-01T00:00:00Z", NOW) == "0s"


@pytest.mark.parametrize(("count", "text"), [(12, "12 B"), (1_000, "1.0 kB"), (3_221_225_472, "3.2 GB")])
def test_sizes(count: int, text: str) -> None:
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("mebibytes", "text"), [(700, "700Mi"), (1024, "1Gi"), (1500, "1500Mi"), (10_240, "10Gi"), (13_000, "13Gi")]
)
def test_memory_quantities(mebibytes: int, text: str) -> None:
    assert format_memory(Decimal(mebibytes) * 1024**2) == text


def test_cpu_quantities() -> None:
    assert [format_cpu(Decimal(text)) for text in ("0.25", "1", "0.0001", "2.5")] == ["250m", "1", "1m", "2500m"]


def test_text_is_shortened_to_one_line() -> None:
    assert shorten("a\n b\tc", 10) == "a b c"
    assert shorten("abcdef", 4) == "abc…"


def test_percentiles_are_measured_values() -> None:
    seconds = [0.001 * number for number in range(1, 101)]
    assert percentile(seconds, 50) == 0.05
    assert percentile(seconds, 99) == 0.099
    assert percentile([0.3], 99) == 0.3
    assert [format_ms(one) for one in (0.00431, 0.0431, 0.431)] == ["4.31 ms", "43.1 ms", "431 ms"]
    assert summary([0.01, 0.03], 0.05) == "2 requests: p50 10.0 ms, p99 30.0 ms, max 30.0 ms, 40.0/s one after another"


@pytest.mark.parametrize(
    ("line", "ports"),
    [
        ("INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)", [8000]),
        (" * Running on all addresses (0.0.0.0)", []),
        (" * Running on http://127.0.0.1:5000", [5000]),
        ("[2026-01-01 00:00:00 +0000] [1] [INFO] Listening at: http://0.0.0.0:5000 (1)", [5000]),
        ("Started HTTPService at 0.0.0.0:8000", [8000]),
        ("Started GRPCInferenceService at 0.0.0.0:8001", [8001]),
        ("Tomcat started on port 8081 (http) with context path '/'", [8081]),
        ("Exporting HTTP/REST API at:localhost:8501 ...", [8501]),
        ("server listening on port 3000", [3000]),
        ("listening on [::]:9000", [9000]),
        ("connected to 10.0.0.1:5432", []),
        ("listening on port 99999", []),
    ],
)
def test_port_of_a_log_line(line: str, ports: list[int]) -> None:
    assert ports_listened_on(line) == ports
