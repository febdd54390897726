"""Labels from a list next to the images: CSV, Hugging Face metadata, Pascal VOC XML."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from firstlight.arrow import strings, to_numpy
from firstlight.data.files import Read
from firstlight.data.scanning.delimited import Sheet, open_sheet
from firstlight.data.scanning.folder_names import split_in
from firstlight.data.scanning.headings import NO, YES, Roles, flags_of, naming_column, roles
from firstlight.data.table import SPLITS
from firstlight.errors import DataError
from firstlight.wording import plural, shortlist

HALVES = frozenset({"public", "private"})  # as in FER-2013's PublicTest
LISTS = (".csv", ".tsv", ".jsonl")
METADATA = ("metadata.csv", "metadata.jsonl")  # the names that Hugging Face's image folders use
ABSOLUTE = r"^(/|\\|[A-Za-z]:[/\\]|(?i:file:))"


@dataclass(frozen=True)
class LabelList:
    """The rows of one or more lists, one per image that is named.

    Attributes:
        source: the list's name, for sentences.
        names: (M,) the images as the list names them, below the root.
        labels: (M,) the classes; ``""`` where the list says none.
        splits: (M,) the splits in the list's own words; ``""`` where it says none.
        folder: the folder that the names count from, where the list says so, as a saved table does.
        guessed: whether no heading says what the labels are.
        notes: what a person should know of how it was read, a sentence each.
    """

    source: str
    names: pa.StringArray
    labels: pa.StringArray
    splits: pa.StringArray
    folder: str = ""
    guessed: bool = False
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.names)


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
    sheet = read_sheet(read, key)
    meant = roles(sheet, key)
    return None if meant.name is None or not meant.labels else list_of(sheet, meant, key)


def passed_list(read: Read, key: str) -> LabelList:
    """The list that was passed itself.

    Raises:
        DataError: where it is damaged, or has no columns for names and labels.
    """
    found = read_list(read, key)
    if found is None:
        raise DataError(f"{unlabelled(read_sheet(read, key), key)}; its first line should be name,label.")
    return found


def unlabelled(sheet: Sheet, source: str) -> str:
    """Why a sheet is no list of labels: the beginning of a sentence."""
    headings = [heading for heading in sheet.headings if heading.strip()]
    name = naming_column(sheet)
    flags = [sheet.headings[at] for at in flags_of(sheet, [at for at in range(len(sheet.headings)) if at != name])]
    if name is not None and len(flags) > 1:
        return f"{source} gives images several of the classes {shortlist(flags)}, where one each was expected"
    what = "names of images" if name is None else "labels"
    has = f"its columns are {shortlist(headings, 6)}" if headings else "it has no line of headings"
    return f"{source} has no column of {what} ({has})"


def read_sheet(read: Read, key: str) -> Sheet:
    """The rows of a CSV or JSON-lines file.

    Raises:
        DataError: where the file cannot be read, or is damaged.
    """
    try:
        return open_sheet(read(key), key)
    except OSError as error:
        raise DataError(
            f"{key} cannot be read as a list of labels ({error.strerror or error}); repair or remove it."
        ) from error


def list_of(sheet: Sheet, meant: Roles, source: str) -> LabelList:
    """The names, labels and splits of a sheet whose columns are understood."""
    assert meant.name is not None
    others = [at for at in (meant.split, meant.root) if at is not None]
    names, *columns = sheet.columns([meant.name, *meant.labels, *others])
    trimmed = [pc.utf8_trim_whitespace(column) for column in columns]
    labels, notes = trimmed[0], [*sheet.notes, *filter(None, [meant.note])]
    if len(meant.labels) > 1:
        hot = np.array([to_numpy(_is_in(each, YES)) for each in trimmed[: len(meant.labels)]])
        labels = _single(hot, [sheet.headings[at].strip() for at in meant.labels], source, notes)
    rest = trimmed[len(meant.labels) :]
    splits = rest.pop(0) if meant.split is not None else strings([""] * len(names))
    if meant.flag:
        splits = _from_flag(splits, meant.flag)
    folder = ""
    if meant.root is not None:
        roots = pc.unique(rest.pop(0)).to_pylist()
        if len(roots) > 1:
            raise DataError(f"{source} has several roots ({shortlist(map(str, roots))}); save the table of each.")
        folder = str(roots[0]) if roots else ""
    below = names if folder else names_below(names, source)
    return LabelList(source, below, labels, splits, folder, meant.guessed, tuple(notes))


def _single(hot: np.ndarray, classes: list[str], source: str, notes: list[str]) -> pa.StringArray:
    """The class of each row from one column of truth values for each class (K, M); none where it has several."""
    count = hot.sum(axis=0)
    if several := int(np.count_nonzero(count > 1)):
        notes.append(f"{source} gives {plural(several, 'image')} several classes; they count as having none.")
    codes = np.where(count == 1, hot.argmax(axis=0), len(classes))
    return strings(np.array([*classes, ""], object)[codes])


def _from_flag(cells: pa.StringArray, flag: str) -> pa.StringArray:
    """Splits from a column that says yes or no: what is not for validation or test is for train."""
    other = "test" if flag == SPLITS[0] else SPLITS[0]
    yes, no = to_numpy(_is_in(cells, YES)), to_numpy(_is_in(cells, NO))
    return strings(np.where(yes, flag, np.where(no, other, np.array(cells.to_pylist(), object))))


def _is_in(cells: pa.StringArray, words: frozenset[str]) -> pa.BooleanArray:
    return pc.is_in(pc.utf8_lower(cells), strings(sorted(words)))


def split_codes(splits: pa.StringArray) -> np.ndarray:
    """(M,) the index into `SPLITS` of each word; -1 where it is none for a split."""
    words = splits.dictionary_encode()
    known = [split_of(str(word), HALVES) for word in words.dictionary.to_pylist()]
    return np.array([*known, -1])[to_numpy(words.indices)]


def split_of(name: str, others: frozenset[str]) -> int:
    """The index into `SPLITS` of a name such as train, test_set or PublicTest, which may have these other words; -1."""
    found = split_in(name)
    return found[0] if found and others.issuperset(found[1]) else -1


def joined(lists: list[LabelList]) -> LabelList:
    """Several lists as one, in their order."""
    return LabelList(
        " and ".join(each.source for each in lists),
        pa.concat_arrays([each.names for each in lists]),
        pa.concat_arrays([each.labels for each in lists]),
        pa.concat_arrays([each.splits for each in lists]),
        notes=tuple(note for each in lists for note in each.notes),
    )


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


def names_below(names: pa.StringArray, key: str) -> pa.StringArray:
    """The names that a list gives, as keys: unless they are absolute, they count from the list's own folder."""
    folder = key.rpartition("/")[0]
    if not folder:
        return names
    absolute = pc.match_substring_regex(names, ABSOLUTE)
    return pc.if_else(absolute, names, pc.binary_replace_slice(names, 0, 0, f"{folder}/"))
