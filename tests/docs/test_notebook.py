"""docs/tutorial.ipynb runs from top to bottom, and what is stored in it is fit to be shown."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

from tests.docs.pages import ROOT

NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"


def code_cells() -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def code(cell: dict[str, Any]) -> str:
    """Return the code of a cell, which is stored as one text or as its lines."""
    return "".join(cell["source"])


def show(value: object) -> None:
    """Make what a notebook would show of a value."""
    as_html = getattr(value, "_repr_html_", None)
    assert repr(value) if as_html is None else as_html()


@pytest.mark.slow
def test_the_cells_of_the_notebook_run_in_order_in_an_empty_folder(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plt.switch_backend("Agg")
    monkeypatch.setattr(sys, "displayhook", show)
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(code_cells()):
        # as in a notebook, the values of expressions are shown
        statements = ast.Interactive(ast.parse(code(cell)).body)
        exec(compile(statements, f"cell {number}", "single"), names)
        plt.close("all")


def test_the_notebook_is_stored_as_it_ran_from_top_to_bottom() -> None:
    assert [cell["execution_count"] for cell in code_cells()] == list(range(1, len(code_cells()) + 1))
    # a cell without a shown value prints nothing
    outputs = [output for cell in code_cells() for output in cell["outputs"]]
    assert {"display_data", "execute_result", "stream"} >= {output["output_type"] for output in outputs}
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}, "a cell wrote a warning"


def test_the_notebook_is_small_and_holds_no_path_of_a_machine() -> None:
    assert NOTEBOOK.stat().st_size < 300_000
    texts = re.sub(r'"image/png": "[^"]*"', "", NOTEBOOK.read_text(encoding="utf-8"))
    assert not re.search(r"/(home|root|tmp|Users|usr|opt)/|[A-Z]:\\\\", texts)
