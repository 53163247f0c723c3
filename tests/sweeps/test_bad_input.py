"""Hostile text in every field and numbers at every bound are rejected with a message or passed on unchanged.

The children of each accepted object are built and validated by the API server as well: an accepted ModelService must
not fail later. The tests need no operator and store nothing.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import CHILD_KINDS
from modelservice_operator.resources import DesiredChild, build_children
from tests.support.builders import golden
from tests.support.children import rejections_of_child, rejections_of_children
from tests.support.dry_run import DryRunClient, DryRunResponse
from tests.support.schema_cases import AMOUNTS, EDGES, MAPS, NUMBERS, TEXTS, hostile_values
from tests.support.schema_fields import VALUE, fields, with_field
from tests.support.variable_expansion import expand_variables


def test_hostile_text_is_rejected_or_stays_literal(
    server: DryRunClient, namespace: str, figure: Callable[[str], None]
) -> None:
    failures: list[tuple[str, str, object]] = []
    accepted = total = 0
    for kind, field, text, value in hostile_values():
        answer = server.create_model_service(with_field(field.path, value).named("iris", namespace=namespace))
        total += 1
        if not answer.is_accepted:
            failures += [] if is_explained(answer) else [(kind, field.name, answer.message[:300])]
            continue
        accepted += 1
        children = build_children(ModelService.parse(answer.body))
        changed = [child for child in children if text and contains(child.body, text)]
        if text and field not in AMOUNTS and not changed:
            failures.append((kind, field.name, "in no child"))
        failures += [(kind, field.name, message) for child in changed for message in rejections_of_child(server, child)]
        failures += [(kind, field.name, message) for message in expansions(children)]
    figure(
        f"bad input: {total} hostile texts in {len({*names()})} fields, {total - accepted} rejected, the rest literal"
    )
    assert failures == []


def test_numbers_at_the_bounds_give_valid_children(
    server: DryRunClient, namespace: str, figure: Callable[[str], None]
) -> None:
    failures: list[tuple[str, int, object]] = []
    cases = [(field, field.schema[bound] + step) for field in NUMBERS for bound, step in EDGES]
    for field, number in cases:
        answer = server.create_model_service(with_field(field.path, number).named("iris", namespace=namespace))
        failures += [(field.name, number, message) for message in rejections_of_children(server, answer)]
        if not answer.is_accepted and not is_explained(answer):
            failures.append((field.name, number, answer.message))
    figure(f"bad input: {len(cases)} numbers at and next to the bounds of {len(NUMBERS)} fields")
    assert failures == []


def names() -> Iterator[str]:
    yield from (field.name for field in (*TEXTS, *AMOUNTS))
    yield from (f"{field.name} {VALUE}" for field in MAPS)


def is_explained(answer: DryRunResponse) -> bool:
    """Return True if each error of a rejection names a field and has a message of several words."""
    return bool(answer.causes) and all(where and len(message.split()) > 3 for where, message in answer.causes)


def contains(node: Any, text: str) -> bool:
    """Return True if an object contains a text unchanged, or with each `$` doubled as in an environment variable."""
    if isinstance(node, dict):
        return any(contains(key, text) or contains(value, text) for key, value in node.items())
    if isinstance(node, list):
        return any(contains(item, text) for item in node)
    return isinstance(node, str) and (text in node or text.replace("$", "$$") in node)


def expansions(children: tuple[DesiredChild, ...]) -> list[str]:
    """Return the variables of the operator whose value the kubelet would change. Those of users are as in a pod."""
    [container] = children[0].body["spec"]["template"]["spec"]["containers"]
    known = {"PORT": "expanded", "id": "expanded"}
    literal = [entry["value"] for entry in container["env"] if "value" in entry and entry["name"] in SERVER_VARIABLES]
    return [text for text in literal if "expanded" in expand_variables(text, known) or "$" in text.replace("$$", "")]


SERVER_VARIABLES = ("MODEL_NAME", "MODEL_URI", "MODEL_PATH")


@pytest.mark.parametrize(("length", "policy"), [(63, "OnSpecChange"), (52, "Auto")])
def test_longest_name_is_valid_for_every_child(server: DryRunClient, namespace: str, length: int, policy: str) -> None:
    """Kubernetes allows shorter names for some kinds than for a Service."""
    everything = golden("everything")
    service = everything.with_spec(model={**everything.spec["model"], "updatePolicy": policy})
    if policy != "Auto":
        service.spec["model"].pop("refreshIntervalSeconds")
    answer = server.create_model_service(service.named("a" * length, namespace=namespace))
    assert answer.is_accepted, answer.message
    assert rejections_of_children(server, answer) == []


def test_examples_cover_every_child_kind(namespace: str) -> None:
    built = set()
    for field in fields():
        if field.is_property:
            service = with_field(field.path, field.example).named("iris", namespace=namespace).with_spec(replicas=2)
            built |= {child.kind for child in build_children(service.parsed())}
    assert built == set(CHILD_KINDS)
