"""The children of ModelServices as the API server stores them, found by dry-run requests."""

from collections.abc import Iterable
from typing import Any

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import OPTIONAL_CHILD_KINDS
from modelservice_operator.resources import DesiredChild, build_children
from modelservice_operator.resources.newer_fields import find_dropped
from tests.support.dry_run import DryRunClient
from tests.support.field_values import Case, name_of
from tests.support.schema_fields import with_field


def accepted_services(server: DryRunClient, cases: Iterable[Case], namespace: str) -> dict[str, ModelService]:
    """Return the ModelServices that the API server accepts, with its defaults, by the names of their cases."""
    found = {}
    for field, value in cases:
        answer = server.create_model_service(with_field(field.path, value).named("iris", namespace=namespace))
        if answer.is_accepted:
            found[name_of((field, value))] = ModelService.parse(answer.body)
    return found


def distinct_children(services: dict[str, ModelService]) -> dict[str, DesiredChild]:
    """Return every child that differs from the others, by its kind and the case that it comes from."""
    found: dict[Any, tuple[str, DesiredChild]] = {}
    for name, service in services.items():
        for child in build_children(service):
            found.setdefault((child.kind, child.digest), (name, child))
    return {f"{child.kind.kind} of {name}": child for name, child in found.values()}


def stored_form(server: DryRunClient, child: DesiredChild) -> Any:
    """Return a child as the API server would store it; None if it rejects it or may not serve its kind."""
    if child.kind in OPTIONAL_CHILD_KINDS:
        return None
    answer = server.create(child.kind.path(namespace=child.key.namespace), child.create_body())
    return answer.body if answer.is_accepted else None


def differences(server: DryRunClient, services: dict[str, ModelService]) -> tuple[int, dict[str, str]]:
    """Return the number of children that the API server accepts, and the first difference of each that has one.

    A field that it drops because it is older than the field is none: the status reports FieldUnsupported.
    """
    count, found = 0, {}
    for name, child in distinct_children(services).items():
        if (live := stored_form(server, child)) is not None:
            count += 1
            if (path := child.first_difference(live)) and find_dropped(child.kind, child.body, live) is None:
                found[name] = path
    return count, found


def field_count(services: dict[str, ModelService]) -> int:
    """Return the number of fields that the cases are about."""
    return len({name.partition("=")[0] for name in services})
