"""Notes: one sentence for each thing that a conversion leaves out, changes, adds or repairs."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_SHOWN_FIELDS = 4


class Change(StrEnum):
    """The kind of a note."""

    REPAIRED = "repaired"
    """The input was broken, and its meaning plain."""
    OMITTED = "left out"
    CHANGED = "changed"
    KEPT = "to keep"
    """An object next to the ModelService, which stays as it is."""
    ADDED = "added"
    STANDARD = "standard"
    """A setting of every ModelService, whatever the input is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One sentence about fields of one object of the input."""

    change: Change
    subject: str
    """Kind and name, such as Deployment/iris."""
    text: str
    """Why, and what to do. Ends with a period."""
    fields: tuple[str, ...] = ()
    """Paths in the object, such as spec.template.spec.hostNetwork; items of lists by their names. A path covers
    everything below it."""

    def __str__(self) -> str:
        named = ", ".join(self.fields[:_SHOWN_FIELDS])
        more = len(self.fields) - _SHOWN_FIELDS
        listed = f" {named}" + (f" and {more} more" if more > 0 else "") if named else ""
        return f"{self.change}: {self.subject}{listed}: {self.text}"

    def covers(self, subject: str, path: str) -> bool:
        """Return True if the note is about the field `path` of an object, or about one above it.

        The empty path is the whole object, which a note without fields is about.
        """
        if not self.fields:
            return subject == self.subject and not path
        return subject == self.subject and any(
            path == own or path.startswith((f"{own}.", f"{own}[")) for own in self.fields
        )

    def as_json(self) -> dict[str, Any]:
        """Return the note for -o json."""
        return {
            "change": self.change.value,
            "object": self.subject,
            "fields": list(self.fields),
            "sentence": self.text,
        }


@dataclass(slots=True)
class Notes:
    """Collects notes of one conversion in the order of the input."""

    items: list[Note] = field(default_factory=list)

    def add(self, change: Change, subject: str, text: str, *fields: str) -> None:
        """Add a note; an equal one is not added twice."""
        note = Note(change=change, subject=subject, text=text, fields=fields)
        if note not in self.items:
            self.items.append(note)

    def extend(self, notes: Iterable[Note]) -> None:
        """Add notes of another conversion."""
        self.items.extend(note for note in notes if note not in self.items)

    def are_about(self, subject: str, path: str) -> bool:
        """Return True if a note covers the field."""
        return any(note.covers(subject, path) for note in self.items)


def in_order(notes: Iterable[Note]) -> list[Note]:
    """Return notes with those first that need a decision: repairs, then what is left out or changed."""
    order = list(Change)
    return sorted(notes, key=lambda note: order.index(note.change))


def subject_of(body: dict[str, Any]) -> str:
    """Return kind and name of an object, as notes name it."""
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{body.get('kind', 'object')}/{name or '(no name)'}"
