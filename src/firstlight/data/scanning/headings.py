"""What the columns of a list hold: the images' names, their classes, their splits; from headings and first rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from firstlight.data.scanning.delimited import Sheet, is_image_name
from firstlight.data.scanning.folder_names import SPLIT_WORDS, is_split, split_in
from firstlight.wording import shortlist

# Words of headings, the surest first; "Image_ID", "imageId" and "image ids" have the same two words.
NAMES = ("name", "filepath", "path", "filename", "file", "image", "img", "picture", "photo", "key", "id", "uuid")
WITH_NAMES = frozenset({"code", "full", "relative", "absolute", "url", "uri", "location", "x", "isic", "base", *NAMES})
LABELS = (
    *("label", "class", "target", "category", "classname", "breed", "species", "dx", "diagnosis"),
    *("classification", "tag", "genre", "kind", "variety", "cultivar"),
)
WITH_LABELS = frozenset({"name", "id", "code", "index", "idx", "text", "true", "truth", "ground", "gt", "image"})
NUMBERS = frozenset({"id", "code", "index", "idx"})  # a column of names tells more
SPLITS = ("split", "set", "subset", "fold", "partition", "phase", "usage", "dataset")
YES, NO = frozenset({"1", "1.0", "true", "yes", "t", "y"}), frozenset({"0", "0.0", "false", "no", "f", "n"})
ENDINGS = 100  # rows by which it is known whether a column has names of images; a list may have thousands of columns
FEW = 8  # rows from which on names have to differ and labels to repeat


@dataclass(frozen=True)
class Roles:
    """The places of the columns that matter.

    Attributes:
        name: of the images' names; None: there is none.
        labels: of the class, or one for each class where their cells are 0 and 1; empty: there is none.
        split: of the split, or of a flag such as ``is_valid``; None: there is none.
        flag: the split that a flag stands for; ``""`` where the column names splits.
        root: of the folder that the names count from, as a saved table has it; None: the list's own.
        guessed: whether no heading says what the labels are.
        note: what a person should know of the choice; ``""``: nothing.
    """

    name: int | None
    labels: tuple[int, ...] = ()
    split: int | None = None
    flag: str = ""
    root: int | None = None
    guessed: bool = False
    note: str = ""


def roles(sheet: Sheet, source: str) -> Roles:
    """Decides what the columns of a list hold.

    Args:
        sheet: headings and first rows.
        source: the list's name, for the note.

    Example:
        >>> from firstlight.data.scanning.delimited import open_sheet
        >>> roles(open_sheet(b"id,breed,is_valid\\n0a1,pug,True\\n", "labels.csv"), "labels.csv")
        Roles(name=0, labels=(1,), split=2, flag='validation', root=None, guessed=False, note='')
    """
    name = naming_column(sheet)
    if name is None:
        return Roles(None)
    words = [_words(heading) for heading in sheet.headings]
    root = words.index(["root"]) if words[name] == ["key"] and ["root"] in words else None
    split, flag = _split(sheet, words)
    rest = [at for at in range(len(words)) if at not in (name, split, root)]
    found = _labels(words, rest)
    if found:
        several = [sheet.headings[at] for at in found]
        note = (
            f"{source} has {len(several)} columns that may hold labels ({shortlist(several)}); {several[0]} was used."
        )
        return Roles(name, (found[0],), split, flag, root, note=note if len(several) > 1 else "")
    if hot := _one_hot(sheet, rest):
        note = f"{source} has a column of 0 and 1 for each of {len(hot)} classes; the column with the 1 is the class."
        return Roles(name, hot, split, flag, root, note=note)
    left = rest if not any(words) else [at for at in rest if words[at] and not set(words[at]) <= set(SPLITS)]
    left = [at for at in left if not _names_images(sheet, at)]
    if len(left) == 1 and _repeats(sheet, left[0]):
        heading = sheet.headings[left[0]]
        note = f"{source} has no column called label; {heading} was used."
        if not heading:
            note = f"{source} has no line of headings; its columns were read as the name and the label."
        return Roles(name, (left[0],), split, flag, root, guessed=True, note=note)
    return Roles(name, (), split, flag, root)


def naming_column(sheet: Sheet) -> int | None:
    """The place of the column that names the images; None where there is none.

    It is the one whose cells end in an image's extension, else the one whose heading says so; names do not repeat.

    Example:
        >>> from firstlight.data.scanning.delimited import open_sheet
        >>> naming_column(open_sheet(b"label,File_Name\\ncat,a.png\\n", "x.csv"))
        1
    """
    best: tuple[bool, bool, int, int] | None = None
    for at, heading in enumerate(sheet.headings):
        words, endings = _words(heading), _names_images(sheet, at)
        named = bool(words) and set(words) <= WITH_NAMES and any(word in NAMES for word in words)
        if not named and not endings:
            continue
        rank = min([NAMES.index(word) for word in words if word in NAMES], default=len(NAMES)) if named else len(NAMES)
        if {"id", "uuid", "code"} & set(words) and len(words) == 1:
            rank = len(NAMES) - 1
        cells = [row[at] for row in sheet.sample if row[at].strip()]
        repeated = len(cells) >= FEW and len(set(cells)) * 2 < len(cells)
        best = min(best or (True, True, len(NAMES) + 1, -1), (not endings, repeated, rank, at))
    return None if best is None else best[3]


def _names_images(sheet: Sheet, at: int) -> bool:
    """Whether most cells of a column end as the names of images do."""
    cells = [row[at] for row in sheet.sample[:ENDINGS] if row[at].strip()]
    return sum(map(is_image_name, cells)) * 2 > len(cells)


def _words(heading: str) -> list[str]:
    """The words of a heading in lower case and in the singular."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", heading)
    return [_singular(word) for word in re.findall(r"[^\W_]+", parted.lower())]


