"""The examples of the command line's documents that need no cluster print what the documents show."""

from pathlib import Path

import pytest

from modelservice_cli.main import COMMANDS
from tests.support.doc_examples import Example, examples_of, files_of, run_example

DOCS = Path("docs/cli")
WITHOUT_CLUSTER = (DOCS / "render.md", DOCS / "lint.md")
HELP = [DOCS / f"{command.name}.md" for command in COMMANDS]


@pytest.mark.parametrize(
    ("document", "example"),
    [(document, example) for document in WITHOUT_CLUSTER for example in examples_of(document)],
    ids=lambda value: value.name if isinstance(value, Path) else value.command,
)
def test_example_prints_what_the_document_shows(document: Path, example: Example, tmp_path: Path) -> None:
    for name, text in files_of(document).items():
        (tmp_path / name).write_text(text)
    assert run_example(example, tmp_path) == (example.output, example.exit_code)


@pytest.mark.parametrize("document", HELP, ids=lambda path: path.name)
def test_document_shows_the_help_of_its_command(document: Path, tmp_path: Path) -> None:
    command = f"modelservice {document.stem} --help"
    shown = {example.command: example.output for example in examples_of(document)}
    assert command in shown
    assert run_example(Example(command, "", 0), tmp_path) == (shown[command], 0)


def test_index_names_every_command() -> None:
    text = (DOCS / "index.md").read_text()
    assert [command.name for command in COMMANDS if f"({command.name}.md)" not in text] == []
