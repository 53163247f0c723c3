"""Progress of loaders, which may be custom images: only numbers in their ranges reach the status."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelservice_operator.api.v1alpha1.status import LoadProgress as ApiLoadProgress
from modelservice_operator.status.load_progress import MAX_BYTES, LoadProgress

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["bytes", "total", "secondsLeft", "x"]), inner),
)


@given(body=JSON | st.fixed_dictionaries({"bytes": JSON, "total": JSON, "secondsLeft": JSON}))
def test_any_json_yields_a_valid_status_or_none(body: Any) -> None:
    progress = LoadProgress.parse(json.dumps(body).encode())
    if progress is not None:
        ApiLoadProgress.model_validate(progress.to_status())


@given(line=st.binary())
def test_any_bytes_yield_a_valid_status_or_none(line: bytes) -> None:
    progress = LoadProgress.parse(line)
    if progress is not None:
        ApiLoadProgress.model_validate(progress.to_status())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"bytes": 0, "total": 10}, {"loadedBytes": 0, "totalBytes": 10, "percent": 0}),
        (
            {"bytes": 999, "total": 1000, "secondsLeft": 0},
            {"loadedBytes": 999, "totalBytes": 1000, "percent": 99, "secondsLeft": 0},
        ),
        ({"bytes": 7, "total": None, "secondsLeft": 3}, {"loadedBytes": 7}),
        ({"bytes": 11, "total": 10, "secondsLeft": 3}, {"loadedBytes": 11}),
        (
            {"bytes": 5, "total": 10, "secondsLeft": -1, "percent": 99},
            {"loadedBytes": 5, "totalBytes": 10, "percent": 50},
        ),
        ({"bytes": 5, "total": 10, "secondsLeft": "1\u001b[31m"}, {"loadedBytes": 5, "totalBytes": 10, "percent": 50}),
    ],
)
def test_figures_are_reported(body: dict[str, Any], status: dict[str, int]) -> None:
    progress = LoadProgress.parse(json.dumps(body).encode())
    assert progress is not None
    assert progress.to_status() == status


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        7,
        "x",
        {"bytes": 0},
        {"bytes": True},
        {"bytes": 1.5},
        {"bytes": -1},
        {"bytes": MAX_BYTES + 1},
        {"bytes": 0, "total": 0},
    ],
)
def test_line_without_figures_reports_nothing(body: Any) -> None:
    assert LoadProgress.parse(json.dumps(body).encode()) is None
