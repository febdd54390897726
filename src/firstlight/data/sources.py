"""`scan()`: a folder, zip, CSV or saved table becomes a `Table`; nothing is decoded."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc

from firstlight.arrow import booleans
from firstlight.data.files import open_root
from firstlight.data.scanning.entries import NO_IMAGE, Entries, entries_of_zip
from firstlight.data.scanning.file_names import by_file_name
from firstlight.data.scanning.folder_names import is_mask_folder
from firstlight.data.scanning.frames import Rows, list_of_rows, parquet_rows
from firstlight.data.scanning.labels import Labels, by_folder, by_list, by_voc, completed, disagreement
from firstlight.data.scanning.layout import Layout, understand
from firstlight.data.scanning.list_choice import (
    about_test_lists,
    places_of_lists,
    read_lists,
    split_by_name,
    without_forms,
)
from firstlight.data.scanning.listed import Listed, locate, saved
from firstlight.data.scanning.lists import LISTS, joined, passed_list
from firstlight.data.scanning.masks import without_masks
from firstlight.data.scanning.matching import match
from firstlight.data.scanning.options import Scanning
from firstlight.data.scanning.remedy import remedy
from firstlight.data.scanning.walk import entries_of_folder
from firstlight.data.table import Table
from firstlight.errors import ArgumentError, DataError
from firstlight.wording import shortlist

LOOSE = "image next to the class folders"
VOC = "/JPEGImages"
UNNAMED = "image that the list does not name"


def scan(
    data: str | os.PathLike[str] | Rows,
    *,
    root: str | os.PathLike[str] | None = None,
    follow_links: bool = False,
    classes_from: str = "auto",
    label_from: str | None = None,
) -> Table:
    r"""Finds the images below a root, with their classes and splits.

    This is where everything starts. Names, sizes and times are looked at, no image is opened. Understood
    are class folders (also nested, also inside train, validation and test folders), CSV files, Hugging
    Face metadata and Pascal VOC XML. Class folders go before lists, unless the list itself is passed.

    Args:
        data: a folder; a .zip, which is read in place; a .csv, .tsv or .jsonl that names images and labels; a .csv
            or .parquet that `Table.to_csv` or `Table.to_parquet` wrote; or the list itself: a DataFrame (pandas,
            polars, Arrow) with a column of paths and one of labels, or (path, label) pairs.
        root: the folder or zip that the names of a list count from. Default: the folder of the list; of a DataFrame
            or pairs the working directory.
        follow_links: whether links to files and folders are followed.
        classes_from: where every class folder has the form X/Y, the one that names the class: ``"top"`` (X),
            ``"leaf"`` (Y), or ``"parent"`` (of the leaf). ``"auto"`` decides by the names, and a note says how.
        label_from: takes the classes from file names instead: a regular expression, such as ``r"([a-z]+)_\d+"``,
            that is searched in the path below the root. Its first group is the class, or the one called ``label``.

    Returns:
        One row per image in the order of the keys, by bytes. Skipped entries are counted in ``skipped``;
        ``notes`` has remarks on the folder.

    Raises:
        ArgumentError: where an option has no such value, or a list has its classes already.
        DataError: where the root is missing, cannot be read, is none of these, or holds no images.

    Example:
        >>> import pathlib, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> for key in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/notes.txt"):
        ...     path = pathlib.Path(folder.name, key)
        ...     path.parent.mkdir(exist_ok=True)
        ...     size = path.write_bytes(b"not looked at")
        >>> table = scan(folder.name)
        >>> table.classes, table.labels.tolist(), dict(table.skipped)
        (('cat', 'dog'), [0, 0, 1], {'no image by its extension': 1})
        >>> scan([("cat/1.png", "short"), ("dog/1.png", "long")], root=folder.name).classes
        ('long', 'short')
        >>> scan(folder.name, label_from=r"/(\d)").classes
        ('1', '2')
        >>> folder.cleanup()
    """
    base = None if root is None else os.path.abspath(root)  # noqa: PTH100
    how = Scanning(root=base, follow_links=follow_links, classes_from=classes_from, label_from=label_from)
    if not isinstance(data, str | os.PathLike):
        _refuse_levels(how, "a list in memory")
        listed = locate(list_of_rows(data), base or os.getcwd(), walk=base is not None, follow_links=follow_links)  # noqa: PTH109
        return replace(_of_list(listed), scanning=replace(how, root=None))  # the images alone can be found again
    if not os.fspath(data):
        raise DataError("The path is empty; pass a folder of images, a .zip, a .csv or a .parquet.")
    path = os.path.abspath(data)  # noqa: PTH100 - a root that is a link keeps the name it was given
    return replace(_scanned(path, str(data), how), source=path, scanning=how)


def _refuse_levels(how: Scanning, what: str) -> None:
    """Raises where classes are to be taken from names, and the source has them already."""
    for option, default in (("classes_from", "auto"), ("label_from", None)):
        if getattr(how, option) != default:
            raise ArgumentError(f"{what} has its classes already; omit {option}, or pass the folder of images.")


def _scanned(path: str, typed: str, how: Scanning) -> Table:
    base, kind = how.root, os.path.splitext(path)[1].lower()  # noqa: PTH122
    if base is not None and kind not in LISTS:
        raise ArgumentError(f"{typed} is no list, so it has no other root; omit root, or pass a .csv, .tsv or .jsonl.")
    if os.path.isdir(path):  # noqa: PTH112
        return _table(path, entries_of_folder(path, follow_links=how.follow_links), how)
    if not os.path.exists(path):  # noqa: PTH110
        raise DataError(f"{typed} does not exist; pass a folder of images, a .zip, a .csv or a .parquet.")
    if kind in (".parquet", *LISTS):
        _refuse_levels(how, typed)
    if kind == ".parquet":
        rows = parquet_rows(path)
        if rows is None:
            return Table.from_parquet(path)
        folder, name = os.path.split(path)
        return _of_list(locate(list_of_rows(rows, name), folder, follow_links=how.follow_links))
    if kind == ".zip":
        return _table(path, entries_of_zip(path), how, archive=True)
    if kind in LISTS:
        folder, name = os.path.split(path)
        found = passed_list(open_root(folder), name)
        listed = saved(found) if found.folder and base is None else None
        return _of_list(listed or locate(found, base or folder, follow_links=how.follow_links))
    raise DataError(
        f"{typed} is a file, but a folder of images, a .zip, a .csv or a .parquet was expected; "
        "pass the folder that holds it."
    )


def _of_list(listed: Listed) -> Table:
    """The table of the images that a list names: no other list counts then, and no class folder."""
    layout = _layout(listed.entries, archive=not os.path.isdir(listed.root))  # noqa: PTH112
    found = by_list(listed.entries, layout, listed.found, listed.matched, alone=True)
    return _built(listed.root, listed.entries, found, used=1, left=UNNAMED)


def _table(root: str, entries: Entries, how: Scanning, *, archive: bool = False) -> Table:
    """The table of a folder or zip."""
    if not len(entries):
        raise _without_images(root, entries)
    entries = without_masks(entries)
    layout = _layout(entries, archive=archive, classes_from=how.classes_from)
    found, used = _labels(root, entries, layout, how)
    return _built(root, entries, found, used=used, left=LOOSE)


def _layout(entries: Entries, *, archive: bool, classes_from: str = "auto") -> Layout:
    holders = map(str, pc.unique(pc.replace_substring_regex(entries.lists, r"/?[^/]*$", "")).to_pylist())
    annotated = (each for each in entries.folders if any(map(is_mask_folder, each.split("/"))))
    return understand(
        entries.folders,
        entries.counts.tolist(),
        lists={*holders, *annotated},
        archive=archive,
        classes_from=classes_from,
    )


def _built(root: str, entries: Entries, found: Labels, *, used: int, left: str) -> Table:
    """The table of what was met and decided.

    Args:
        root: of the keys.
        entries: the images that were met.
        found: their labels, and which of them are kept.
        used: how many of the files that may hold labels were of use.
        left: the reason why the others were left out.
    """
    skipped = Counter(entries.skipped)
    skipped[NO_IMAGE] += len(entries.lists) - used
    skipped[left] += int(np.count_nonzero(~found.kept))
    table = Table.build(
        root,
        entries.keys.filter(booleans(found.kept)),
        classes=found.classes,
        labels=found.labels[found.kept],
        splits=found.splits[found.kept],
        columns={"size": entries.sizes[found.kept], "modified": entries.modified[found.kept]},
        layout=found.layout,
        skipped=dict(+skipped),
    )
    if len(table.classes) < 2:
        table = replace(table, remedy=remedy(root, entries))
    denied = [f"The folder {name} cannot be read ({why})." for name, why in entries.denied.items()]
    return replace(table, notes=(*denied, *entries.notes, *found.notes, *_about_classes(table)))


def _labels(root: str, entries: Entries, layout: Layout, how: Scanning) -> tuple[Labels, int]:
    """The labels; how many of the files that may hold labels were of use."""
    if how.label_from is not None:
        return by_file_name(root, entries, layout, how.label_from), 0
    if not len(entries.lists):
        return by_folder(entries, layout), 0
    is_voc = pc.match_substring_regex(entries.lists, r"(?i)\.xml$")
    annotations, tabular = entries.lists.filter(is_voc), entries.lists.filter(pc.invert(is_voc)).to_pylist()
    read, in_folders = open_root(root), len(layout.classes) > 1 or how.classes_from != "auto"
    if how.classes_from == "auto" and len(annotations) and any(f"/{each}".endswith(VOC) for each in entries.folders):
        in_folders = False  # the folders around JPEGImages are years, not classes
    places = places_of_lists(list(map(str, tabular)), layout.base)
    lists, notes, unlabelled = read_lists(read, places.pop(0))
    while places and not (lists or in_folders):  # the images are a heap: a list in any folder may say what they are
        lists, more, others = read_lists(read, places.pop(0))
        unlabelled += others[:1]  # one is example enough: every split has such a list
        notes += more
    lists = [each for each in lists if not (in_folders and each.guessed)]
    lists, forms = without_forms(lists)
    notes += forms if lists or in_folders else [*unlabelled, *forms]
    if lists:
        lists = [split_by_name(each) for each in lists]
        listed = joined(lists)
        matched = match(lists, entries.keys, layout.splits[entries.folder_of])
        any_named = bool(matched.found.any())
        if any_named and not in_folders:
            notes += about_test_lists(lists, matched, layout.splits[entries.folder_of])
            if len(lists) > 1 or forms:
                notes.append(f"The labels are those of {shortlist(each.source for each in lists)}.")
            return _noted(by_list(entries, layout, listed, matched), notes), len(lists)
        if any_named:
            notes += disagreement(entries, layout, listed, matched)
            found = completed(by_folder(entries, layout), entries, listed, matched)
            return _noted(found, notes), len(lists)
        elif not in_folders:
            notes.append(f"{listed.source} names none of the images.")
    if not in_folders and len(annotations):
        voc = by_voc(entries, layout, annotations, read)
        if voc is not None:
            return _noted(voc, notes), len(lists) + len(annotations)
    return _noted(by_folder(entries, layout), notes), len(lists)


def _noted(found: Labels, notes: list[str]) -> Labels:
    return replace(found, notes=(*notes, *found.notes))


def _without_images(root: str, entries: Entries) -> DataError:
    looked_for = "pass a folder with one folder of images for each class."
    if len(entries.folders) == 1 and not entries.skipped and not len(entries.lists):
        return DataError(f"{root} is empty; {looked_for}")
    met = Counter(entries.skipped)
    met[NO_IMAGE] += len(entries.lists)
    passed = "; ".join(f"{count:,} x {reason}" for reason, count in (+met).items())
    return DataError(f"{root} holds no images ({passed or 'only empty folders'}); {looked_for}")


def _about_classes(table: Table) -> list[str]:
    """What is to be said of the classes that a table has and that its splits lack."""
    if not table.classes:
        return [f"Neither folders nor a list name the classes of the images; {table.remedy}."]
    notes = []
    if len(table.classes) == 1:
        notes.append(
            f"All images are of one class, {table.classes[0]}; a classifier needs two or more: {table.remedy}."
        )
    for split, counts in table.counts().items():
        lacking = [name for name, count in counts.items() if not count]
        if split == "all" or not lacking:
            continue
        if len(lacking) == len(counts):
            notes.append(f"The classes of the images of the {split} split are not known.")
        else:
            notes.append(f"The {split} split has no image of {shortlist(lacking)}.")
    return notes
