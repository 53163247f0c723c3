"""from-deployment against a real API server: it stores the input and the children of the result, and both are compared.

Both sides are created by dry run, so that they have the defaults of the server and nothing is stored.
tests/sweeps/test_conversions.py does the same for all generated inputs.
"""

import copy
from collections.abc import Callable

from modelservice_cli.convert.defaults import with_defaults
from modelservice_operator.resources.canonical import canonical_form
from tests.support.dry_run import DryRunClient
from tests.support.migration.generated import generated_input
from tests.support.migration.oracle import Side, is_meaningful
from tests.support.migration.public import public_manifests
from tests.support.migration.server_forms import KINDS, check_inputs, placed, stored

GENERATED, STEP = 300, 7


def test_public_manifests_are_stored_without_silent_losses(
    server: DryRunClient, namespace: str, figure: Callable[[str], None]
) -> None:
    inputs = list(public_manifests())
    named, problems = check_inputs(server, inputs, namespace)
    figure(
        f"from-deployment on the server: {len(inputs)} public manifests, {named} lost values, {len(problems)} silent"
    )
    assert "\n".join(problems) == ""


def test_generated_inputs_are_stored_without_silent_losses(
    server: DryRunClient, namespace: str, figure: Callable[[str], None]
) -> None:
    inputs = [(f"seed {seed}", generated_input(seed)) for seed in range(0, GENERATED, STEP)]
    named, problems = check_inputs(server, inputs, namespace)
    figure(
        f"from-deployment on the server: {len(inputs)} generated inputs, {named} lost values, {len(problems)} silent"
    )
    assert "\n".join(problems) == ""
    assert named > 10 * len(inputs)


def test_defaults_are_those_of_the_server(server: DryRunClient, namespace: str) -> None:
    """The server stores each default that the tool adds, and none that the tool lacks."""
    different = []
    for seed in range(0, GENERATED, STEP):
        objects = [body for body in generated_input(seed) if body["kind"] in KINDS]
        for body, live in zip(objects, stored(server, objects, namespace), strict=True):
            ours = canonical_form(with_defaults(placed(copy.deepcopy(body), namespace)))
            for side, other in ((ours, live), (live, ours)):
                lines = set(Side(bodies=[other]).lines(other))
                different += [
                    f"seed {seed}: {body['kind']} {line} is"
                    f" {'not stored' if side is ours else 'no default of the tool'}"
                    for line in Side(bodies=[side]).lines(side)
                    if line not in lines and is_meaningful(line)
                ]
    assert "\n".join(different) == ""
