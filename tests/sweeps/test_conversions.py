"""from-deployment against a real API server for all generated inputs (tests/integration/cli has a sample of them)."""

from collections.abc import Callable

import pytest

from modelservice_cli.convert.conversion import Options
from tests.support.dry_run import DryRunClient
from tests.support.migration.generated import generated_input
from tests.support.migration.server_forms import check_inputs

GENERATED = 300


@pytest.mark.parametrize("keep_defaults", [False, True], ids=["smallest", "keep-defaults"])
def test_generated_inputs_are_stored_without_silent_losses(
    server: DryRunClient, namespace: str, figure: Callable[[str], None], *, keep_defaults: bool
) -> None:
    inputs = [(f"seed {seed}", generated_input(seed)) for seed in range(GENERATED)]
    named, problems = check_inputs(server, inputs, namespace, Options(keep_defaults=keep_defaults))
    figure(
        f"from-deployment {'--keep-defaults ' if keep_defaults else ''}on the server: {GENERATED} generated inputs,"
        f" {named} lost values with a sentence, {len(problems)} without"
    )
    assert "\n".join(problems) == ""
    assert named > 5 * GENERATED