def _singular(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith("ies") and word != "species":
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "sis", "ies")) else word


def _labels(words: Sequence[list[str]], rest: Sequence[int]) -> list[int]:
    """The columns that may hold labels, the surest first."""

    def rank(at: int) -> tuple[int, bool, int]:
        mine = [word for word in words[at] if word in LABELS]
        return len(words[at]), bool(NUMBERS & set(words[at])), LABELS.index(mine[0])

    sure = [at for at in rest if set(words[at]) & set(LABELS) and set(words[at]) <= {*LABELS, *WITH_LABELS}]
    likely = [at for at in rest if words[at] and words[at][-1] in LABELS]
    return sorted(sure or likely, key=rank)


def _split(sheet: Sheet, words: Sequence[list[str]]) -> tuple[int | None, str]:
    """The column of splits, and the split that it is a flag of."""
    for at, mine in enumerate(words):
        cells = {row[at].strip().lower() for row in sheet.sample} - {""}
        if mine == ["split"] or (set(mine) & set(SPLITS) and any(map(split_in, cells))):
            return at, ""
        if not any(words) and cells and all(map(is_split, cells)):
            return at, ""
        known = [word for word in mine if word in SPLIT_WORDS]
        if len(known) == 1 and set(mine) <= {"is", "in", "set", "image", known[0]} and cells and cells <= YES | NO:
            return at, ("train", "validation", "test")[SPLIT_WORDS[known[0]]]
    return None, ""


def flags_of(sheet: Sheet, rest: Sequence[int]) -> list[int]:
    """The columns whose cells are all 0 or 1."""
    return [at for at in rest if sheet.sample and {row[at].strip().lower() for row in sheet.sample} <= {"", *YES, *NO}]


def _one_hot(sheet: Sheet, rest: Sequence[int]) -> tuple[int, ...]:
    """The columns whose cells are all 0 or 1, if most rows have a single 1 among them, and very few several."""
    flags = flags_of(sheet, rest)
    ones = [sum(row[at].strip().lower() in YES for at in flags) for row in sheet.sample]
    single, several = ones.count(1), sum(one > 1 for one in ones)
    return tuple(flags) if len(flags) > 1 and single * 2 > len(ones) >= several * 20 else ()


def _repeats(sheet: Sheet, at: int) -> bool:
    """Whether the cells of a column are few different ones, as the names of classes are."""
    cells = [row[at].strip() for row in sheet.sample if row[at].strip()]
    return bool(cells) and (len(cells) < FEW or len(set(cells)) * 2 <= len(cells))
