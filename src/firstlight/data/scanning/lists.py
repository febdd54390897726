"""Labels that stand in a list beside the images: CSV, Hugging Face metadata, Pascal VOC XML."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from firstlight.arrow import strings
from firstlight.data.files import Read
from firstlight.errors import DataError

# The headings by which a list names its images and its labels, in any letter case.
NAMES = ("name", "filepath", "path", "file_name", "filename", "image")
LABEL = "label"
SPLIT = "split"

LONGEST_HEADING = 1 << 16  # bytes; a first line that is longer belongs to no list of labels

METADATA = ("metadata.csv", "metadata.jsonl")  # the names that Hugging Face's image folders use


@dataclass(frozen=True)
class LabelList:
    """What one or more lists say, a row per image that is named.

    Attributes:
        source: the list's name, for sentences.
        names: (M,) the images as the list names them, below the root.
        labels: (M,) the classes; ``""`` where the list says none.
        splits: (M,) the splits in the list's own words; ``""`` where it says none.
    """

    source: str
    names: pa.StringArray
    labels: pa.StringArray
    splits: pa.StringArray


def read_list(read: Read, key: str) -> LabelList | None:
    """Reads a CSV or JSON-lines file of labels.

    Args:
        read: reads a file of the root by its key.
        key: the list's key; the images' names in it count from its folder.

    Returns:
        The list, or None where it has no columns for names and labels: some other file, then.

    Raises:
        DataError: where the file is damaged.

    Example:
        >>> found = read_list(lambda key: b"name,label\\na.png,cat\\n", "photos/labels.csv")
        >>> found.names.to_pylist(), found.labels.to_pylist()
        (['photos/a.png'], ['cat'])
    """
    try:
        data = read(key)
        text = _read_json(data) if key.lower().endswith(".jsonl") else _read_csv(data)
    except (OSError, ValueError, pa.ArrowException) as error:  # a name that is not UTF-8 is a ValueError
        reason = str(error).splitlines()[0][:200]
        raise DataError(f"{key} cannot be read as a list of labels ({reason}); mend or remove it.") from error
    if text is None:
        return None
    names, labels, splits = text
    names = pc.replace_substring(names, "\\", "/")  # as written on Windows
    folder = key.rpartition("/")[0]
    if pc.any(pc.starts_with(names, "./")).as_py():
        names = pc.replace_substring_regex(names, r"^(\./)+", "")
    if folder:
        names = pc.binary_replace_slice(names, 0, 0, f"{folder}/")
    return LabelList(key, names, pc.utf8_trim_whitespace(labels), pc.utf8_trim_whitespace(splits))


def joined(lists: list[LabelList]) -> LabelList:
    """Several lists as one, in their order."""
    parts = ([getattr(each, column) for each in lists] for column in ("names", "labels", "splits"))
    return LabelList(" and ".join(each.source for each in lists), *map(pa.concat_arrays, parts))


def read_voc(data: bytes) -> list[tuple[str, float]] | str:
    """The objects that a Pascal VOC annotation names.

    Args:
        data: the XML.

    Returns:
        Name and area of the box in square pixels of each object, largest first, or the reason why there
        is none.

    Example:
        >>> read_voc(b"<annotation><object><name>cat</name></object></annotation>")
        [('cat', 0.0)]
        >>> read_voc(b"<annotation/>")
        'no object in it'
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(data)
    except DefusedXmlException:
        return "entities in it, which are refused"
    except (ParseError, ValueError, LookupError):  # LookupError: an encoding that nobody knows
        return "damaged XML"
    found = []
    for each in root.iter("object"):
        try:
            left, top, right, bottom = (
                float(each.findtext(f"bndbox/{side}", "0")) for side in ("xmin", "ymin", "xmax", "ymax")
            )
        except ValueError:
            left = top = right = bottom = 0.0
        if name := (each.findtext("name") or "").strip():
            found.append((name, max(0.0, right - left) * max(0.0, bottom - top)))
    return sorted(found, key=lambda item: -item[1]) or "no object in it"


Text = tuple[pa.StringArray, pa.StringArray, pa.StringArray]  # names, labels, splits


def _columns(headings: list[str]) -> list[int | None] | None:
    """Where names, labels and splits stand; None where one of the first two is not there."""
    plain = [heading.strip().lower() for heading in headings]
    name = next((plain.index(name) for name in NAMES if name in plain), None)
    label, split = (plain.index(each) if each in plain else None for each in (LABEL, SPLIT))
    return None if name is None or label is None else [name, label, split]


def _read_csv(data: bytes) -> Text | None:
    """Everything as text, so that 007 stays 007 and a class may be called NA."""
    import csv

    import pyarrow.csv

    start = data[:LONGEST_HEADING].removeprefix(b"\xef\xbb\xbf")  # the mark that Excel puts before UTF-8
    heading = start.partition(b"\n")[0].decode(errors="replace").rstrip("\r")
    delimiter = max(",;\t", key=heading.count)
    headings = next(csv.reader([heading], delimiter=delimiter), [])
    columns = _columns(headings)
    if columns is None:
        return None
    numbers = [str(at) for at in range(len(headings))]  # two headings may be equal, two numbers are not
    wanted = [str(at) for at in columns if at is not None]
    rows = pyarrow.csv.read_csv(
        io.BytesIO(data),
        read_options=pyarrow.csv.ReadOptions(column_names=numbers, skip_rows=1),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string()), strings_can_be_null=False
        ),
    )
    return _text(rows, range(len(wanted)))


def _read_json(data: bytes) -> Text | None:
    import pyarrow.json

    rows = pyarrow.json.read_json(io.BytesIO(data))
    columns = _columns(rows.column_names)
    return None if columns is None else _text(rows, [at for at in columns if at is not None])


def _text(rows: pa.Table, columns: Iterable[int]) -> Text:
    """The columns as text, null as nothing; where there are no splits, as many nothings."""
    found = [_as_text(rows.column(at)) for at in columns]
    return found[0], found[1], found[2] if len(found) > 2 else strings([""] * len(rows))


def _as_text(column: Any) -> pa.StringArray:
    text: pa.StringArray = column.cast(pa.string()).combine_chunks()
    return pc.fill_null(text, "") if text.null_count else text
