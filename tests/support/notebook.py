"""Runs a notebook with a kernel of this environment, by nbclient."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nbformat
from nbclient import NotebookClient

TIMEOUT_SECONDS = 300


def read_notebook(path: Path) -> Any:
    """Return a notebook. Raises an error of nbformat if it is not valid."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    return notebook


def run_notebook(
    path: Path, directory: Path, environment: Mapping[str, str] | None = None, *, without_tags: Collection[str] = ()
) -> list[str]:
    """Run the cells of a notebook without those that have a tag; return the text output of each one that was run.

    Files of Jupyter are written to `directory`. Raises CellExecutionError for a cell that fails.
    """
    notebook = read_notebook(path)
    notebook.cells = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and not set(cell.metadata.get("tags", ())) & set(without_tags)
    ]
    own = {name: str(directory / name) for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")}
    with patch.dict(os.environ, own | dict(environment or {})):
        NotebookClient(notebook, timeout=TIMEOUT_SECONDS, kernel_name="python3").execute(cwd=str(directory))
    return ["".join(map(_text_of, cell.outputs)) for cell in notebook.cells]


def _text_of(output: Any) -> str:
    """Return what a user sees of an output: HTML before plain text."""
    if output.output_type == "stream":
        return str(output.text)
    data = output.get("data", {})
    return str(data.get("text/html") or data.get("text/plain") or "")
