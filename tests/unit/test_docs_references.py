"""Paths, links and code names in the documents exist."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", *(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]
GENERATED = {"docs/reference.md", "docs/runbook.md"}
ROOTS = ("", "operator/", "operator/modelservice_operator/", "tests/")
"""Directories that paths in documents are relative to. A file name without a directory may be anywhere."""


@cache
def tracked() -> frozenset[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return frozenset(files) | {str(parent) for path in files for parent in Path(path).parents}


@cache
def definitions() -> frozenset[str]:
    """Names of modules, classes, functions, constants and fields of both programs, and of fields of the CRD."""
    names = set(
        re.findall(r"^\s*(\w+):", (ROOT / "crds/modelservices.modelservice.dev.yaml").read_text(), re.MULTILINE)
    )
    for path in tracked():
        if path.startswith("operator/") and path.endswith(".py"):
            names |= {*Path(path).with_suffix("").parts}
            names |= set(re.findall(r"^\s*(?:class|(?:async )?def) (\w+)", (ROOT / path).read_text(), re.MULTILINE))
            names |= set(re.findall(r"^\s*(\w+)(?::[^=\n]+)?(?: =|$)", (ROOT / path).read_text(), re.MULTILINE))
    return frozenset(names) | {"metadata", "generation"}


def exists(path: str) -> bool:
    if any(root + path in tracked() for root in ROOTS):
        return True
    return "/" not in path and any(name.endswith(f"/{path}") for name in tracked())


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name not in GENERATED])
def test_paths_in_documents_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    paths = {path.rstrip("/") for path in re.findall(r"`([\w.-]+(?:/[\w.-]+)*(?:\.(?:py|md|txt|toml)|/))`", text)}
    assert {path for path in paths if not exists(path)} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_in_documents_exist(document: str) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", (ROOT / document).read_text())
    assert [link for link in links if not (ROOT / document).parent.joinpath(link).exists()] == []


def test_code_names_in_the_glossary_exist() -> None:
    rows = [line for line in (ROOT / "docs/glossary.md").read_text().splitlines() if line.startswith("| ")]
    spans = {span for row in rows for span in re.findall(r"`([^`]+)`", row.rsplit(" | ", 1)[1]) if "/" not in span}
    assert len(spans) > 40
    assert {span for span in spans if not set(span.split(".")) <= definitions()} == set()
