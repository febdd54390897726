"""`scan()`: a folder, zip, CSV or saved table becomes a `Table`; nothing is decoded."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc

from firstlight.arrow import booleans, strings, to_numpy
from firstlight.data.files import open_root
from firstlight.data.scanning.entries import NO_IMAGE, Entries, entries_of_zip
from firstlight.data.scanning.labels import Labels, by_folder, by_list, by_voc, disagreement, match
from firstlight.data.scanning.layout import SPLIT_WORDS, Layout, understand
from firstlight.data.scanning.lists import METADATA, LabelList, joined, read_list
from firstlight.data.scanning.walk import entries_of_folder
from firstlight.data.table import Table
from firstlight.errors import DataError
from firstlight.wording import shortlist

LOOSE = "image next to the class folders"
UNNAMED = "image that the list does not name"


def scan(root: str | os.PathLike[str], *, follow_links: bool = False) -> Table:
    """Finds the images below a root, with their classes and splits.

    This is where everything starts. Names, sizes and times are looked at, no image is opened. Understood
    are class folders (also nested, also inside train, validation and test folders), CSV files, Hugging
    Face metadata and Pascal VOC XML. Class folders go before lists, unless the list itself is passed.

    Args:
        root: a folder; a .zip, which is read in place; a .csv that names images and labels; or a .parquet
            that `Table.to_parquet` wrote.
        follow_links: whether links to files and folders are followed.

    Returns:
        One row per image in the order of the keys, by bytes. Skipped entries are counted in ``skipped``;
        ``notes`` has remarks on the folder.

    Raises:
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
        >>> folder.cleanup()
    """
    path = os.path.abspath(root)  # noqa: PTH100 - a root that is a link keeps the name it was given
    return replace(_scanned(path, str(root), follow_links), source=path)


def _scanned(path: str, typed: str, follow_links: bool) -> Table:
    kind = os.path.splitext(path)[1].lower()  # noqa: PTH122
    if os.path.isdir(path):  # noqa: PTH112
        return _table(path, entries_of_folder(path, follow_links=follow_links))
    if not os.path.exists(path):  # noqa: PTH110
        raise DataError(f"{typed} does not exist; pass a folder of images, a .zip, a .csv or a .parquet.")
    if kind == ".parquet":
        return Table.from_parquet(path)
    if kind == ".zip":
        return _table(path, entries_of_zip(path), archive=True)
    if kind == ".csv":
        folder, name = os.path.split(path)
        return _table(folder, entries_of_folder(folder, follow_links=follow_links), only=name)
    raise DataError(
        f"{typed} is a file, but a folder of images, a .zip, a .csv or a .parquet was expected; "
        "pass the folder that holds it."
    )


def _table(root: str, entries: Entries, *, archive: bool = False, only: str = "") -> Table:
    """The table of what was met; ``only`` is the list that was passed itself: no other counts then."""
    if not len(entries):
        raise _without_images(root, entries)
    holders = map(str, pc.unique(pc.replace_substring_regex(entries.lists, r"/?[^/]*$", "")).to_pylist())
    layout = understand(entries.folders, entries.counts.tolist(), lists=set(holders), archive=archive)
    found, used, notes = _labels(root, entries, layout, only)
    skipped = Counter(entries.skipped)
    skipped[NO_IMAGE] += len(entries.lists) - used
    skipped[UNNAMED if only else LOOSE] += int(np.count_nonzero(~found.kept))
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
    notes = [f"The folder {name} cannot be read ({why})." for name, why in entries.denied.items()] + notes
    return replace(table, notes=(*notes, *found.notes, *_about_classes(table)))


def _labels(root: str, entries: Entries, layout: Layout, only: str) -> tuple[Labels, int, list[str]]:
    """The labels; how many of the files that may hold labels were of use; what was odd about them."""
    if not only and not len(entries.lists):
        return by_folder(entries, layout), 0, []
    is_voc = pc.match_substring_regex(entries.lists, r"(?i)\.xml$")
    annotations, tabular = entries.lists.filter(is_voc), entries.lists.filter(pc.invert(is_voc)).to_pylist()
    wanted = [only] if only else [key for key in map(str, tabular) if _may_hold_labels(key, layout.base)]
    read = open_root(root)
    lists, notes = [], []
    for key in wanted:
        try:
            lists += [each] if (each := read_list(read, key)) is not None else []
        except DataError as error:
            if only:
                raise
            notes.append(str(error))
    if only and not lists:
        raise DataError(
            f"{os.path.join(root, only)} names no images and labels; its first line should be name,label."  # noqa: PTH118
        )
    if lists:
        listed = joined([_split_by_name(each) for each in lists])
        matched = match(listed, entries.keys)
        any_named = bool((matched.rows >= 0).any())
        if only and not any_named:
            raise DataError(
                f"{only} names {len(listed.names):,} images, none of which is below {root}; the names "
                "count from the list's own folder, so move the list or correct the names."
            )
        if any_named and (only or len(layout.classes) < 2):
            return by_list(entries, layout, listed, matched, alone=bool(only)), len(lists), notes
        if any_named:
            notes += disagreement(entries, layout, listed, matched)
        elif len(layout.classes) < 2:
            notes.append(f"{listed.source} names none of the images.")
    if len(layout.classes) < 2 and len(annotations):
        found = by_voc(entries, layout, annotations, read)
        if found is not None:
            return found, len(lists) + len(annotations), notes
    return by_folder(entries, layout), len(lists), notes


def _may_hold_labels(key: str, base: str) -> bool:
    """Whether a file may be a list: a CSV in the root, or Hugging Face's metadata in any folder."""
    folder, _, name = key.rpartition("/")
    return name.lower() in METADATA or (name.lower().endswith(".csv") and folder in ("", base))


def _split_by_name(found: LabelList) -> LabelList:
    """A list without splits, but called train.csv or the like, is that split as a whole."""
    word = os.path.splitext(os.path.basename(found.source))[0].lower()  # noqa: PTH119, PTH122
    if word not in SPLIT_WORDS or (to_numpy(pc.binary_length(found.splits)) > 0).any():
        return found
    return replace(found, splits=strings([word] * len(found.names)))


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
        return ["Neither folders nor a list name the classes of the images."]
    notes = []
    if len(table.classes) == 1:
        notes.append(f"All images are of one class, {table.classes[0]}; a classifier needs two or more.")
    for split, counts in table.counts().items():
        lacking = [name for name, count in counts.items() if not count]
        if split == "all" or not lacking:
            continue
        if len(lacking) == len(counts):
            notes.append(f"The classes of the images of the {split} split are not known.")
        else:
            notes.append(f"The {split} split has no image of {shortlist(lacking)}.")
    return notes
