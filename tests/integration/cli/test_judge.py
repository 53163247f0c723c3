"""The judge of the command line and a real API server agree on every object that the tests of the schema refuse."""

from collections.abc import Callable

from modelservice_cli.offline.judge import Judge
from tests.support.dry_run import DryRunClient
from tests.support.verdicts import compare, metadata_cases, refused_cases

MIN_REFUSED = 2_000


def test_judge_refuses_with_the_sentences_of_the_server(
    server: DryRunClient, namespace: str, figure: Callable[[str], None]
) -> None:
    result = compare(server, Judge(), namespace, refused_cases())
    assert result.differences == []
    assert result.refused >= MIN_REFUSED
    figure(
        f"offline judge: {result.total} objects of the refusal tests, {result.refused} refused, 0 differences from the"
        " API server"
    )


def test_judge_checks_metadata_as_the_server(server: DryRunClient, namespace: str) -> None:
    assert compare(server, Judge(), namespace, metadata_cases()).differences == []
