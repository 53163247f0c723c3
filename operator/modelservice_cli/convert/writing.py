"""Writes conversions: YAML, with the notes as comments on request, or JSON with both."""

import json
import textwrap
from collections.abc import Iterable, Sequence

from modelservice_cli.convert.conversion import Conversion
from modelservice_cli.convert.notes import Change, Note, in_order
from modelservice_cli.output import to_yaml

_COMMENT_WIDTH = 118


def as_yaml(conversions: Sequence[Conversion], common: Sequence[Note], *, comments: bool) -> str:
    """Return a document for each ModelService; with `comments`, the notes are above it."""
    documents = []
    for conversion in conversions:
        notes = [*conversion.notes, *(common if conversion is conversions[0] else ())] if comments else []
        documents.append(_comments(in_order(notes)) + to_yaml(conversion.model_service))
    return "---\n".join(documents)


def as_json(conversions: Sequence[Conversion], common: Sequence[Note]) -> str:
    """Return an object with the ModelServices as a List, and all notes with the name of their ModelService."""
    notes = [
        {"modelService": conversion.model_service["metadata"]["name"]} | note.as_json()
        for conversion in conversions
        for note in conversion.notes
    ]
    body = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [conversion.model_service for conversion in conversions],
        "notes": [*notes, *({"modelService": None} | note.as_json() for note in common)],
    }
    return json.dumps(body, indent=4, ensure_ascii=False) + "\n"


def note_lines(conversions: Sequence[Conversion], common: Sequence[Note], *, verbose: bool) -> list[str]:
    """Return the notes for standard error, one a line; those of every ModelService only with `verbose`."""
    notes = in_order([*(note for conversion in conversions for note in conversion.notes), *common])
    shown = [str(note) for note in notes if verbose or note.change is not Change.STANDARD]
    hidden = sum(note.change is Change.STANDARD for note in notes)
    more = (
        f"{Change.STANDARD}: every ModelService has the labels and selectors of the operator, a restricted security"
        f" context, HOME and /tmp: --verbose adds {hidden} sentences about these."
    )
    return list(dict.fromkeys([*shown, *([more] if hidden and not verbose else [])]))


def _comments(notes: Iterable[Note]) -> str:
    wrapped = [
        textwrap.fill(
            str(note), _COMMENT_WIDTH, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False,
            break_long_words=False,
        )
        for note in notes
    ]  # fmt: skip
    return "".join(f"{line}\n" for line in wrapped)
