"""The warnings of `lint` are those of the admission policy (tests/integration/test_warnings.py, on a real server)."""

from typing import Any

import pytest

from modelservice_cli.offline.judge import Judge
from modelservice_cli.offline.warnings import warnings_of
from tests.support.warning_cases import QUIET, QUIET_SPECS, WARNED

JUDGE = Judge()


def messages(spec: dict[str, Any]) -> list[str]:
    verdict = JUDGE.create(QUIET.with_spec(**spec).manifest())
    assert verdict.refusal is None
    return [finding.message for finding in warnings_of(verdict.body)]


@pytest.mark.parametrize("case", WARNED)
def test_setting_is_warned_about_as_by_the_server(case: str) -> None:
    changes, expected = WARNED[case]
    assert messages(changes) == expected


@pytest.mark.parametrize("case", QUIET_SPECS)
def test_good_setting_is_not_warned_about(case: str) -> None:
    assert messages(QUIET_SPECS[case]) == []


def test_unreadable_value_is_not_warned_about() -> None:
    """As with failurePolicy Ignore: stored under an older schema, a value may have another type."""
    body = QUIET.manifest()
    body["spec"] |= {"autoscaling": {"maxReplicas": 2, "targetCPUUtilizationPercentage": "lots"}, "image": "iris"}
    assert [finding.message.partition(" ")[0] for finding in warnings_of(body)] == ["image"]
