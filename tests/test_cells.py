"""Cells of CSV files: no spreadsheet runs them, and reading them gives back what was written."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight.arrow import strings
from firstlight.cells import guarded_cells, plain_cells
from firstlight.data.scanning.lists import read_list
from firstlight.data.table import Table

FORMULAS = ["=1+2", "=HYPERLINK('x')", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "\rx", "'=1", "''@", "\uff1dx"]


def test_cells_that_a_spreadsheet_would_run_begin_with_an_apostrophe() -> None:
    """Formulas do, in all their ways of beginning; words and numbers stay as they are."""
    assert [f"'{cell}" for cell in FORMULAS] == guarded_cells(strings(FORMULAS)).to_pylist()
    harmless = ["cat", "-0.5", "+3", "-1,5", "1=1", "it's", "'s", "", None, "-"]
    assert harmless == guarded_cells(strings(harmless)).to_pylist()


@pytest.mark.slow
@given(st.lists(st.text(st.sampled_from("'=+-@\t\r\n\uff1da1."), max_size=5)))
def test_guarding_is_undone_exactly(cells: list[str]) -> None:
    """Whatever a cell is, guarded and read it is the same."""
    assert cells == plain_cells(guarded_cells(strings(cells))).to_pylist()


def test_a_saved_table_has_no_formula_and_is_read_back(tmp_path: Path) -> None:
    """Python's csv, an outside reader, sees guarded cells; the reader of lists sees the names and classes."""
    keys = [f"{name.strip()}.png" for name in FORMULAS]
    classes = tuple(sorted(FORMULAS))
    labels, splits = np.arange(len(keys)), np.zeros(len(keys), np.int8)
    Table.build("/x", keys, classes=classes, labels=labels, splits=splits).to_csv(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert not [cell for row in rows for cell in row.values() if cell[:1] in tuple("=+-@\t\r\uff1d")]
    found = read_list(lambda key: (tmp_path / key).read_bytes(), "t.csv")
    assert found is not None
    assert keys == found.names.to_pylist()
    assert [name.strip() for name in classes] == [name.strip() for name in found.labels.to_pylist()]
