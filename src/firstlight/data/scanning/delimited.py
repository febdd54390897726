"""A CSV, TSV or JSON-lines file as columns of text: the one reader of lists."""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from itertools import chain, islice

import pyarrow as pa

from firstlight.arrow import strings
from firstlight.cells import plain_cells
from firstlight.data.scanning.entries import IMAGES
from firstlight.errors import DataError

SAMPLE = 1000  # rows by which the meaning of a column is decided
FIRST_LINES = 20  # by which the delimiter is known
AT_ONCE = 1 << 15  # rows that are Python strings at a time
PART = 1 << 20  # letters of a text that are parted into lines at a time
DELIMITERS = ",;\t|"
LAST = "\0"  # follows the last line; a reader that does not give it back was inside a quotation
OPEN = "a quotation mark is opened and never closed"
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class Sheet:
    """A list of rows below headings, all of it text.

    Attributes:
        headings: of every column, in order; ``""`` for each where the first line is a row already.
        sample: the first rows, as many cells in each as there are headings.
        columns: gives some columns by their places, each (M,).
        notes: what a person should know of how it was read, a sentence each.
    """

    headings: tuple[str, ...]
    sample: tuple[tuple[str, ...], ...]
    columns: Callable[[Sequence[int]], list[pa.StringArray]]
    notes: tuple[str, ...] = ()


def open_sheet(data: bytes, key: str) -> Sheet:
    """Reads a CSV or JSON-lines file as text, so that 007 stays 007 and a class may be called NA.

    The encoding is that of the file's mark (UTF-8, UTF-16, UTF-32), else UTF-8, else Windows-1252. The delimiter is
    the comma, semicolon, tab or bar that the first line has most of, or the one after Excel's ``sep=``. Lines end as
    they like; blanks after a delimiter do not count.

    Args:
        data: the whole file.
        key: its name, which ends in .jsonl where it is JSON lines.

    Returns:
        Its headings and first rows; the columns are parsed when they are requested.

    Raises:
        DataError: where the file is damaged; where its rows are, when a column is requested.

    Example:
        >>> sheet = open_sheet(b"name;light\\na.png;day\\n", "photos.csv")
        >>> sheet.headings, sheet.columns([1])[0].to_pylist()
        (('name', 'light'), ['day'])
    """
    try:
        text, notes = _decoded(data, key)
        with _long_cells():
            return _json(text, key, notes) if key.lower().endswith(".jsonl") else _csv(text, key, notes)
    except (ValueError, csv.Error, RecursionError) as error:  # text that does not fit its mark is a ValueError
        raise _damaged(key, str(error).splitlines()[0][:200]) from error


def _damaged(key: str, reason: str) -> DataError:
    return DataError(f"{key} cannot be read as a list of labels ({reason}); repair or remove it.")


