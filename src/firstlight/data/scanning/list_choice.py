"""Which lists next to the images count: where they are looked for, and which of them are forms to fill in."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc

from firstlight.arrow import strings, to_numpy
from firstlight.data.files import Read
from firstlight.data.scanning.headings import roles
from firstlight.data.scanning.lists import LISTS, METADATA, LabelList, list_of, read_sheet, split_of, unlabelled
from firstlight.data.scanning.matching import Match
from firstlight.data.table import SPLITS
from firstlight.errors import DataError
from firstlight.wording import plural, shortened

FEW_LISTS = 20
FORM = 5  # rows from which on a single label is no chance
ABOUT_LISTS = frozenset({"label", "labels", "list", "class", "classes", "annotation", "annotations", "metadata", "gt"})


def places_of_lists(keys: list[str], base: str) -> list[list[str]]:
    """Where lists are looked for: CSV files in the root and Hugging Face's metadata in any folder; then other folders.

    A folder with more lists than `FEW_LISTS` has one for each image or video, and is left alone.
    """
    first, rest = [], defaultdict(list)
    for key in keys:
        folder, _, name = key.rpartition("/")
        if name.lower() in METADATA or (name.lower().endswith(LISTS[:2]) and folder in ("", base)):
            first.append(key)
        elif name.lower().endswith(LISTS[:2]):
            rest[folder].append(key)
    others = [key for each in rest.values() if len(each) <= FEW_LISTS for key in each]
    return [first, others] if len(others) <= FEW_LISTS else [first]


def read_lists(read: Read, keys: Iterable[str]) -> tuple[list[LabelList], list[str], list[str]]:
    """The lists among some files; a sentence for each that is damaged; one for each that has names but no labels."""
    lists, notes, unused = [], [], []
    for key in keys:
        try:
            sheet = read_sheet(read, key)
            meant = roles(sheet, key)
            if meant.name is not None and meant.labels:
                lists.append(list_of(sheet, meant, key))
            elif meant.name is not None and sheet.sample:
                unused.append(f"{unlabelled(sheet, key)}.")
        except DataError as error:
            notes.append(str(error))
    return lists, notes, unused


def without_forms(lists: list[LabelList]) -> tuple[list[LabelList], list[str]]:
    """The lists without those that are forms to fill in, such as Kaggle's sample submissions; a note on each.

    A form is called so, or gives all its images one label while another list has several.
    """
    counts = [pc.count_distinct(each.labels).as_py() for each in lists]
    kept, notes = [], []
    for each, count in zip(lists, counts, strict=True):
        is_form = count == 1 and len(each) >= FORM and max(counts) > 1
        if not is_form and not re.search("submission|samplesub", re.sub(r"[\W_]", "", each.source.lower())):
            kept.append(each)
            continue
        given = f"the one label {shortened(str(each.labels[0]))}" if count == 1 else f"{count:,} labels"
        notes.append(
            f"{each.source} gives {plural(len(each), 'image')} {given}, as a form for predictions does, so its labels "
            "were not used; pass the list itself to use them."
        )
    return kept, notes


def split_by_name(found: LabelList) -> LabelList:
    """A list without splits, but called train.csv or the like, is that split as a whole."""
    code = split_of(re.sub(r"\.\w+$", "", found.source.rpartition("/")[2]), ABOUT_LISTS)
    if code < 0 or (to_numpy(pc.binary_length(found.splits)) > 0).any():
        return found
    return replace(found, splits=strings([SPLITS[code]] * len(found)))


def about_test_lists(lists: list[LabelList], matched: Match, splits: np.ndarray) -> list[str]:
    """A warning of each list that labels test images only, next to one for others, and is not called so."""
    notes, first = [], 0
    for each in lists:
        mine = (matched.rows >= first) & (matched.rows < first + len(each))
        first += len(each)
        is_test = mine.any() and (splits[mine] == SPLITS.index("test")).all()
        if len(lists) > 1 and is_test and pc.max(pc.binary_length(each.splits)).as_py() == 0:
            notes.append(f"{each.source} labels test images only; if it is a sample submission, remove it.")
    return notes
