"""A CSV or JSON-lines file as columns of text: the one reader of lists."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from firstlight.errors import DataError

LONGEST_HEADING = 1 << 16  # bytes; a first line that is longer belongs to no list of labels
DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Columns:
    """Columns of a list.

    Attributes:
        headings: of every column of the file, in order.
        values: (M,) text of each column that was chosen, by its place among the headings; ``""`` where it says
            nothing.
    """

    headings: tuple[str, ...]
    values: dict[int, pa.StringArray]


def read_columns(data: bytes, key: str, choose: Callable[[Sequence[str]], Sequence[int]]) -> Columns:
    """Reads some columns of a CSV or JSON-lines file as text, so that 007 stays 007 and a class may be called NA.

    The delimiter is the comma, semicolon or tab that the first line has most of.

    Args:
        data: the whole file.
        key: its name, which ends in .jsonl where it is JSON lines.
        choose: called with the headings; gives the places of the columns to read. Where it gives none, the rest of
            a CSV file is not parsed.

    Returns:
        The headings, and the chosen columns.

    Raises:
        DataError: where the file is damaged.

    Example:
        >>> found = read_columns(b"name;light\\na.png;day\\n", "photos.csv", lambda headings: [1])
        >>> found.headings, found.values[1].to_pylist()
        (('name', 'light'), ['day'])
    """
    try:
        return _json(data, choose) if key.lower().endswith(".jsonl") else _csv(data, choose)
    except (ValueError, pa.ArrowException) as error:  # text that is not UTF-8 is a ValueError
        reason = str(error).splitlines()[0][:200]
        raise DataError(f"{key} cannot be read as a list of labels ({reason}); repair or remove it.") from error


def _csv(data: bytes, choose: Callable[[Sequence[str]], Sequence[int]]) -> Columns:
    import csv

    import pyarrow.csv

    start = data[:LONGEST_HEADING].removeprefix(b"\xef\xbb\xbf")  # the mark that Excel puts before UTF-8
    heading = start.partition(b"\n")[0].decode(errors="replace").rstrip("\r")
    delimiter = max(DELIMITERS, key=heading.count)
    headings = tuple(next(csv.reader([heading], delimiter=delimiter), []))
    chosen = choose(headings)
    if not chosen:
        return Columns(headings, {})
    numbers = [str(at) for at in range(len(headings))]  # two headings may be equal, two numbers are not
    wanted = [str(at) for at in sorted(set(chosen))]
    rows = pyarrow.csv.read_csv(
        io.BytesIO(data),
        read_options=pyarrow.csv.ReadOptions(column_names=numbers, skip_rows=1),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string()), strings_can_be_null=False
        ),
    )
    return Columns(headings, {int(name): _text(rows.column(name)) for name in wanted})


def _json(data: bytes, choose: Callable[[Sequence[str]], Sequence[int]]) -> Columns:
    import pyarrow.json

    rows = pyarrow.json.read_json(io.BytesIO(data))
    headings = tuple(rows.column_names)
    return Columns(headings, {at: _text(rows.column(at)) for at in choose(headings)})


def _text(column: pa.ChunkedArray) -> pa.StringArray:
    """The column as text, null as nothing."""
    text: pa.StringArray = column.cast(pa.string()).combine_chunks()
    return pc.fill_null(text, "") if text.null_count else text
