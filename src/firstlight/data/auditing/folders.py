"""Findings about folders, classes and splits: FL101 to FL105, FL107, FL401 and FL402."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from pathlib import Path

from firstlight.data.auditing.findings import EXAMPLES, Finding
from firstlight.data.scanning.folder_names import MACOSX, is_system
from firstlight.data.table import Table
from firstlight.wording import plural, shortlist

RATIO = 10  # largest to smallest class; Buda, Maki and Mazurowski 2018 (arXiv 1710.05381) find harm from there on
FEW = 20  # images; of so few, all of them right, the interval of recall still begins at 0.84


def folder_findings(table: Table) -> list[Finding]:
    """Findings that need no pixels: skipped entries, empty folders, similar names, missing and small classes.

    Args:
        table: what `scan` gave, split or not.
    """
    return [
        *_left_out(table),
        *_empty_folders(table),
        *_alike(table),
        *_missing(table),
        *_unlabelled(table),
        *_too_few_classes(table),
        *_balance(table),
    ]


def _left_out(table: Table) -> list[Finding]:
    count = sum(table.skipped.values())
    if not count:
        return []
    reasons = ", ".join(f"{reason} ({number:,})" for reason, number in table.skipped.items())
    return [
        Finding(
            "FL101",
            f"{plural(count, 'entry was', 'entries were')} skipped: {reasons}.",
            count,
            "Check that no wanted image is skipped.",
            facts=dict(table.skipped),
        )
    ]


def _empty_folders(table: Table) -> list[Finding]:
    root = Path(table.root)
    if not root.is_dir():
        return []
    filled = {""}
    for key in table.keys:
        folder = key.rpartition("/")[0]
        while folder not in filled:
            filled.add(folder)
            folder = folder.rpartition("/")[0]
    empty = []
    for place, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith((".", MACOSX)) and not is_system(name))
        folder = Path(place).relative_to(root).as_posix()
        if not names and not files and folder not in (".", *filled):
            empty.append(folder)
    if not empty:
        return []
    return [
        Finding(
            "FL102",
            f"{plural(len(empty), 'folder is', 'folders are')} empty: {shortlist(empty, 5)}.",
            len(empty),
            "An empty folder is not a class; add images to it or remove it.",
            tuple((folder,) for folder in empty[:EXAMPLES]),
        )
    ]


def _alike(table: Table) -> list[Finding]:
    same = defaultdict(list)
    for name in table.classes:
        letters = unicodedata.normalize("NFKD", name).casefold()
        same["".join(letter for letter in letters if letter.isalnum())].append(name)
    groups = [names for names in same.values() if len(names) > 1]
    if not groups:
        return []
    shown = "; ".join(" and ".join(names) for names in groups[:5])
    return [
        Finding(
            "FL103",
            f"{plural(len(groups), 'group')} of class names differ only in case, spaces, signs or accents: {shown}.",
            sum(map(len, groups)),
            "They count as different classes; if they are one class, give them one name.",
            facts={"groups": groups},
        )
    ]


def _missing(table: Table) -> list[Finding]:
    lacking = {
        split: [name for name, count in counts.items() if not count]
        for split, counts in table.counts().items()
        if sum(counts.values())
    }
    lacking = {split: names for split, names in lacking.items() if names}
    if not lacking:
        return []
    shown = "; ".join(f"{split} has no {shortlist(names, 5)}" for split, names in lacking.items())
    return [
        Finding(
            "FL104",
            f"A class is missing from a split: {shown}.",
            len({name for names in lacking.values() for name in names}),
            "A class cannot be learnt without training images, nor measured without others; split again.",
            facts=lacking,
        )
    ]


def _unlabelled(table: Table) -> list[Finding]:
    keys = [key for key, label in zip(table.keys, table.labels.tolist(), strict=True) if label < 0]
    if not keys:
        return []
    return [
        Finding(
            "FL105",
            f"{plural(len(keys), 'image has', 'images have')} no class.",
            len(keys),
            "They are not used for fitting or scoring; put them into class folders or list their labels.",
            tuple((key,) for key in keys[:EXAMPLES]),
        )
    ]


def _too_few_classes(table: Table) -> list[Finding]:
    if len(table.classes) > 1:
        return []
    which = f"All images are of one class, {table.classes[0]}" if table.classes else "The images have no classes"
    remedy = table.remedy or "put the images of each class into a folder of its own"
    return [
        Finding(
            "FL107",
            f"{which}; a classifier needs two or more.",
            len(table),
            f"{remedy[0].upper()}{remedy[1:]}.",
        )
    ]


def _balance(table: Table) -> list[Finding]:
    counts = dict.fromkeys(table.classes, 0)
    for each in table.counts().values():
        for name, count in each.items():
            counts[name] += count
    there = {name: count for name, count in counts.items() if count}
    if not there:
        return []
    found = []
    largest, smallest = max(there, key=lambda name: there[name]), min(there, key=lambda name: there[name])
    if there[largest] > RATIO * there[smallest]:
        found.append(
            Finding(
                "FL401",
                f"The largest class has {there[largest] / there[smallest]:.0f} times the images of the smallest: "
                f"{largest} {there[largest]:,}, {smallest} {there[smallest]:,}.",
                2,
                "Read recall by class and balanced accuracy; for networks try firstlight fit --class-weights balanced.",
                facts=there,
            )
        )
    few = {name: count for name, count in there.items() if count < FEW}
    if few:
        shown = shortlist([f"{name} ({count})" for name, count in sorted(few.items(), key=lambda one: one[1])], 5)
        found.append(
            Finding(
                "FL402",
                f"{plural(len(few), 'class has', 'classes have')} fewer than {FEW} images: {shown}.",
                len(few),
                "Their scores are very uncertain; collect more images.",
                facts=few,
            )
        )
    return found
