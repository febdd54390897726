"""A list that is passed as it is: a DataFrame, an Arrow table, columns by name, or (path, label) pairs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from firstlight.arrow import strings
from firstlight.data.scanning.delimited import SAMPLE, Sheet
from firstlight.data.scanning.headings import Roles, roles
from firstlight.data.scanning.lists import LabelList, list_of, unlabelled
from firstlight.errors import ArgumentError
from firstlight.wording import shortlist

# A DataFrame of any library, an Arrow table, a mapping from names to columns, or pairs; told apart by their methods.
Rows = Any

EXPECTED = "pass a folder, a list, a DataFrame with a column of paths and one of labels, or (path, label) pairs"


def parquet_rows(path: str) -> pa.Table | None:
    """The columns of a Parquet file that another program wrote; None where Firstlight did, or it cannot be read."""
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as file:  # one file: no folder, no column from its path
            ours = b"firstlight.table" in (file.schema_arrow.metadata or {})
            return None if ours else file.read(use_threads=False)
    except (OSError, ValueError, pa.ArrowException):
        return None


def list_of_rows(data: Rows, source: str = "") -> LabelList:
    """The names, labels and splits of rows that are in memory.

    Args:
        data: a DataFrame (pandas, polars), an Arrow table, a mapping from names to columns, or an iterable of pairs
            (path, label) or triples (path, label, split).
        source: its name, for sentences; by default the kind of data.

    Raises:
        ArgumentError: where it is none of these, or has no columns of paths and labels.

    Example:
        >>> found = list_of_rows({"file": ["a.png", "b.png"], "breed": ["pug", None]})
        >>> found.names.to_pylist(), found.labels.to_pylist()
        (['a.png', 'b.png'], ['pug', ''])
    """
    if not hasattr(data, "__len__") and isinstance(data, Iterable):
        data = list(data)  # it may be read only once
    columns = _columns(data)
    if columns is not None:
        source = source or f"The {type(data).__name__}".replace("dict", "table").replace("Table", "table")
        sheet = _sheet([name for name, _ in columns], [values for _, values in columns], source)
        meant = roles(sheet, source)
        if meant.name is None or not meant.labels:
            raise ArgumentError(f"{unlabelled(sheet, source)}; call them path and label.")
        return list_of(sheet, meant, source)
    rows = _rows(data)
    sheet = _sheet(["path", "label", "split"][: len(rows[0])], list(zip(*rows, strict=True)), "The list")
    return list_of(sheet, Roles(0, (1,), 2 if len(rows[0]) > 2 else None), "The list")


def _columns(data: Rows) -> list[tuple[str, Sequence[Any]]] | None:
    """The columns by name, whichever library made them; None where it has no columns."""
    if isinstance(data, Mapping):
        return [(str(name), list(values)) for name, values in data.items()]
    if hasattr(data, "iloc") and hasattr(data, "columns"):  # pandas, two of whose columns may have one name
        columns = [(str(name), data.iloc[:, at].tolist()) for at, name in enumerate(data.columns)]
        is_named = data.index.inferred_type == "string"  # an index of paths, not of numbers
        return [("index", data.index.tolist()), *columns] if is_named else columns
    if hasattr(data, "iloc"):  # a Series of labels, whose index are the paths
        return [("path", data.index.tolist()), ("label", data.tolist())]
    if hasattr(data, "get_columns"):  # polars
        return [(str(column.name), column.to_list()) for column in data.get_columns()]
    if isinstance(data, list | tuple) and data and all(isinstance(row, Mapping) for row in data):
        names = dict.fromkeys(name for row in data for name in row)
        return [(str(name), [row.get(name) for row in data]) for name in names]
    if hasattr(data, "__arrow_c_stream__"):
        table = data if isinstance(data, pa.Table) else pa.table(data)
        return [(name, table.column(at).to_pylist()) for at, name in enumerate(table.column_names)]
    return None


def _rows(data: Rows) -> list[Sequence[Any]]:
    if isinstance(data, bytes) or not isinstance(data, Iterable):
        raise ArgumentError(f"{type(data).__name__} is no table of images; {EXPECTED}.")
    rows = list(data)
    if not rows:
        raise ArgumentError(f"The list of images is empty; {EXPECTED}.")
    for row in rows:
        if (
            isinstance(row, str | bytes | Mapping)
            or not hasattr(row, "__len__")
            or len(row) != min(3, max(2, len(rows[0])))
        ):
            raise ArgumentError(f"The list of images has {str(row)[:60]!r} as a row; {EXPECTED}.")
    return rows


def _sheet(names: Sequence[str], values: Sequence[Sequence[Any]], source: str) -> Sheet:
    lengths = {len(column) for column in values}
    if len(lengths) > 1:
        raise ArgumentError(
            f"{source} has columns of {shortlist(map(str, sorted(lengths)))} rows; make them equally long."
        )

    def columns(places: Sequence[int]) -> list[pa.StringArray]:
        return [strings(_word(value, names[at], source) for value in values[at]) for at in places]

    sample = zip(*([_shown(value) or "" for value in islice(column, SAMPLE)] for column in values), strict=True)
    return Sheet(tuple(names), tuple(sample), columns)


def _word(value: Any, heading: str, source: str) -> str:
    """A value as text."""
    shown = _shown(value)
    if shown is None:
        raise ArgumentError(
            f"{source} has a {type(value).__name__} in {heading!r}, where a path, a text or a number was expected; "
            "pass one value a row."
        )
    return shown


def _shown(value: Any) -> str | None:
    """A value as a list would have it: nothing for a missing one, 1 for 1.0; None where it is no single value."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(value, str | os.PathLike):
        return os.fspath(value).encode(errors="backslashreplace").decode()
    if isinstance(value, bytes | Mapping) or hasattr(value, "__len__"):
        return None
    if hasattr(value, "is_integer") and value.is_integer():
        return str(int(value))  # a column of integers in which one is missing is a column of floats in pandas
    if value != value:  # NaN
        return ""
    return str(value).removesuffix(" 00:00:00") if hasattr(value, "isoformat") else str(value)
