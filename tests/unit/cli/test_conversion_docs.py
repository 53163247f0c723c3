"""docs/cli/from-*.md and docs/migrating.md show what the commands print."""

from pathlib import Path
from typing import Any

import pytest

from modelservice_cli.convert.conversion import convert
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from tests.support.doc_examples import examples_of, files_of, run_example
from tests.support.installation import ROOT
from tests.support.manifests import manifests_in

DOCUMENTS = sorted((ROOT / "docs/cli").glob("from-*.md"))
GUIDE = ROOT / "docs/migrating.md"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_examples_print_what_the_document_shows(document: Path, tmp_path: Path) -> None:
    for name, text in files_of(document).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    examples = list(examples_of(document))
    assert len(examples) >= 2
    # In their order: a command may read what the one before it has written.
    for example in examples:
        assert run_example(example, tmp_path) == (example.output, example.exit_code), example.command


def guide_examples() -> list[tuple[list[dict[str, Any]], dict[str, Any]]]:
    """Return the objects before each ModelService of the migration guide, and the ModelService."""
    found: list[tuple[list[dict[str, Any]], dict[str, Any]]] = []
    before: list[dict[str, Any]] = []
    for body in manifests_in(GUIDE):
        if body["kind"] == MODEL_SERVICE.kind:
            found.append((before, body))
            before = []
        else:
            before.append(body)
    return found


@pytest.mark.parametrize(
    ("before", "after"), guide_examples(), ids=[after["metadata"]["name"] for _, after in guide_examples()]
)
def test_guide_shows_the_result_of_the_command(before: list[dict[str, Any]], after: dict[str, Any]) -> None:
    [conversion], _ = convert(before)
    assert conversion.model_service == after
