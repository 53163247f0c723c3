"""The API server stores the children of every accepted ModelService exactly as they are desired.

Otherwise an apply would never end the difference. The cases are generated from the schema: the empty and the zero value
of each field at every depth, and odd spellings of quantities. Nothing is stored. tests/sweeps/test_stored_values.py
stores these and many other values, and counts the writes.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.resources import desired
from modelservice_operator.resources.canonical import canonical_form
from tests.support.dry_run import DryRunClient
from tests.support.field_values import empty_cases, quantity_cases
from tests.support.schema_fields import fields, with_field
from tests.support.stored_children import accepted_services, differences, distinct_children, field_count, stored_form

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def services(server: DryRunClient, namespace: str) -> dict[str, ModelService]:
    return accepted_services(server, [*empty_cases(), *quantity_cases()], namespace)


def test_no_child_differs_from_its_stored_form(
    services: dict[str, ModelService], server: DryRunClient, figure: Callable[[str], None]
) -> None:
    count, found = differences(server, services)
    figure(f"empty, zero and odd: {len(services)} values of {field_count(services)} fields, {count} children as stored")
    assert found == {}


def test_canonical_form_drops_nothing_that_is_stored(
    services: dict[str, ModelService], server: DryRunClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dropped value that is stored would be left to other clients, such as a token that must not be mounted."""
    canonical = {child.digest for child in distinct_children(services).values()}
    monkeypatch.setattr(desired, "canonical_form", lambda body: body)
    lost, compared = {}, 0
    for name, child in distinct_children(services).items():
        if child.digest not in canonical and (live := stored_form(server, child)) is not None:
            compared += 1
            if found := list(stored_although_dropped(child.body, live)):
                lost[name] = found
    assert compared > 0
    assert lost == {}


def test_keys_of_pod_labels_are_used_once(server: DryRunClient, namespace: str) -> None:
    """The API server accepts a Deployment with a key that occurs twice, but none of its pods."""
    found = [field for field in fields() if field.path[-1] in {"matchLabelKeys", "mismatchLabelKeys"}]
    assert len(found) > 1
    for field in found:
        answer = server.create_model_service(with_field(field.path, field.example * 2).named("a", namespace=namespace))
        assert "Duplicate value" in answer.message, field.name


@pytest.mark.parametrize("amount", [0, "0", "0Gi", "0.0"])
def test_volume_of_each_pod_has_a_size(server: DryRunClient, namespace: str, amount: object) -> None:
    """The API server rejects a Deployment whose claims have the size 0."""
    [field] = [
        field for field in fields() if field.name.endswith("volumeClaimTemplate.spec.resources.requests.storage")
    ]
    answer = server.create_model_service(with_field(field.path, amount).named("a", namespace=namespace))
    assert not answer.is_accepted
    assert [name for name, _ in answer.causes] == [
        "spec.mounts.0.ephemeral.volumeClaimTemplate.spec.resources.requests.storage"
    ]


def stored_although_dropped(body: Any, live: Any, name: str = "") -> Iterator[str]:
    """Yield the fields that the canonical form of `body` lacks and the API server stores with this value."""
    if isinstance(body, dict):
        kept = canonical_form(body, name)
        for field, value in body.items():
            if field in kept:
                yield from stored_although_dropped(value, live.get(field), field)
            elif field in live and live[field] == value:
                yield f"{name}.{field}"
    elif isinstance(body, list):
        for item, stored in zip(body, live, strict=True):
            yield from stored_although_dropped(item, stored, name)
