"""Labels from a list next to the images: CSV, Hugging Face metadata, Pascal VOC XML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from firstlight.arrow import strings
from firstlight.data.files import Read
from firstlight.data.scanning.delimited import read_columns
from firstlight.errors import DataError

# The headings by which a list names its images and its labels, in any letter case.
NAMES = ("name", "filepath", "path", "file_name", "filename", "image")
LABEL = "label"
SPLIT = "split"

METADATA = ("metadata.csv", "metadata.jsonl")  # the names that Hugging Face's image folders use


@dataclass(frozen=True)
class LabelList:
    """The rows of one or more lists, one per image that is named.

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
    except OSError as error:
        raise DataError(
            f"{key} cannot be read as a list of labels ({error.strerror or error}); repair or remove it."
        ) from error
    found = read_columns(data, key, lambda headings: [at for at in _columns(headings) if at is not None])
    places = _columns(found.headings)
    if not places:
        return None
    columns = [found.values[at] for at in places if at is not None]
    names, labels, splits = columns if len(columns) == 3 else [*columns, strings([""] * len(columns[0]))]
    return LabelList(key, names_below(names, key), pc.utf8_trim_whitespace(labels), pc.utf8_trim_whitespace(splits))


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


def naming_column(headings: Sequence[str]) -> int | None:
    """The place of the column that names the images; None where there is none.

    Example:
        >>> naming_column(["label", "File_Name"])
        1
    """
    plain = [heading.strip().lower() for heading in headings]
    return next((plain.index(name) for name in NAMES if name in plain), None)


def names_below(names: pa.StringArray, key: str) -> pa.StringArray:
    """The names that a list gives, as keys: they count from the list's own folder."""
    names = pc.replace_substring(names, "\\", "/")  # as written on Windows
    folder = key.rpartition("/")[0]
    if pc.any(pc.starts_with(names, "./")).as_py():
        names = pc.replace_substring_regex(names, r"^(\./)+", "")
    return pc.binary_replace_slice(names, 0, 0, f"{folder}/") if folder else names


def _columns(headings: Sequence[str]) -> list[int | None]:
    """The places of names, labels and splits; empty where one of the first two is not there."""
    plain = [heading.strip().lower() for heading in headings]
    label, split = (plain.index(each) if each in plain else None for each in (LABEL, SPLIT))
    name = naming_column(headings)
    return [] if name is None or label is None else [name, label, split]
