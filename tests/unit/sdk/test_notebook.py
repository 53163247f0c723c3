"""The notebook of the examples is valid and without outputs, and its kernel is that of the tests."""

import json
from pathlib import Path

import pytest
from nbclient.exceptions import CellExecutionError

from tests.support.notebook import read_notebook, run_notebook

NOTEBOOK = Path(__file__).parents[3] / "examples" / "notebook" / "diabetes.ipynb"


def write(path: Path, *cells: str) -> Path:
    empty: dict[str, object] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [empty | {"id": f"cell-{number}", "source": cell} for number, cell in enumerate(cells)],
    }
    path.write_text(json.dumps(notebook))
    return path


def test_notebook_is_stored_without_outputs() -> None:
    cells = [cell for cell in read_notebook(NOTEBOOK).cells if cell.cell_type == "code"]
    assert len(cells) > 5
    assert [cell for cell in cells if cell.outputs or cell.execution_count is not None] == []


def test_object_is_a_table_in_a_notebook(tmp_path: Path) -> None:
    code = 'from modelservice import ModelService\nModelService("iris", image="<b>")'
    outputs = run_notebook(write(tmp_path / "one.ipynb", code, "print(1 + 1)"), tmp_path)
    assert outputs[0].startswith("<table><caption>ModelService iris</caption>")
    assert outputs[1] == "2\n"


def test_tab_completes_fields_in_a_notebook(tmp_path: Path) -> None:
    code = (
        "from IPython.core.completer import provisionalcompleter\n"
        "from modelservice import ModelService, types\n"
        "def complete(line):\n"
        "    with provisionalcompleter():\n"
        "        return sorted({one.text for one in get_ipython().Completer.completions(line, len(line))})\n"
        "print(complete('ModelService(\"iris\", auto'))\n"
        "print(complete('types.Autoscaling(max_'))\n"
        "print(complete('types.Autosc'))\n"
    )
    outputs = run_notebook(write(tmp_path / "one.ipynb", code), tmp_path)
    constructor, nested, names = outputs[0].splitlines()
    assert {"'automount_service_account_token='", "'autoscaling='"} <= set(constructor[1:-1].split(", "))
    assert "'max_replicas='" in nested
    assert names == "['Autoscaling', 'AutoscalingStatus']"


def test_cell_that_fails_fails_the_test(tmp_path: Path) -> None:
    code = 'from modelservice import ModelService\nModelService("iris", image="x", replica=1)'
    notebook = write(tmp_path / "one.ipynb", code)
    with pytest.raises(CellExecutionError, match="unexpected keyword argument 'replica'"):
        run_notebook(notebook, tmp_path)