@contextmanager
def _long_cells() -> Iterator[None]:
    """Cells as long as the file: a list may hold texts or pixels, of which Python's csv takes 131,072 letters."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _decoded(data: bytes, key: str) -> tuple[str, tuple[str, ...]]:
    """The text, and a note where its encoding is a guess."""
    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            return data.decode(encoding), ()
    if data[1:2] == b"\0" or data[:1] == b"\0":  # UTF-16 without a mark: every other byte of Latin text is 0
        return data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be"), ()
    try:
        return data.decode(), ()
    except UnicodeDecodeError:
        # The five bytes that Windows-1252 leaves free become question marks.
        note = f"{key} is not UTF-8 and was read as Windows-1252; save it as UTF-8 if letters are wrong."
        return data.decode("cp1252", "replace"), (note,)


def _csv(text: str, key: str, notes: tuple[str, ...]) -> Sheet:
    lines, delimiter = _lines(text), ""
    if found := re.match(r'\s*"?sep=(.)"?[ \t]*(?=[\r\n])', text):  # Excel's own first line
        delimiter, lines = found[1], _lines(text[found.end() :])
    filled = (line for line in lines if line.strip(f'{DELIMITERS}" \r\n'))
    delimiter = delimiter or _delimiter(list(islice(filled, FIRST_LINES)))

    def rows() -> Iterator[list[str]]:
        return _parsed(_lines(text[found.end() :] if found else text), delimiter)

    top = tuple(cell.strip() for cell in next(rows(), []))
    if any(LAST in cell for cell in top) and LAST not in text:
        raise ValueError(OPEN)
    bare = any(is_image_name(cell) for cell in top)  # a heading does not end in .png: it is a row
    headings = ("",) * len(top) if bare else top

    def body() -> Iterator[list[str]]:
        return islice(rows(), 0 if bare else 1, None)

    sample = tuple(tuple(_filled(row, len(headings))) for row in islice(_till_damage(body()), SAMPLE))

    def columns(places: Sequence[int]) -> list[pa.StringArray]:
        try:
            with _long_cells():
                return _gathered(body(), len(headings), places)
        except (ValueError, csv.Error) as error:
            raise _damaged(key, str(error)) from error

    return Sheet(headings, sample, columns, notes)


def _delimiter(lines: list[str]) -> str:
    """The one by which the first lines have the same number of cells, and that the first of them has most of."""

    def fit(delimiter: str) -> tuple[bool, float, int]:
        lengths = [len(next(_till_damage(_parsed([line], delimiter)), [])) for line in lines]
        return lengths[0] > 1, lengths.count(lengths[0]) / len(lengths), lengths[0]

    return max(DELIMITERS, key=fit) if lines else DELIMITERS[0]


def is_image_name(cell: str) -> bool:
    """Whether a cell ends as the name of an image file does."""
    return cell[cell.rfind(".") :].strip().lower() in IMAGES if "." in cell else False


def _lines(text: str) -> Iterator[str]:
    """The lines of a text, whichever of the three line ends they have; in quotes all are kept."""
    start = 0
    while start < len(text):  # a part at a time: StringIO takes 4 bytes a letter, and often only the first lines count
        end = text.find("\n", start + PART) + 1 or len(text)
        yield from StringIO(text[start:end], newline="")
        start = end


def _parsed(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    whole = False
    for row in csv.reader(chain(lines, [LAST]), delimiter=delimiter, skipinitialspace=True):
        if len(row) == 1 and row[0] == LAST:
            whole = True
        elif row and (row[0] or any(row)):  # a line of delimiters alone is empty, as one of nothing is
            yield row
    if not whole:
        raise ValueError(OPEN)


def _till_damage(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        yield from rows
    except (ValueError, csv.Error):
        return


def _filled(row: list[str], count: int) -> list[str]:
    """As many cells as there are headings: rows may be short."""
    return row[:count] + [""] * (count - len(row))


def _checked(row: list[str], count: int, at: int) -> list[str]:
    if len(row) == count:
        return row
    if len(row) > count and any(cell.strip() for cell in row[count:]):
        raise ValueError(f"row {at:,} has {len(row)} cells below {count} headings; put cells with a comma in quotes")
    return _filled(row, count)


def _gathered(rows: Iterator[list[str]], count: int, places: Sequence[int]) -> list[pa.StringArray]:
    """Some of the columns, a part at a time, so that a million rows are not as many Python strings."""
    parts: list[list[pa.StringArray]] = [[strings([])] for _ in places]
    done = 0
    while some := list(islice(rows, AT_ONCE)):
        if {*map(len, some)} != {count}:
            some = [_checked(row, count, at) for at, row in enumerate(some, done + 1)]
        done += len(some)
        for part, at in zip(parts, places, strict=True):
            part.append(strings([row[at] for row in some]))
    return [plain_cells(pa.concat_arrays(part)) for part in parts]


def _json(text: str, key: str, notes: tuple[str, ...]) -> Sheet:
    as_written = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
    found: dict[str, dict[int, object]] = {}  # by heading, then by row
    count = 0
    for line in _lines(text):
        if not line.strip():
            continue
        row = as_written.decode(line)
        if not isinstance(row, dict):
            raise ValueError(f"line {count + 1:,} is no JSON object")
        for name, value in row.items():
            found.setdefault(name, {})[count] = value
        count += 1
    headings = tuple(found)

    def columns(places: Sequence[int]) -> list[pa.StringArray]:
        return [
            strings(_word(found[headings[at]].get(row), key, headings[at]) for row in range(count)) for at in places
        ]

    sample = tuple(tuple(_shown(found[name].get(row)) for name in headings) for row in range(min(count, SAMPLE)))
    return Sheet(headings, sample, columns, notes)


def _word(value: object, key: str, heading: str) -> str:
    """A value as it is written; a list or an object is no name and no label."""
    if isinstance(value, list | dict):
        kind = "a list" if isinstance(value, list) else "an object"
        raise DataError(
            f"{key} has {kind} in {heading!r}, where a text or a number was expected; write one value a line."
        )
    return _shown(value)


def _shown(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else value if isinstance(value, str) else ""
