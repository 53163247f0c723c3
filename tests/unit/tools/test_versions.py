"""The summary line of the tests on one Kubernetes version."""

import pytest

from tests.environment.versions import Outcome


@pytest.mark.parametrize(
    ("output", "code", "line"),
    [
        ("...\n== 61 passed, 207 deselected, 1 skipped in 141.08s (0:02:21) ==\n", 0, "61 passed, 1 skipped in 150 s"),
        ("= 2 failed, 59 passed, 1 error in 90.00s =", 1, "2 failed, 59 passed, 1 error in 150 s"),
        ("Left behind by this run:\n  process 7", 70, "exit code 70 in 150 s"),
        ("", 2, "exit code 2 in 150 s"),
    ],
)
def test_summary_line(output: str, code: int, line: str) -> None:
    assert str(Outcome("v1.33.13", code, output, 150.2)) == f"Kubernetes v1.33.13: {line}"
