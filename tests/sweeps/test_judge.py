"""The judge of the command line and a real API server agree on accepted objects, hostile texts and odd values."""

from collections.abc import Callable, Iterator

import pytest

from modelservice_cli.offline.judge import Judge
from tests.support.dry_run import DryRunClient
from tests.support.verdicts import Case, accepted_cases, compare, hostile_cases, odd_cases


@pytest.mark.parametrize("cases", [accepted_cases, hostile_cases, odd_cases])
def test_judge_agrees_with_the_server(
    server: DryRunClient, namespace: str, figure: Callable[[str], None], cases: Callable[[], Iterator[Case]]
) -> None:
    result = compare(server, Judge(), namespace, cases())
    assert result.differences == []
    figure(
        f"offline judge: {result.total} objects ({cases.__name__}), {result.refused} refused, 0 differences from the"
        " API server"
    )
