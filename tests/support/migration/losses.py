"""Finds values of an input that its ModelService loses without a sentence, on any form of both sides."""

from collections.abc import Sequence
from typing import Any

from modelservice_cli.convert.conversion import Conversion
from modelservice_cli.convert.defaults import with_defaults
from modelservice_cli.convert.notes import Note, subject_of
from modelservice_operator.resources.canonical import canonical_form
from tests.support.migration.oracle import Side, is_named, lost

Object = dict[str, Any]


def silent_losses(conversion: Conversion, before: Sequence[Object], after: Sequence[Object]) -> tuple[int, list[str]]:
    """Return the number of lost values that have a sentence, and those that have none."""
    containers = next(body["spec"]["template"]["spec"]["containers"] for body in before if body["kind"] == "Deployment")
    names = conversion.names
    sidecars = [one["name"] for one in containers if one["name"] != names.main]
    left = Side(bodies=before)
    right = Side(bodies=after, main=names.main, sidecars=sidecars, volumes=names.volumes, containers=names.containers)
    named, silent = 0, []
    for body in before:
        for line in lost(body["kind"], left, right):
            if is_named(line, subject_of(body), conversion.notes):
                named += 1
            else:
                silent.append(f"{subject_of(body)} {line}")
    return named, silent


def local_forms(conversion: Conversion) -> tuple[list[Object], list[Object]]:
    """Return the input and the children with the defaults of the API server, in their canonical form."""
    before = [canonical_form(with_defaults(body)) for body in conversion.before]
    return before, [canonical_form(with_defaults(body)) for body in conversion.children]


def objects_without_sentence(
    objects: Sequence[Object], conversions: Sequence[Conversion], common: Sequence[Note]
) -> list[str]:
    """Return the objects of an input that became no child, and that no note is about."""
    used = {subject_of(body) for conversion in conversions for body in conversion.before}
    named = {note.subject for conversion in conversions for note in conversion.notes} | {
        note.subject for note in common
    }
    return [subject_of(body) for body in objects if subject_of(body) not in used | named]
