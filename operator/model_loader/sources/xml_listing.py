"""Listings of S3 and Azure in XML: parsed as they arrive, with bounded memory, without document types and entities."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from xml.parsers import expat

_MAX_DEPTH = 16
_MAX_TEXT_CHARS = 16 << 10
"""Maximum length of one value. Keys have at most 1,024 bytes, which encoding and quoting make a few times longer."""
_MAX_RECORDS = 20_000
"""Maximum number of objects in a page. S3 lists up to 1,000 of them, Azure 5,000."""
_MAX_TOTAL_CHARS = 64 << 20


class XmlError(ValueError):
    """XML of another form than that of the API."""


@dataclass(slots=True)
class XmlPage:
    """The values of one document, by the path of their element below the root or below their record."""

    fields: dict[str, str] = field(default_factory=dict)
    records: list[dict[str, str]] = field(default_factory=list)


def parse_xml(chunks: Iterable[bytes], *, root: str, wanted: Container[str], record: str | None = None) -> XmlPage:
    """Parse a document whose root element is named `root`; elements named `record` are its records.

    Only the `wanted` values are stored, the first of each path. An attribute Encoded="true" is the value of the path
    `NAME/@Encoded`. Raises XmlError for anything else than such a document.
    """
    reader = _Reader(root, record, wanted)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.add_text
    # Neither is part of any answer; entities could make a small document large.
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        for chunk in chunks:
            parser.Parse(chunk, False)  # noqa: FBT003 - positional only
        parser.Parse(b"", True)  # noqa: FBT003
    except (expat.ExpatError, LookupError, UnicodeError) as error:  # a LookupError is an unknown encoding
        raise XmlError(str(error)) from None
    return reader.page


def _refuse(*_: object) -> None:
    raise XmlError("it has a document type")


class _Reader:
    def __init__(self, root: str, record: str | None, wanted: Container[str]) -> None:
        self.page = XmlPage()
        self._wanted = wanted
        self._root = root
        self._record = record
        self._path: list[str] = []
        self._base = 1
        """Number of elements above the values: 1, or more inside a record."""
        self._values = self.page.fields
        self._text: list[str] = []
        self._chars = 0
        self._total = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._path and name != self._root:
            raise XmlError(f"its root is {name[:50]!r}")
        self._path.append(name)
        if len(self._path) > _MAX_DEPTH:
            raise XmlError("it is nested too deep")
        self._text, self._chars = [], 0
        if name == self._record and self._base == 1:
            self._base = len(self._path)
            self._values = {}
        elif attributes.get("Encoded") == "true":
            self._store("/".join([*self._path[self._base :], "@Encoded"]), "true")

    def add_text(self, text: str) -> None:
        self._chars += len(text)
        self._total += len(text)
        if self._chars > _MAX_TEXT_CHARS or self._total > _MAX_TOTAL_CHARS:
            raise XmlError("a value is too long")
        self._text.append(text)

    def end(self, name: str) -> None:
        depth = len(self._path)
        if self._base > 1 and depth == self._base and name == self._record:
            if len(self.page.records) >= _MAX_RECORDS:
                raise XmlError("it has too many objects")
            self.page.records.append(self._values)
            self._values, self._base = self.page.fields, 1
        elif depth > self._base and self._text:
            self._store("/".join(self._path[self._base :]), "".join(self._text))
        self._path.pop()
        self._text, self._chars = [], 0

    def _store(self, path: str, text: str) -> None:
        if path in self._wanted:
            self._values.setdefault(path, text)
