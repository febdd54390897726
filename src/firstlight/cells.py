"""Cells of CSV files that a spreadsheet does not run as formulas, and the way back."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

# OWASP, CSV Injection (2023): what a cell begins with that Excel or LibreOffice may take for a formula; the wide forms
# are those of Japanese keyboards. Apostrophes before it count too, so that guarding can be undone.
FIRST = "[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]"
FORMULA, GUARDED = f"^'*{FIRST}", f"^'('*{FIRST})"
HARMLESS = r"^[+-]?([0-9]+([.,][0-9]+)?)?$"  # a number, or a sign alone


def guarded_cells(cells: pa.StringArray) -> pa.StringArray:
    """The cells with an apostrophe before those that a spreadsheet would run; numbers are left as they are.

    Example:
        >>> from firstlight.arrow import strings
        >>> guarded_cells(strings(["cat", "=1+2", "-0.5", "'=x"])).to_pylist()
        ['cat', "'=1+2", '-0.5', "''=x"]
    """
    risky = pc.and_(pc.match_substring_regex(cells, FORMULA), pc.invert(pc.match_substring_regex(cells, HARMLESS)))
    return pc.if_else(risky, pc.binary_replace_slice(cells, 0, 0, "'"), cells)


def plain_cells(cells: pa.StringArray) -> pa.StringArray:
    """The cells as they were before `guarded_cells`.

    Example:
        >>> from firstlight.arrow import strings
        >>> plain_cells(strings(["cat", "'=1+2", "-0.5", "''=x", "'s"])).to_pylist()
        ['cat', '=1+2', '-0.5', "'=x", "'s"]
    """
    return pc.replace_substring_regex(cells, GUARDED, r"\1")


def guarded_table(rows: pa.Table) -> pa.Table:
    """A table whose columns of text are guarded, words of a dictionary included."""
    for at, field in enumerate(rows.schema):
        if pa.types.is_dictionary(field.type) and pa.types.is_string(field.type.value_type):
            rows = rows.set_column(at, field.name, rows[field.name].cast(pa.string()))
        if pa.types.is_string(rows.schema.field(at).type):
            guarded = [guarded_cells(chunk) for chunk in rows[at].chunks]
            rows = rows.set_column(at, field.name, pa.chunked_array(guarded, pa.string()))
    return rows
